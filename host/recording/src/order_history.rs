//! The story of one order, from the event that caused it to its last fill, as the reels have it.

use super::codec::{ActionsRecord, decode};
use super::{ACTIONS, EventReader, RecordedRun, RunManifest};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use tickdeck_engine::{AppliedAction, Effect, RecordedChange, SentKind};
use tickdeck_journal::Reader;
use tickdeck_model::{
    Action, Body, ClientOrderId, Event, OrderNumber, Registry, StrategyId, Submit, Timestamp,
};

/// An order's life.
#[derive(Debug)]
pub struct OrderHistory {
    /// Which order.
    pub order: ClientOrderId,
    /// What caused it; nothing if no single event did.
    pub cause: Option<Event>,
    /// How many events its strategy had handled when it decided, that one not among them.
    pub handled: u64,
    /// What was decided.
    pub decided: AppliedAction,
    /// The order as it was decided.
    pub submit: Submit,
    /// What was decided about it later.
    pub later: Vec<AppliedAction>,
    /// What left, with event time, and wall time in nanoseconds since 1970.
    pub sent: Vec<(SentKind, Timestamp, i64)>,
    /// What became of it: the updates and fills.
    pub became: Vec<Event>,
}

/// Finds an order's story.
///
/// # Errors
/// There is no such order, or the reels can't be read.
pub fn order_history(
    run: &RecordedRun,
    strategy: &str,
    number: OrderNumber,
) -> Result<OrderHistory> {
    let manifest = RunManifest::read(&run.folder)?;
    let registry = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let mut found = OrderTrace::default();
    found.read_actions(run, &registry, (strategy, number))?;
    let Some((position, decided, submit)) = found.decided else {
        bail!(
            "run {} has no order {number} of {strategy}{}",
            run.number,
            found.hint()
        );
    };
    let order = ClientOrderId {
        strategy: decided.strategy,
        number,
    };
    let handled = match decided.is_at_end() {
        true => position,
        false => decided.cause,
    };
    let (cause, became) = events_of(run, &decided, number)?;
    Ok(OrderHistory {
        order,
        cause,
        handled,
        decided,
        submit,
        later: found.later,
        sent: found.sent,
        became,
    })
}

/// What the actions reel has about an order.
#[derive(Default)]
struct OrderTrace {
    /// With its position.
    decided: Option<(u64, AppliedAction, Submit)>,
    later: Vec<AppliedAction>,
    sent: Vec<(SentKind, Timestamp, i64)>,
    /// The order numbers that the strategy used.
    numbers: Option<(OrderNumber, OrderNumber)>,
}

impl OrderTrace {
    fn hint(&self) -> String {
        self.numbers.map_or_else(
            || ": it sent none".to_owned(),
            |(first, last)| format!(": it sent {first} to {last}"),
        )
    }

    fn read_actions(
        &mut self,
        run: &RecordedRun,
        registry: &Registry,
        (name, number): (&str, OrderNumber),
    ) -> Result<()> {
        let mut id = (0..)
            .map_while(|id| Some((id, registry.strategy(StrategyId(id))?)))
            .find_map(|(id, other)| (other == name).then_some(StrategyId(id)));
        let mut reader = Reader::open(&run.folder, ACTIONS)?;
        while let Some(record) = reader.next()? {
            let entry = decode(record.kind, record.payload)
                .with_context(|| format!("record {} of the actions reel", record.index))?;
            match entry {
                ActionsRecord::Effect(_, Effect::Changed { what, .. }) => {
                    if let RecordedChange::Start {
                        strategy, name: it, ..
                    } = &what
                        && it == name
                    {
                        id = Some(*strategy);
                    }
                }
                ActionsRecord::Effect(position, Effect::Applied(acted))
                    if Some(acted.strategy) == id =>
                {
                    self.acted(position, acted, number);
                }
                ActionsRecord::Sent(_, Effect::Sent { at, order, what }, wall)
                    if Some(order.strategy) == id && order.number == number =>
                {
                    self.sent.push((what, at, wall));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn acted(&mut self, position: u64, acted: AppliedAction, number: OrderNumber) {
        match acted.action {
            Action::Submit(submit) => {
                let (first, _) = self.numbers.unwrap_or((submit.order, submit.order));
                self.numbers = Some((first, submit.order));
                if submit.order == number {
                    self.decided = Some((position, acted, submit));
                }
            }
            Action::Modify(modify) if modify.order == number => self.later.push(acted),
            Action::Cancel(order) if order == number => self.later.push(acted),
            Action::CancelAll(_) if self.decided.is_some() => self.later.push(acted),
            _ => {}
        }
    }
}

/// Finds the event that caused an order, and gathers what became of it.
fn events_of(
    run: &RecordedRun,
    decided: &AppliedAction,
    number: OrderNumber,
) -> Result<(Option<Event>, Vec<Event>)> {
    let (mut cause, mut became) = (None, Vec::new());
    let mut events = EventReader::open(run, 0)?;
    while let Some(event) = events.next()? {
        if event.sequence == decided.cause {
            cause = Some(event);
        }
        if is_about(&event, decided.strategy, number) {
            became.push(event);
        }
    }
    Ok((cause, became))
}

fn is_about(event: &Event, strategy: StrategyId, number: OrderNumber) -> bool {
    match event.body() {
        Body::Order(update) => update.strategy == strategy && update.order == number,
        Body::Fill(fill) => fill.strategy == strategy && fill.order == number,
        _ => false,
    }
}

/// Strategies that sent orders, with how many.
///
/// # Errors
/// The reel can't be read.
pub fn senders(run: &RecordedRun) -> Result<BTreeMap<StrategyId, u64>> {
    let mut senders = BTreeMap::new();
    for acted in super::recorded_actions(run)? {
        if matches!(acted.action, Action::Submit(_)) {
            *senders.entry(acted.strategy).or_default() += 1;
        }
    }
    Ok(senders)
}
