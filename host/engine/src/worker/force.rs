//! Reproduction of recorded faults in a replay.

use crate::worker::actions::{feed_change, intend};
use crate::worker::recorded_faults::{RecordedFault, recorded};
use crate::worker::runner::StrategyRunner;

impl StrategyRunner {
    /// Reproduces a recorded fault now, or prepares to reproduce it.
    pub(crate) fn apply_recorded_fault(&mut self, fault: RecordedFault) {
        match fault {
            RecordedFault::WithoutTimeLimit(without_time_limit) => {
                self.recorded_faults.without_time_limit = without_time_limit;
                self.recorded_faults.unplaced.clear();
            }
            RecordedFault::Outcome(strategy, outcome) => {
                self.recorded_faults.unplaced.push((strategy, outcome));
            }
            RecordedFault::At(fault_at) => self.recorded_faults.faults.push(fault_at),
            RecordedFault::Refusal => self.recorded_faults.refuses = true,
            RecordedFault::LostState => self.recorded_faults.loses_state = true,
            RecordedFault::Fault {
                strategy,
                outcome,
                snapshot,
            } => {
                let Some(place) = self.slots.active_place_of(strategy) else {
                    return;
                };
                self.recorded_faults.outcome = outcome;
                let at = self.slots[place].last_at;
                self.fault(place, at, None, recorded());
                if snapshot {
                    self.slots[place].backlog.rebase(None);
                }
            }
            RecordedFault::Batches(strategy, batches) => {
                if let Some(place) = self.slots.place_of(strategy) {
                    self.slots[place].batches = batches;
                    // A deferred batch no longer waits for its rest.
                    self.touch(place);
                    self.flush_all();
                }
            }
            RecordedFault::Decision(strategy, at, action) => {
                if let Some(place) = self.slots.active_place_of(strategy) {
                    // It is on the tape, so the quota and the book accepted it.
                    let _ = self.slots[place].quota.admit(at, &action);
                    let _ = intend(&mut self.portfolio, strategy, &action);
                    self.output
                        .request_feed_change(feed_change(at, place, &action));
                }
            }
            RecordedFault::CatchingUp(strategy) => {
                if let Some(place) = self.slots.active_place_of(strategy) {
                    self.begin_to_catch_up(place);
                }
            }
            RecordedFault::FaultInShadow(strategy) => {
                let shadow = self.slots.active_place_of(strategy);
                if let Some(place) = shadow.filter(|place| self.slots[*place].shadow.is_some()) {
                    self.lose_shadow(place, recorded());
                }
            }
        }
    }
}
