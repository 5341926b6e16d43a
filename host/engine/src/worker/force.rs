//! Making happen again what a tape says happened.

use crate::worker::dispatch::SlotIndex;
use crate::worker::recorded_faults::{RecordedFault, recorded};
use crate::worker::refeed::RecoveryBudget;
use crate::worker::runner::StrategyRunner;
use tickdeck_model::StrategyId;

impl StrategyRunner {
    /// Lets something happen, or sees to it that it will.
    pub(crate) fn force(&mut self, forced: RecordedFault) {
        match forced {
            RecordedFault::WithoutTimeLimit(unhurried) => {
                self.recorded_faults.unhurried = unhurried
            }
            RecordedFault::At(fence) => self.recorded_faults.fences.push(fence),
            RecordedFault::Refusal => self.recorded_faults.refuses = true,
            RecordedFault::LostState => self.recorded_faults.loses_state = true,
            RecordedFault::Fault {
                strategy,
                fate,
                snapshot,
            } => {
                let Some(place) = self.seated(strategy) else {
                    return;
                };
                self.recorded_faults.fate = fate;
                let at = self.slots[place].last_at;
                self.fault(place, at, None, recorded());
                if snapshot {
                    self.slots[place].tape.rebase(None);
                }
            }
            RecordedFault::FaultInShadow(strategy) => {
                let shadow = self.seated(strategy);
                if let Some(place) = shadow.filter(|place| self.slots[*place].shadow.is_some()) {
                    self.lose_shadow(place, recorded());
                }
            }
        }
    }

    fn seated(&self, strategy: StrategyId) -> Option<SlotIndex> {
        let place = self.place_of(strategy);
        place.filter(|place| self.slots[*place].seated)
    }

    /// The time that a worker may take to bring an instance somewhere.
    pub(crate) fn budget(&self) -> RecoveryBudget {
        match self.recorded_faults.unhurried {
            true => RecoveryBudget::endless(&self.now_ns),
            false => RecoveryBudget::of_worker(&self.now_ns),
        }
    }
}
