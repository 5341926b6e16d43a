//! What a tape says happened, and must happen again wherever the time goes now: faults, ends and refusals that a limit in
//! time may have brought about.

use crate::port::Fault;
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
        outcome: Option<FaultOutcome>,
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
    pub(crate) outcome: Option<FaultOutcome>,
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
    pub(super) faults: Vec<FaultAt>,
    /// Of the fault at hand.
    pub(crate) outcome: Option<FaultOutcome>,
    pub(super) refuses: bool,
    pub(super) loses_state: bool,
    pub(super) without_time_limit: bool,
}

impl RecordedFaults {
    /// The next fault of a strategy.
    pub(crate) fn next_of(&self, strategy: StrategyId) -> Option<FaultAt> {
        let mut faults = self.faults.iter();
        faults
            .find(|fault_at| fault_at.strategy == strategy)
            .copied()
    }

    /// Takes the next fault of a strategy, which happens now.
    pub(crate) fn take(&mut self, strategy: StrategyId) {
        let next = |fault_at: &FaultAt| fault_at.strategy == strategy;
        if let Some(at) = self.faults.iter().position(next) {
            self.outcome = self.faults.remove(at).outcome;
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

/// The fault of an instance that did nothing wrong now.
pub(crate) fn recorded() -> Fault {
    Fault("it faulted here when this was recorded".to_owned())
}

/// Cuts a batch of this many events so that a fault that a tape says happened comes at the beginning of one.
pub(crate) fn cut_before_fault(tape: &Backlog, count: usize, fault_at: Option<FaultAt>) -> usize {
    let Some(fault_at) = fault_at else {
        return count;
    };
    match tape
        .waiting(count)
        .partition_point(|event| event.sequence < fault_at.offered)
    {
        0 => count,
        before => before,
    }
}
