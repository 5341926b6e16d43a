//! Recovery from faults: an instance that traps or violates the contract is not called again, another takes its place from
//! the last snapshot, and a strategy that keeps faulting is ended. A fault that is on the tape is reproduced in a replay.
//!
//! The other instance was made ahead. Where none is ready, or the strategy took too much of the turn, or would take too long to
//! recover, it is suspended: nobody waits for it, its events are kept, and it comes back between two windows (`rejoin.rs`).

use crate::batches::BatchPlace;
use crate::intent::Decision;
use crate::port::{Fault, State};
use crate::worker::catching_up::Restarted;
use crate::worker::dispatch::SlotIndex;
use crate::worker::recorded_faults::FaultOutcome;
use crate::worker::recovery_budget::{RECOVERY_NS, RecoveryBudget};
use crate::worker::refeed::Refeed;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::SnapshotPoint;
use tickdeck_model::{StrategyId, Timestamp};

/// How long a strategy that took too much of its turn rests: its next call may take as long as the last one, and what waited
/// for that one comes first.
pub(crate) const REST_NS: u64 = 20_000_000;

impl StrategyRunner {
    /// The states of the strategies that can save: of one, or of all.
    pub(crate) fn states(&mut self, strategy: Option<StrategyId>) -> Vec<(StrategyId, State)> {
        self.hand_over_notes();
        let mut states = Vec::new();
        for place in 0..self.slots.len() {
            if strategy.is_some_and(|wanted| wanted != self.slots[place].id) {
                continue;
            }
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
        let slot = &mut self.slots[place];
        let outcome = self
            .recorded_faults
            .take_outcome(slot.id, offered.is_some());
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
        let recovered = self.recover(place);
        let took_ns = (self.now_ns)().saturating_sub(faulted_at);
        self.meter.spend(took_ns);
        match recovered {
            Ok(Some(events)) => {
                let recovered = Decision::Recovered { events, took_ns };
                let recovered = self.slots[place].settled_intent(recovered);
                self.output.publish(&[recovered]);
            }
            // It has to go on between two windows, where it can be interrupted.
            Ok(None) => {
                self.slots[place].counters.rest(REST_NS);
                self.suspend(place, fault);
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

    /// Lets another instance take the place of the one that faulted, at once; returns how many events it was offered once more.
    /// None: that would take too long.
    fn recover(&mut self, place: SlotIndex) -> Result<Option<u32>, Fault> {
        let slot = &self.slots[place];
        let budget = self.limited(self.meter.left_ns(&slot.budget).unwrap_or(RECOVERY_NS));
        // The time runs from here, because to start an instance takes some too.
        budget.taken_ns();
        let mut events = 0;
        let strategy = match &slot.backlog.base {
            Some(base) => {
                let Restarted {
                    mut strategy,
                    mut again,
                } = self.restarted(place, base)?;
                let handled = slot.backlog.handled();
                if let Some(again) = &mut again
                    && !again.offer(&mut *strategy, handled, &budget)?
                {
                    return Ok(None);
                }
                events = handled.len();
                strategy
            }
            None => {
                let Some(book) = self.portfolio.book_mut(slot.id) else {
                    return Err(Fault("it has no book".to_owned()));
                };
                slot.version.code.start_in_place(book)?
            }
        };
        self.slots[place].strategy = Some(strategy);
        Ok(Some(u32::try_from(events).unwrap_or(u32::MAX)))
    }

    /// Starts another instance of the same version from `base`, the last snapshot.
    pub(crate) fn restarted(
        &self,
        place: SlotIndex,
        base: &SnapshotPoint,
    ) -> Result<Restarted, Fault> {
        let slot = &self.slots[place];
        let mut past = self.portfolio.fork(slot.id, base.book.clone());
        let Some(book) = past.book_mut(slot.id) else {
            return Err(Fault("it has no book".to_owned()));
        };
        let strategy = base.origin.begin(&*slot.version.code, book)?;
        let again = Some(Refeed::new(slot.id, past));
        Ok(Restarted { strategy, again })
    }

    /// The time to bring an instance to where another one was, of which the kernel waits for `among_others_ns` at once. Without
    /// others it may be taken as a whole.
    pub(crate) fn recovery_budget(&self, among_others_ns: u64) -> RecoveryBudget {
        self.limited(match self.meter.has_others() {
            true => among_others_ns,
            false => RECOVERY_NS,
        })
    }

    fn limited(&self, limit_ns: u64) -> RecoveryBudget {
        match self.recorded_faults.without_time_limit {
            true => RecoveryBudget::endless(&self.now_ns),
            false => RecoveryBudget::new(&self.now_ns, limit_ns),
        }
    }

    /// Ends a strategy. Which event of a batch made it trap is unknown, so the end takes effect at the end of the window,
    /// wherever the batch was cut.
    pub(crate) fn end(&mut self, place: SlotIndex) {
        let slot = &mut self.slots[place];
        (slot.strategy, slot.catching_up) = (None, None);
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
