//! Events that an instance is offered too late to act upon: another one has handled them, or they waited for it.
//!
//! The instance sees its book as of the moment at which this began, and after that as the events go on. What it decides
//! reaches a copy of the book only, until the instance takes over: it may never do so.

use crate::port::{Fault, Strategy};
use crate::worker::actions::{MAX_ACTIONS, consumed, intend};
use crate::worker::quota::Quota;
use crate::worker::recovery_budget::RecoveryBudget;
use tickdeck_model::{Action, Body, Event, StrategyId, Timestamp};
use tickdeck_portfolio::{Portfolio, StrategyBook};

/// Events that an instance is offered late, and what it decided on them so far.
pub(crate) struct LateEvents {
    id: StrategyId,
    /// A copy with the strategy's book.
    portfolio: Portfolio,
    /// A copy of what was left of its quota.
    quota: Quota,
    /// The number of events that were there at the beginning: book and quota have taken these in.
    known: usize,
    handled: usize,
    /// Each with the time of the event that caused it.
    decisions: Vec<(Timestamp, Action)>,
}

impl LateEvents {
    /// Begins with copies as of now, when there are `known` events.
    pub(crate) fn new(id: StrategyId, portfolio: Portfolio, quota: Quota, known: usize) -> Self {
        Self {
            id,
            portfolio,
            quota,
            known,
            handled: 0,
            decisions: Vec::new(),
        }
    }

    /// The copy of the strategy's book.
    pub(crate) fn book_mut(&mut self) -> Result<&mut Box<StrategyBook>, Fault> {
        let book = self.portfolio.book_mut(self.id);
        book.ok_or_else(|| Fault("it has no book".to_owned()))
    }

    /// The number of events that the instance has handled.
    pub(crate) const fn handled(&self) -> usize {
        self.handled
    }

    /// Bytes that its decisions take.
    pub(crate) const fn bytes(&self) -> usize {
        size_of::<(Timestamp, Action)>() * self.decisions.capacity()
    }

    /// What was decided, each with the time of its cause.
    pub(crate) fn into_decisions(self) -> Vec<(Timestamp, Action)> {
        self.decisions
    }

    /// Offers the instance what is left of the events in both lists, as long as there is time; returns whether it has handled
    /// them all. The lists may be longer the next time.
    pub(crate) fn offer(
        &mut self,
        strategy: &mut dyn Strategy,
        events: [&[Event]; 2],
        budget: &RecoveryBudget,
    ) -> Result<bool, Fault> {
        let mut actions = Vec::with_capacity(MAX_ACTIONS);
        loop {
            let rest = match self.handled.checked_sub(events[0].len()) {
                None => &events[0][self.handled..],
                Some(handled) => &events[1][handled..],
            };
            if rest.is_empty() {
                return Ok(true);
            }
            if budget.is_over() {
                return Ok(false);
            }
            let batch = &rest[..1];
            self.take_in(&rest[0]);
            actions.clear();
            let handled = strategy.on_events(batch, self.book_mut()?, &mut actions)?;
            let handled = consumed(handled, batch)?;
            self.handled += handled;
            self.take_decisions(batch[handled - 1].ts_host, &actions)?;
        }
    }

    /// Takes an event that came meanwhile and concerns the strategy's own book or timers into the copies.
    fn take_in(&mut self, event: &Event) {
        if self.handled < self.known {
            return;
        }
        // That it cannot be folded was reported by the worker's own replica.
        let _ = self.portfolio.apply(event);
        if let Body::Timer(timer) = event.body() {
            // What it decides late is not in force yet, so what fired meanwhile did fire.
            self.quota.take_timer(&timer);
        }
    }

    fn take_decisions(&mut self, cause: Timestamp, actions: &[Action]) -> Result<(), Fault> {
        for action in actions {
            if matches!(action, Action::Notify(_)) {
                continue;
            }
            self.quota.admit(cause, action)?;
            intend(&mut self.portfolio, self.id, action)?;
            self.decisions.push((cause, *action));
        }
        Ok(())
    }
}
