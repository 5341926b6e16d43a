//! The history of one order from the reels, from the event that caused it to its last fill.

use crate::codec::{ActionsRecord, decode};
use crate::layout::ACTIONS;
use crate::manifest::RunManifest;
use crate::reader::{EventReader, recorded_actions};
use crate::runs::RecordedRun;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use tickdeck_engine::{AppliedAction, Effect, RecordedChange, SentKind};
use tickdeck_journal::Reader;
use tickdeck_model::{
    Action, Body, ClientOrderId, Event, OrderNumber, Registry, StrategyId, Submit, Timestamp,
};

/// The history of an order.
#[derive(Debug)]
pub struct OrderHistory {
    /// The order.
    pub order: ClientOrderId,
    /// The event that caused it; `None` if no single event did.
    pub cause: Option<Event>,
    /// The number of events that its strategy had handled before the decision, without the cause.
    pub handled: u64,
    /// The decision to submit it.
    pub decided: AppliedAction,
    /// The order as it was submitted.
    pub submit: Submit,
    /// Later decisions about it.
    pub later: Vec<AppliedAction>,
    /// The commands that were sent, with event time, and wall time in nanoseconds since 1970.
    pub sent: Vec<(SentKind, Timestamp, i64)>,
    /// The updates and fills that followed.
    pub updates: Vec<Event>,
}

/// Reads an order's history.
///
/// # Errors
/// The run has no such order, or the reels can't be read.
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
    let (cause, updates) = events_of(run, &decided, number)?;
    Ok(OrderHistory {
        order,
        cause,
        handled,
        decided,
        submit,
        later: found.later,
        sent: found.sent,
        updates,
    })
}

/// The records about an order on the actions reel.
#[derive(Default)]
struct OrderTrace {
    /// The decision, with its position.
    decided: Option<(u64, AppliedAction, Submit)>,
    later: Vec<AppliedAction>,
    sent: Vec<(SentKind, Timestamp, i64)>,
    /// The first and last order number that the strategy used.
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
                ActionsRecord::Effect(position, Effect::Applied(applied))
                    if Some(applied.strategy) == id =>
                {
                    self.add(position, applied, number);
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

    fn add(&mut self, position: u64, applied: AppliedAction, number: OrderNumber) {
        match applied.action {
            Action::Submit(submit) => {
                let (first, _) = self.numbers.unwrap_or((submit.order, submit.order));
                self.numbers = Some((first, submit.order));
                if submit.order == number {
                    self.decided = Some((position, applied, submit));
                }
            }
            Action::Modify(modify) if modify.order == number => self.later.push(applied),
            Action::Cancel(order) if order == number => self.later.push(applied),
            Action::CancelAll(_) if self.decided.is_some() => self.later.push(applied),
            _ => {}
        }
    }
}

/// Finds the event that caused an order, and collects its updates and fills.
fn events_of(
    run: &RecordedRun,
    decided: &AppliedAction,
    number: OrderNumber,
) -> Result<(Option<Event>, Vec<Event>)> {
    let (mut cause, mut updates) = (None, Vec::new());
    let mut events = EventReader::open(run, 0)?;
    while let Some(event) = events.next()? {
        if event.sequence == decided.cause {
            cause = Some(event);
        }
        if is_about(&event, decided.strategy, number) {
            updates.push(event);
        }
    }
    Ok((cause, updates))
}

fn is_about(event: &Event, strategy: StrategyId, number: OrderNumber) -> bool {
    match event.body() {
        Body::Order(update) => update.strategy == strategy && update.order == number,
        Body::Fill(fill) => fill.strategy == strategy && fill.order == number,
        _ => false,
    }
}

/// Returns the strategies that sent orders, each with their number.
///
/// # Errors
/// The reel can't be read.
pub fn senders(run: &RecordedRun) -> Result<BTreeMap<StrategyId, u64>> {
    let mut senders = BTreeMap::new();
    for applied in recorded_actions(run)? {
        if matches!(applied.action, Action::Submit(_)) {
            *senders.entry(applied.strategy).or_default() += 1;
        }
    }
    Ok(senders)
}
