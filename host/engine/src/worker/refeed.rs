//! Feeding events to an instance again, to bring it to the state of another one.

use crate::port::{Fault, Strategy};
use crate::worker::actions::{MAX_ACTIONS, consumed};
use crate::worker::recovery_budget::RecoveryBudget;
use tickdeck_model::{Action, Event, StrategyId};
use tickdeck_portfolio::Portfolio;

/// Events that an instance handles once more, against its book as it was then. What it decides reaches that book as it did
/// the first time, and nothing else: it was sent then.
///
/// It does not matter when that happens, nor in how many parts.
pub(crate) struct Refeed {
    id: StrategyId,
    /// With the book as it stood where the events begin, and further on as they are handled.
    portfolio: Portfolio,
    handled: usize,
}

impl Refeed {
    pub(crate) fn new(id: StrategyId, portfolio: Portfolio) -> Self {
        Self {
            id,
            portfolio,
            handled: 0,
        }
    }

    /// The number of events that the instance has handled.
    pub(crate) const fn handled(&self) -> usize {
        self.handled
    }

    /// Offers the instance what is left of `events`, as long as there is time; returns whether it has handled them all.
    pub(crate) fn offer(
        &mut self,
        strategy: &mut dyn Strategy,
        events: &[Event],
        budget: &RecoveryBudget,
    ) -> Result<bool, Fault> {
        let mut actions = Vec::with_capacity(MAX_ACTIONS);
        while self.handled < events.len() {
            if budget.is_over() {
                return Ok(false);
            }
            let batch = &events[self.handled..=self.handled];
            // That it cannot be folded was reported the first time.
            let _ = self.portfolio.apply(&batch[0]);
            let Some(book) = self.portfolio.book_mut(self.id) else {
                return Ok(true);
            };
            actions.clear();
            self.handled += consumed(strategy.on_events(batch, book, &mut actions)?, batch)?;
            for action in &actions {
                if let Action::Submit(order) = action {
                    // If it is refused, it was the first time too; another version's orders do not matter.
                    let _ = self.portfolio.intend(self.id, order);
                }
            }
        }
        Ok(true)
    }
}
