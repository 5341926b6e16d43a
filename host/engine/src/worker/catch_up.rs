//! Catching up: a version is offered events that another one has handled. Its decisions on them come too late: the router
//! denies new orders and changes, so that the strategy learns their outcome, and carries out the rest.
//!
//! Nothing is published before the version takes over: until then its decisions only reach a copy of the book.

use crate::intent::Decision;
use crate::port::{Fault, Strategy};
use crate::worker::actions::{feed_change, intend};
use crate::worker::dispatch::SlotIndex;
use crate::worker::late_events::LateEvents;
use crate::worker::runner::StrategyRunner;
use tickdeck_model::Event;

/// Time for the events of a change that an operator asked for, for which the others wait: the change is refused beyond.
const CHANGE_NS: u64 = 20_000_000;

impl StrategyRunner {
    /// Offers events that another version has handled, all at once.
    pub(crate) fn catch_up(
        &self,
        place: SlotIndex,
        strategy: &mut dyn Strategy,
        events: &[Event],
    ) -> Result<LateEvents, Fault> {
        let mut late = self.late_events(place, events.len())?;
        let budget = self.recovery_budget(CHANGE_NS);
        match late.offer(strategy, [events, &[]], &budget)? {
            true => Ok(late),
            false => {
                let Fault(why) = budget.exceeded();
                Err(Fault(format!("{why}, for which the others wait")))
            }
        }
    }

    /// So many late events, with the strategy's book and quota as of now.
    pub(crate) fn late_events(&self, place: SlotIndex, known: usize) -> Result<LateEvents, Fault> {
        let slot = &self.slots[place];
        let Some(book) = self.portfolio.book(slot.id) else {
            return Err(Fault("it has no book".to_owned()));
        };
        let copy = self.portfolio.fork(slot.id, Box::new(book.clone()));
        Ok(LateEvents::new(slot.id, copy, slot.quota.clone(), known))
    }

    /// Publishes what a version decided while it caught up, now that it takes over.
    pub(crate) fn pass_on_late(&mut self, place: SlotIndex, late: LateEvents) {
        let slot = &mut self.slots[place];
        for (cause, action) in late.into_decisions() {
            // The copies of quota and book took it, so these do; a timer that it set and that fired before all was caught up
            // with counts as waiting here.
            let _ = slot.quota.admit(cause, &action);
            let _ = intend(&mut self.portfolio, slot.id, &action);
            let change = feed_change(cause, place, &action);
            self.output.request_feed_change(change);
            let late = slot.settled_intent(Decision::Late(action));
            self.output.publish(&[late]);
        }
    }
}
