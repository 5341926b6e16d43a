//! Recovery from faults: an instance that traps or violates the contract is not called again, another takes its place from
//! the last snapshot, and a strategy that keeps faulting is ended. A fault that is on the tape is reproduced in a replay.
//!
//! The other instance was created in advance. If none is ready, or the strategy took too much of the turn, it is suspended:
//! nobody waits for it, its events are kept, and it comes back between two windows (`rejoin.rs`).

use crate::batches::BatchPlace;
use crate::intent::Decision;
use crate::port::{Fault, State, Strategy};
use crate::worker::dispatch::SlotIndex;
use crate::worker::recorded_faults::FaultOutcome;
use crate::worker::refeed::replay;
use crate::worker::runner::StrategyRunner;
use std::sync::Arc;
use tickdeck_model::{StrategyId, Timestamp};

/// How long a strategy that took too much of its turn rests: its next call may take as long as the last one, and the events
/// that waited for that one come first.
const REST_NS: u64 = 20_000_000;

impl StrategyRunner {
    /// The states of the strategies that can save.
    pub(crate) fn states(&mut self) -> Vec<(StrategyId, State)> {
        self.hand_over_notes();
        let mut states = Vec::new();
        for place in 0..self.slots.len() {
            let clock = self.start_clock(place);
            let slot = &mut self.slots[place];
            match slot.strategy.as_mut().map(|strategy| strategy.save()) {
                Some(Ok(Ok(bytes))) => {
                    let schema = slot.version.code.schema();
                    states.push((slot.id, State { schema, bytes }));
                    self.measure_other(place, clock);
                }
                Some(Err(fault)) => {
                    let at = slot.last_at;
                    self.fault(place, at, None, fault);
                }
                None | Some(Ok(Err(_))) => {}
            }
        }
        states
    }

    /// Handles a fault at a batch that began with `offered`, if a batch was offered: the instance is not called again, and
    /// another takes its place if it may.
    pub(crate) fn fault(
        &mut self,
        place: SlotIndex,
        at: Timestamp,
        offered: Option<BatchPlace>,
        fault: Fault,
    ) {
        let faulted_at = (self.now_ns)();
        let outcome = self.recorded_faults.outcome.take();
        let slot = &mut self.slots[place];
        slot.strategy = None;
        slot.counters.note(&fault);
        let faulted = slot.settled_intent(Decision::Faulted { offered });
        self.output.publish(&[faulted]);
        let too_many = slot.trapped(at);
        let on_probation = slot.is_on_probation();
        let has_spent = self.meter.has_spent(&slot.budget);
        slot.counters.rest(if has_spent { REST_NS } else { 0 });
        let must_wait = !slot.version.code.is_ready() || has_spent;
        let waits = !on_probation && !too_many && must_wait;
        let is_suspended = outcome.map_or(on_probation || waits, |outcome| {
            outcome == FaultOutcome::Suspends
        });
        if is_suspended {
            return self.suspend(place, fault);
        }
        if outcome.map_or(too_many, |outcome| outcome == FaultOutcome::Ends) {
            return self.end(place);
        }
        match self.recover(place) {
            Ok(events) => {
                let took_ns = (self.now_ns)().saturating_sub(faulted_at);
                let recovered = Decision::Recovered { events, took_ns };
                let recovered = self.slots[place].settled_intent(recovered);
                self.output.publish(&[recovered]);
            }
            Err(next) => {
                let both = format!("{fault}; it could not be recovered: {next}");
                self.slots[place].counters.note(&Fault(both));
                self.end(place);
            }
        }
    }

    /// Suspends a strategy until the kernel brings it back; until then its events wait.
    fn suspend(&mut self, place: SlotIndex, fault: Fault) {
        let slot = &mut self.slots[place];
        slot.suspend();
        let suspended = slot.settled_intent(Decision::Suspended);
        self.output.publish(&[suspended]);
        if slot.is_on_probation() {
            // Its shadow was being compared with the wrong version.
            slot.shadow = None;
        } else if slot.shadow.is_some() {
            // The shadow would miss what the strategy now handles too late.
            self.lose_shadow(place, Fault("the version that trades faulted".to_owned()));
            self.slots[place].counters.note(&fault);
        }
    }

    fn recover(&mut self, place: SlotIndex) -> Result<u32, Fault> {
        let (strategy, events) = self.restarted(place)?;
        self.slots[place].strategy = Some(strategy);
        Ok(events)
    }

    /// Starts another instance of the same version and brings it to the state of the last one; returns it, and how many events
    /// it was offered again.
    pub(crate) fn restarted(
        &mut self,
        place: SlotIndex,
    ) -> Result<(Box<dyn Strategy>, u32), Fault> {
        let budget = self.budget();
        let slot = &mut self.slots[place];
        let code = Arc::clone(&slot.version.code);
        let Some(base) = &slot.backlog.base else {
            let Some(book) = self.portfolio.book_mut(slot.id) else {
                return Err(Fault("it has no book".to_owned()));
            };
            return Ok((code.start_in_place(book)?, 0));
        };
        let mut past = self.portfolio.fork(slot.id, base.book.clone());
        let Some(book) = past.book_mut(slot.id) else {
            return Err(Fault("it has no book".to_owned()));
        };
        let mut strategy = base.origin.begin(&*code, book)?;
        let handled = slot.backlog.handled();
        replay(
            &mut *strategy,
            slot.id,
            &mut past,
            handled,
            self.batch_size.most(),
            &budget,
        )?;
        let events = u32::try_from(handled.len()).unwrap_or(u32::MAX);
        Ok((strategy, events))
    }

    /// Ends a strategy. Which event of a batch made it trap is unknown, so the end takes effect at the end of the window,
    /// wherever the batch was cut.
    pub(crate) fn end(&mut self, place: SlotIndex) {
        let slot = &mut self.slots[place];
        slot.strategy = None;
        slot.active = false;
        slot.shadow = None;
        slot.counters.await_instance(None);
        // Unhandled events are dropped: a later version starts from what was handled.
        slot.backlog.drop_waiting();
        slot.backlog.tidy();
        slot.quota.timers_are_gone();
        let ended = slot.settled_intent(Decision::Ended);
        self.output.publish(&[ended]);
        self.output.note_end(place);
    }
}
