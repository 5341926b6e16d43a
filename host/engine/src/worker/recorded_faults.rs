//! What a tape says happened, and must happen again wherever the time goes now: faults, ends and refusals that a limit in
//! time may have brought about.

use crate::port::Fault;
use crate::worker::dispatch::SlotIndex;
use crate::worker::refeed::RecoveryBudget;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::Backlog;
use tickdeck_model::StrategyId;

/// Something that a worker is told to let happen.
pub(crate) enum RecordedFault {
    /// Bringing an instance somewhere may take as long as it will, or not.
    WithoutTimeLimit(bool),
    /// At this batch a strategy faults, whatever it does.
    At(FaultAt),
    /// A strategy faults now: it did when it was to save.
    Fault {
        /// Whose.
        strategy: StrategyId,
        /// What becomes of it.
        fate: Option<FaultOutcome>,
        /// What it was to save was a snapshot: there will be none.
        snapshot: bool,
    },
    /// The version beside a strategy faults now.
    FaultInShadow(StrategyId),
    /// The next change is refused.
    Refusal,
    /// The instance that is to leave its state with the next change faults instead.
    LostState,
}

/// A fault at a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultAt {
    /// Whose.
    pub(crate) strategy: StrategyId,
    /// The first sequence of the batch.
    pub(crate) offered: u64,
    /// What becomes of it, if the tape goes on so far.
    pub(crate) fate: Option<FaultOutcome>,
}

/// What becomes of a strategy after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultOutcome {
    /// Another instance takes its place.
    Recovers,
    /// It ends.
    Ends,
    /// It was on trial, and the version before comes back.
    FailsProbation,
}

/// What a worker was told of.
#[derive(Default)]
pub(crate) struct RecordedFaults {
    fences: Vec<FaultAt>,
    /// Of the fault at hand.
    pub(crate) fate: Option<FaultOutcome>,
    refuses: bool,
    loses_state: bool,
    unhurried: bool,
}

impl RecordedFaults {
    /// The next fault of a strategy.
    pub(crate) fn fence(&self, strategy: StrategyId) -> Option<FaultAt> {
        let mut fences = self.fences.iter();
        fences.find(|fence| fence.strategy == strategy).copied()
    }

    /// Takes the next fault of a strategy, which happens now.
    pub(crate) fn take_fence(&mut self, strategy: StrategyId) {
        let next = |fence: &FaultAt| fence.strategy == strategy;
        if let Some(at) = self.fences.iter().position(next) {
            self.fate = self.fences.remove(at).fate;
        }
    }

    /// The change is done, or failed before it came to what was foretold of it.
    pub(crate) fn forget_change(&mut self) {
        (self.refuses, self.loses_state) = (false, false);
    }

    /// What an instance saved, unless it is to have faulted.
    pub(crate) fn saved<T>(&mut self, saved: Result<T, Fault>) -> Result<T, Fault> {
        match std::mem::take(&mut self.loses_state) {
            true => saved.and(Err(recorded())),
            false => saved,
        }
    }

    /// Whether the change at hand is to be refused.
    ///
    /// # Errors
    /// It is.
    pub(crate) fn refusal(&mut self) -> Result<(), String> {
        match std::mem::take(&mut self.refuses) {
            true => Err("it was refused when this was recorded".to_owned()),
            false => Ok(()),
        }
    }
}

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

/// The fault of an instance that did nothing wrong now.
pub(crate) fn recorded() -> Fault {
    Fault("it faulted here when this was recorded".to_owned())
}

/// Cuts a batch of this many events so that a fault that a tape says happened comes at the beginning of one.
pub(crate) fn cut_before_fence(tape: &Backlog, count: usize, fence: Option<FaultAt>) -> usize {
    let Some(fence) = fence else {
        return count;
    };
    match tape
        .waiting(count)
        .partition_point(|event| event.sequence < fence.offered)
    {
        0 => count,
        before => before,
    }
}
