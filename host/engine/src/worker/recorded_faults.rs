//! Faults, ends and refusals that are on the tape and must be reproduced in a replay, because a time limit may have caused
//! them; and decisions of a strategy that is not called.

use crate::batches::{BatchPlace, RecordedBatches};
use crate::port::Fault;
use crate::worker::slot::Slot;
use tickdeck_model::{Action, StrategyId, Timestamp};

/// A fault that a worker has to reproduce.
pub(crate) enum RecordedFault {
    /// Whether recoveries have no time limit.
    WithoutTimeLimit(bool),
    /// A strategy faults at this batch, whatever it returns.
    At(FaultAt),
    /// A strategy faults now: it faulted when it was asked to save.
    Fault {
        /// The strategy.
        strategy: StrategyId,
        /// The outcome, if the tape reaches that far.
        outcome: Option<FaultOutcome>,
        /// It was saving a snapshot: there will be none.
        snapshot: bool,
    },
    /// A strategy has to be offered these batches from now on; none: any will do.
    Batches(StrategyId, Option<RecordedBatches>),
    /// A strategy that is not called decides this now, although no single event caused it.
    Decision(StrategyId, Timestamp, Action),
    /// The outcome of the next fault of a strategy that has no place among its batches. The strategy meets it by itself again, or it
    /// is reproduced when the tape comes to it; the outcome may depend on time.
    Outcome(StrategyId, FaultOutcome),
    /// A suspended strategy begins to catch up now; when it has caught up is on the tape too.
    CatchingUp(StrategyId),
    /// The shadow version of a strategy faults now.
    FaultInShadow(StrategyId),
    /// The next change is refused.
    Refusal,
    /// The instance that should save its state for the next change faults instead.
    LostState,
}

/// A fault at a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultAt {
    /// The strategy.
    pub(crate) strategy: StrategyId,
    /// The place of the batch.
    pub(crate) offered: BatchPlace,
    /// The outcome, if the tape reaches that far.
    pub(crate) outcome: Option<FaultOutcome>,
}

/// The outcome of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultOutcome {
    /// Another instance takes its place.
    Recovers,
    /// It ends.
    Ends,
    /// It waits for another instance.
    Suspends,
}

/// The faults that a worker still has to reproduce.
#[derive(Default)]
pub(crate) struct RecordedFaults {
    pub(super) faults: Vec<FaultAt>,
    /// The outcome of the current fault.
    pub(crate) outcome: Option<FaultOutcome>,
    /// The outcomes of faults without a place, in the order in which they come.
    pub(super) unplaced: Vec<(StrategyId, FaultOutcome)>,
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

    /// Takes the outcome of the fault that a strategy has now, if a tape says.
    pub(crate) fn take_outcome(
        &mut self,
        strategy: StrategyId,
        has_place: bool,
    ) -> Option<FaultOutcome> {
        let imposed = self.outcome.take();
        let is_its = |(other, _): &(StrategyId, FaultOutcome)| *other == strategy;
        let next = self.unplaced.iter().position(is_its);
        let next = next.filter(|_| !has_place);
        let taped = next.map(|at| self.unplaced.remove(at).1);
        imposed.or(taped)
    }

    /// Forgets what was to happen at a change, which is done or failed before.
    pub(crate) fn forget_change(&mut self) {
        (self.refuses, self.loses_state) = (false, false);
    }

    /// Returns what an instance saved, unless it has to fault.
    pub(crate) fn saved<T>(&mut self, saved: Result<T, Fault>) -> Result<T, Fault> {
        match std::mem::take(&mut self.loses_state) {
            true => saved.and(Err(recorded())),
            false => saved,
        }
    }

    /// Refuses the current change if it was refused when it was recorded.
    ///
    /// # Errors
    /// It was refused.
    pub(crate) fn refusal(&mut self) -> Result<(), String> {
        match std::mem::take(&mut self.refuses) {
            true => Err("it was refused when this was recorded".to_owned()),
            false => Ok(()),
        }
    }
}

/// Returns the fault of an instance that did nothing wrong in this replay.
pub(crate) fn recorded() -> Fault {
    Fault("it faulted here when this was recorded".to_owned())
}

/// Cuts a batch of this many events so that a recorded fault comes at the beginning of one.
pub(crate) fn cut_before_fault(slot: &Slot, count: usize, fault_at: Option<FaultAt>) -> usize {
    let Some(fault_at) = fault_at else {
        return count;
    };
    let mut last = slot.last_place;
    let before = slot.backlog.waiting(count).iter().take_while(|event| {
        let place = BatchPlace::of(event, last);
        last = Some(place);
        place < fault_at.offered
    });
    match before.count() {
        0 => count,
        before => before,
    }
}
