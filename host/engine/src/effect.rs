//! What the kernel keeps of a run: every event, and everything that it did, in the order in which it did it.
//!
//! The kernel hands events over as it publishes them and deeds before it does them, so nothing leaves the host before its
//! cause and the wish itself are kept. From the two, `guided` does the same once more.

use crate::handle::{OperatorCommand, StrategyChange};
use crate::intent::{AT_END, Decision, Intent};
use crate::port::{Command, State};
use std::sync::Arc;
use tickdeck_model::{
    Action, Amount, ClientOrderId, CurrencyId, Event, OrderNumber, StrategyId, Timestamp,
};

/// Keeps what happens. Called on the kernel's thread: be quick.
///
/// What can't be kept at once stays with the recorder until it can: nothing is dropped.
pub trait Recorder: Send {
    /// Takes events, in the order of the tape.
    fn events(&mut self, events: &[Event]);

    /// Takes what the kernel does, when it has taken in every event before `position` and none from there on.
    fn effect(&mut self, position: u64, effect: &Effect);

    /// Whether all of it is kept; `orders` says that orders wait for the answer.
    ///
    /// # Errors
    /// It is not; until it is, no new order leaves.
    fn commit(&mut self, orders: bool) -> Result<(), RecordError>;

    /// The run ended in order; nothing more comes.
    ///
    /// # Errors
    /// Not all of it could be kept: as far as the recorder is concerned, the run was cut off.
    fn end(&mut self) -> Result<(), RecordError>;
}

/// Why something could not be kept. The text names the thing, the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RecordError {
    /// What is wrong.
    pub problem: String,
    /// There is no room left for what waits: the run has to end.
    pub overflows: bool,
}

/// Something that the kernel did.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Carried out an action of a strategy.
    Applied(AppliedAction),
    /// Took in what became of an instance.
    Settled {
        /// When.
        at: Timestamp,
        /// Whose.
        strategy: StrategyId,
        /// What.
        outcome: StrategyOutcome,
    },
    /// Carried out an operator's order.
    Operated {
        /// When.
        at: Timestamp,
        /// Which.
        order: OperatorCommand,
    },
    /// Gave up a version that had failed its trial.
    GaveUp {
        /// When.
        at: Timestamp,
        /// Whose.
        strategy: StrategyId,
    },
    /// Changed the strategies that run.
    Changed {
        /// When.
        at: Timestamp,
        /// What.
        what: RecordedChange,
    },
    /// The last change came to nothing.
    Refused {
        /// Why.
        why: String,
    },
    /// Asked the strategies for their states; those that can save follow.
    Asked,
    /// Kept a strategy's state.
    Saved {
        /// Whose.
        strategy: StrategyId,
        /// The state.
        state: State,
    },
    /// Denied new orders from here on because something could not be kept; those actions are marked as late.
    Halted {
        /// Why.
        problem: String,
        /// How many of the last actions are denied by it that are not marked.
        denied: u32,
    },
    /// Everything is kept again.
    Kept,
    /// Sent a command to a venue.
    Sent {
        /// When, in event time.
        at: Timestamp,
        /// About which order.
        order: ClientOrderId,
        /// What.
        what: SentKind,
    },
    /// Began to end: the strategies are stopped and their orders handled.
    Stopping {
        /// When.
        at: Timestamp,
    },
}

/// An action of a strategy that was carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AppliedAction {
    /// Sequence of the event that caused it; the highest number there is where no single one did.
    pub cause: u64,
    /// Host time of the cause.
    pub at: Timestamp,
    /// When it left, if that was later.
    pub leaves_at: Timestamp,
    /// Who decided it.
    pub strategy: StrategyId,
    /// Its place among everything the strategy decided because of that sequence.
    pub ordinal: u32,
    /// It was decided too late to open anything.
    pub late: bool,
    /// What was decided.
    pub action: Action,
}

/// What became of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyOutcome {
    /// It was fenced off on a fault at a batch that began with this sequence; none: while it saved.
    Fenced(Option<u64>),
    /// Another took its place.
    Recovered,
    /// The strategy ended.
    Ended,
    /// A new version trapped within its trial.
    ProbationFailed,
    /// The version beside trapped.
    ShadowFailed,
    /// A new version got its first event.
    Live,
}

/// What a command was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentKind {
    /// A new order.
    Submit,
    /// A change of one.
    Modify,
    /// A cancel.
    Cancel,
}

/// A change of the strategies that run, without the instances themselves.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordedChange {
    /// A strategy came.
    Start {
        /// Its number.
        strategy: StrategyId,
        /// Its name.
        name: String,
        /// Its money.
        allocation: Vec<(CurrencyId, Amount)>,
        /// The first order number it may use.
        next_order: OrderNumber,
        /// The last one.
        last_order: OrderNumber,
        /// What its version is made from.
        spec: Arc<str>,
    },
    /// Another version took over, or began to run beside.
    Swap {
        /// Whose.
        strategy: StrategyId,
        /// What it is made from.
        spec: Arc<str>,
    },
    /// The version beside took over.
    Promote(StrategyId),
    /// The version before took over again, or the one beside ended.
    RollBack(StrategyId),
    /// It left.
    Remove(StrategyId),
}

impl RecordedChange {
    /// Whom it is about.
    pub const fn strategy(&self) -> StrategyId {
        match self {
            Self::Start { strategy, .. }
            | Self::Swap { strategy, .. }
            | Self::Promote(strategy)
            | Self::RollBack(strategy)
            | Self::Remove(strategy) => *strategy,
        }
    }

    /// What is kept of a change; nothing of one that changes nothing.
    pub(crate) fn of(change: &StrategyChange) -> Option<Self> {
        Some(match change {
            StrategyChange::Start(seat) => Self::Start {
                strategy: seat.id,
                name: seat.name.clone(),
                allocation: seat.allocation.clone(),
                next_order: seat.next_order,
                last_order: seat.last_order,
                spec: Arc::clone(&seat.version.spec),
            },
            StrategyChange::Swap(strategy, version) => Self::Swap {
                strategy: *strategy,
                spec: Arc::clone(&version.spec),
            },
            StrategyChange::Promote(strategy) => Self::Promote(*strategy),
            StrategyChange::RollBack(strategy) => Self::RollBack(*strategy),
            StrategyChange::Remove(strategy) => Self::Remove(*strategy),
            StrategyChange::DryRun(_) => return None,
        })
    }
}

impl AppliedAction {
    /// Nothing if it is no action.
    pub(crate) fn of(intent: &Intent, leaves_at: Timestamp) -> Option<Self> {
        let (late, action) = match intent.decision {
            Decision::Act(action) => (false, action),
            Decision::Late(action) => (true, action),
            _ => return None,
        };
        Some(Self {
            cause: intent.cause,
            at: intent.at,
            leaves_at,
            strategy: intent.strategy,
            ordinal: intent.ordinal,
            late,
            action,
        })
    }

    /// Whether no single event caused it.
    pub const fn is_at_end(&self) -> bool {
        self.cause == AT_END
    }

    /// Whether it may open something.
    pub(crate) const fn is_order(&self) -> bool {
        matches!(self.action, Action::Submit(_) | Action::Modify(_))
    }
}

impl StrategyOutcome {
    pub(crate) fn of(decision: &Decision) -> Option<Self> {
        Some(match decision {
            Decision::Act(_) | Decision::Late(_) => return None,
            Decision::Faulted { offered } => Self::Fenced(*offered),
            Decision::Recovered { .. } => Self::Recovered,
            Decision::Ended => Self::Ended,
            Decision::ProbationFailed => Self::ProbationFailed,
            Decision::ShadowFailed => Self::ShadowFailed,
            Decision::Live { .. } => Self::Live,
        })
    }
}

/// What is kept of a command that leaves; nothing of one that is about no order.
pub(crate) const fn sent(at: Timestamp, command: &Command) -> Option<Effect> {
    let (order, what) = match command {
        Command::Submit { id, .. } => (*id, SentKind::Submit),
        Command::Modify { id, .. } => (*id, SentKind::Modify),
        Command::Cancel { id, .. } => (*id, SentKind::Cancel),
        Command::Snapshot { .. } => return None,
    };
    Some(Effect::Sent { at, order, what })
}
