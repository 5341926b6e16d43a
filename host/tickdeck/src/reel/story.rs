//! The story of one order, from the event that caused it to its last fill, as the reels have it.

use super::codec::{Entry, Kind, decode};
use super::{ACTIONS, EVENTS, Run, Session};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use tickdeck_engine::{Acted, ChangeKept, Deed, SentKind};
use tickdeck_journal::Reader;
use tickdeck_model::{
    Action, Amount, Body, ClientOrderId, CurrencyId, Event, InstrumentId, OrderNumber, Quote,
    Registry, Size, StrategyId, Submit, Timestamp,
};
use tickdeck_portfolio::Portfolio;

/// An order's life.
#[derive(Debug)]
pub struct Story {
    /// Which order.
    pub order: ClientOrderId,
    /// What caused it; nothing if no single event did.
    pub cause: Option<Event>,
    /// How many events its strategy had handled when it decided, that one not among them.
    pub handled: u64,
    /// What was decided.
    pub decided: Acted,
    /// The order as it was decided.
    pub submit: Submit,
    /// What the strategy saw.
    pub saw: Saw,
    /// What was decided about it later.
    pub later: Vec<Acted>,
    /// What left, with event time, and wall time in nanoseconds since 1970.
    pub sent: Vec<(SentKind, Timestamp, i64)>,
    /// What became of it: the updates and fills.
    pub became: Vec<Event>,
}

/// What a strategy could read when it decided.
#[derive(Debug, Default)]
pub struct Saw {
    /// The last quote of the order's instrument.
    pub quote: Option<Quote>,
    /// Its position in the order's instrument.
    pub position: Size,
    /// Its working orders in it: what they would buy and sell.
    pub working: (Size, Size),
    /// Its working orders at all.
    pub orders: usize,
}

/// Finds an order's story.
///
/// # Errors
/// There is no such order, or the reels can't be read.
pub fn story(run: &Run, strategy: &str, number: OrderNumber) -> Result<Story> {
    let session = Session::read(&run.folder)?;
    let registry = Registry::from_text(&session.names).context("the names in the reel")?;
    let mut found = Found::default();
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
    let mut view = View::open(&session, &registry, decided.strategy);
    let (cause, became) = found.read_events(run, &mut view, (&decided, &submit), handled)?;
    let saw = view.saw(submit.instrument, decided.strategy);
    Ok(Story {
        order,
        cause,
        handled,
        decided,
        submit,
        saw,
        later: found.later,
        sent: found.sent,
        became,
    })
}

/// What the actions reel has about an order.
#[derive(Default)]
struct Found {
    /// With its position.
    decided: Option<(u64, Acted, Submit)>,
    later: Vec<Acted>,
    sent: Vec<(SentKind, Timestamp, i64)>,
    /// The order numbers that the strategy used.
    numbers: Option<(OrderNumber, OrderNumber)>,
    /// Orders of the strategy before the one that is looked for, by the position at which its book knows them.
    submits: Vec<(u64, Submit)>,
}

impl Found {
    fn hint(&self) -> String {
        self.numbers.map_or_else(
            || ": it sent none".to_owned(),
            |(first, last)| format!(": it sent {first} to {last}"),
        )
    }

    fn read_actions(
        &mut self,
        run: &Run,
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
                Entry::Deed(_, Deed::Changed { what, .. }) => {
                    if let ChangeKept::Seat {
                        strategy, name: it, ..
                    } = &what
                        && it == name
                    {
                        id = Some(*strategy);
                    }
                }
                Entry::Deed(position, Deed::Acted(acted)) if Some(acted.strategy) == id => {
                    self.acted(position, acted, number);
                }
                Entry::Sent(_, Deed::Sent { at, order, what }, wall)
                    if Some(order.strategy) == id && order.number == number =>
                {
                    self.sent.push((what, at, wall));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn acted(&mut self, position: u64, acted: Acted, number: OrderNumber) {
        match acted.action {
            Action::Submit(submit) => {
                let (first, _) = self.numbers.unwrap_or((submit.order, submit.order));
                self.numbers = Some((first, submit.order));
                if submit.order == number {
                    self.decided = Some((position, acted, submit));
                } else if self.decided.is_none() {
                    self.submits.push((position, submit));
                }
            }
            Action::Modify(modify) if modify.order == number => self.later.push(acted),
            Action::Cancel(order) if order == number => self.later.push(acted),
            Action::CancelAll(_) if self.decided.is_some() => self.later.push(acted),
            _ => {}
        }
    }

    /// Folds what the strategy saw, and gathers what became of the order.
    fn read_events(
        &self,
        run: &Run,
        view: &mut View,
        (decided, submit): (&Acted, &Submit),
        handled: u64,
    ) -> Result<(Option<Event>, Vec<Event>)> {
        let mut submits = self.submits.iter().peekable();
        let (mut cause, mut became) = (None, Vec::new());
        let mut reader = Reader::open(&run.folder, EVENTS)?;
        while let Some(record) = reader.next()? {
            if record.kind != Kind::Event as u16 {
                continue;
            }
            let event = Event::from_bytes(record.payload)
                .with_context(|| format!("record {} of the events reel", record.index))?;
            let is_cause = event.sequence == decided.cause;
            if is_cause {
                cause = Some(event);
            }
            if event.sequence < handled || is_cause {
                view.fold(&event, submit.instrument);
            }
            if event.sequence < handled {
                while let Some((_, other)) =
                    submits.next_if(|(position, _)| *position <= event.sequence + 1)
                {
                    // One that the strategy could not send was told when it happened.
                    let _ = view.portfolio.intend(decided.strategy, other);
                }
            }
            if is_about(&event, decided.strategy, submit.order) {
                became.push(event);
            }
        }
        Ok((cause, became))
    }
}

fn is_about(event: &Event, strategy: StrategyId, number: OrderNumber) -> bool {
    match event.body() {
        Body::Order(update) => update.strategy == strategy && update.order == number,
        Body::Fill(fill) => fill.strategy == strategy && fill.order == number,
        _ => false,
    }
}

/// A strategy's view of the store, and the last quote of an instrument.
struct View {
    portfolio: Portfolio,
    quote: Option<Quote>,
}

impl View {
    fn open(session: &Session, registry: &Registry, strategy: StrategyId) -> Self {
        let currencies: Vec<_> = (0..)
            .map_while(|id| registry.currency(CurrencyId(id)))
            .collect();
        let mut portfolio = Portfolio::new(registry.instruments(), &currencies);
        for terms in &session.venues {
            let terms = terms.terms();
            for (currency, balance) in &terms.balances {
                portfolio.open_account(terms.venue, *currency, *balance);
            }
        }
        // Its money changes nothing of what is told here.
        let none: [(CurrencyId, Amount); 0] = [];
        portfolio.open_strategy(strategy, &none, session.first_order);
        Self {
            portfolio,
            quote: None,
        }
    }

    fn saw(&self, instrument: InstrumentId, strategy: StrategyId) -> Saw {
        let book = self.portfolio.book(strategy);
        Saw {
            quote: self.quote,
            position: book.map_or(Size::ZERO, |book| book.position_size(instrument)),
            working: book.map_or((Size::ZERO, Size::ZERO), |book| book.exposure(instrument)),
            orders: book.map_or(0, |book| book.order_count()),
        }
    }

    fn fold(&mut self, event: &Event, instrument: InstrumentId) {
        // An impossible event was told when it happened.
        let _ = self.portfolio.apply(event);
        if let Body::Quote(quote) = event.body()
            && quote.instrument == instrument
        {
            self.quote = Some(quote);
        }
    }
}

/// Strategies that sent orders, with how many.
///
/// # Errors
/// The reel can't be read.
pub fn senders(run: &Run) -> Result<BTreeMap<StrategyId, u64>> {
    let mut senders = BTreeMap::new();
    for acted in super::recorded_actions(run)? {
        if matches!(acted.action, Action::Submit(_)) {
            *senders.entry(acted.strategy).or_default() += 1;
        }
    }
    Ok(senders)
}
