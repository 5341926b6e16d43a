//! Catching up: a version is offered events that another one has handled. Its decisions on them come too late: the router
//! denies new orders and changes, so that the strategy learns their outcome, and carries out the rest.
//!
//! Nothing is published before the version takes over: until then its decisions only reach a copy of the book.

use crate::intent::Decision;
use crate::port::{Fault, Strategy};
use crate::worker::actions::{MAX_ACTIONS, consumed, feed_change, intend};
use crate::worker::dispatch::SlotIndex;
use crate::worker::quota::Quota;
use crate::worker::runner::StrategyRunner;
use tickdeck_model::{Action, Event, Timestamp};

/// The decisions of an instance while it caught up.
pub(crate) struct CaughtUp {
    /// Each with the time of its cause.
    decisions: Vec<(Timestamp, Action)>,
    /// The rest of its quota.
    quota: Quota,
}

impl StrategyRunner {
    /// Offers events that another version has handled.
    pub(crate) fn catch_up(
        &self,
        place: SlotIndex,
        strategy: &mut dyn Strategy,
        events: &[Event],
    ) -> Result<CaughtUp, Fault> {
        let slot = &self.slots[place];
        let mut done = CaughtUp {
            decisions: Vec::new(),
            quota: slot.quota.clone(),
        };
        let Some(book) = self.portfolio.book(slot.id) else {
            return Ok(done);
        };
        let mut copy = self.portfolio.fork(slot.id, Box::new(book.clone()));
        let budget = self.budget();
        let mut actions = Vec::with_capacity(MAX_ACTIONS);
        let mut at = 0;
        while at < events.len() {
            budget.check()?;
            let batch = &events[at..events.len().min(at + self.batch_size.most())];
            let Some(book) = copy.book_mut(slot.id) else {
                break;
            };
            actions.clear();
            let handled = consumed(strategy.on_events(batch, book, &mut actions)?, batch)?;
            at += handled;
            let cause = batch[handled - 1].ts_host;
            for action in &actions {
                if matches!(action, Action::Notify(_)) {
                    continue;
                }
                done.quota.admit(cause, action)?;
                intend(&mut copy, slot.id, action)?;
                done.decisions.push((cause, *action));
            }
        }
        Ok(done)
    }

    /// Publishes the decisions that a version made while it caught up, now that it takes over.
    pub(crate) fn pass_on_late(&mut self, place: SlotIndex, done: CaughtUp) {
        let slot = &mut self.slots[place];
        slot.quota = done.quota;
        for (cause, action) in done.decisions {
            // The copy of the book accepted it, so this one does too.
            let _ = intend(&mut self.portfolio, slot.id, &action);
            let change = feed_change(cause, place, &action);
            self.output.request_feed_change(change);
            let late = slot.settled_intent(Decision::Late(action));
            self.output.publish(&[late]);
        }
    }
}
