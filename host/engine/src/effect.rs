//! The record of a run: every event, and every effect of the kernel, in order.
//!
//! The kernel hands events over as it publishes them and effects before it carries them out, so nothing leaves the host
//! before its cause and the decision itself are recorded. From the two, `replay` does the same once more.

use crate::batches::{BatchPlace, OfferedBatches};
use crate::command::OperatorCommand;
use crate::handle::StrategyChange;
use crate::intent::{AT_END, Decision, Intent};
use crate::port::{Command, State};
use crate::quarantine_cause::QuarantineCause;
use std::sync::Arc;
use tickdeck_model::{
    Action, Amount, ClientOrderId, CurrencyId, Event, OrderNumber, StrategyId, Timestamp,
};

/// Records a run. Called on the kernel's thread, so every method must be quick.
///
/// The recorder holds what it cannot write at once until it can: nothing is dropped.
pub trait Recorder: Send {
    /// Takes events, in the order of the tape.
    fn events(&mut self, events: &[Event]);

    /// Takes an effect. The kernel has taken in every event before `position` and none from there on.
    fn effect(&mut self, position: u64, effect: &Effect);

    /// Takes batches that a strategy was offered, before or with what it decided after them.
    fn offered(&mut self, position: u64, strategy: StrategyId, batches: &OfferedBatches) {
        let _ = (position, strategy, batches);
    }

    /// Makes sure that everything handed over is recorded; `orders` says that orders wait for the answer.
    ///
    /// # Errors
    /// Something is not recorded; until it is, no new order leaves.
    fn commit(&mut self, orders: bool) -> Result<(), RecordError>;

    /// As [`Recorder::commit`]; while it waits for the disk it calls `meanwhile` every millisecond or so.
    ///
    /// # Errors
    /// As [`Recorder::commit`].
    fn commit_while(
        &mut self,
        orders: bool,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), RecordError> {
        // One that never waits for a disk.
        let _ = meanwhile;
        self.commit(orders)
    }

    /// Completes the record: the run ended cleanly, and nothing more comes.
    ///
    /// # Errors
    /// Not everything could be recorded, so the run counts as interrupted.
    fn end(&mut self) -> Result<(), RecordError>;
}

/// Why something could not be recorded. The text names the thing, the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RecordError {
    /// What is wrong.
    pub problem: String,
    /// There is no space left for what waits: the run has to end.
    pub overflows: bool,
}

/// An effect of the kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An action of a strategy was carried out.
    Applied(AppliedAction),
    /// The outcome of an instance was taken in.
    Settled {
        /// When.
        at: Timestamp,
        /// Whose.
        strategy: StrategyId,
        /// What.
        outcome: StrategyOutcome,
    },
    /// An operator's command was carried out.
    Operated {
        /// When.
        at: Timestamp,
        /// Which.
        order: OperatorCommand,
        /// Its place, if that is before actions that are on the record already.
        ahead: Option<CommandAhead>,
    },
    /// A suspended strategy was brought back, in the version before if its own had failed its probation; or it ended.
    GaveUp {
        /// When.
        at: Timestamp,
        /// Whose.
        strategy: StrategyId,
    },
    /// A suspended strategy began to catch up, against its book as it stood then. Only if it was not back in the same
    /// moment: its [`Effect::GaveUp`] follows.
    CatchingUp {
        /// When.
        at: Timestamp,
        /// Which.
        strategy: StrategyId,
    },
    /// A change of the strategies that run was carried out.
    Changed {
        /// When.
        at: Timestamp,
        /// What.
        what: RecordedChange,
    },
    /// The last change was refused.
    Refused {
        /// Why.
        why: String,
    },
    /// The strategies were asked for their states; those that can save follow.
    Asked,
    /// A strategy's state was saved.
    Saved {
        /// Whose.
        strategy: StrategyId,
        /// The state.
        state: State,
    },
    /// New orders are denied from here on because something could not be recorded; those actions are marked as late.
    Halted {
        /// Why.
        problem: String,
        /// How many of the last actions are denied by it without being marked.
        denied: u32,
    },
    /// Everything is recorded again.
    Kept,
    /// A command was sent to a venue.
    Sent {
        /// When, in event time.
        at: Timestamp,
        /// About which order.
        order: ClientOrderId,
        /// What.
        what: SentKind,
    },
    /// A strategy did not return from its call, and the run ends without it: what was decided and is not on the record by now
    /// was dropped.
    LeftBehind,
    /// The run began to end: the strategies are stopped and their orders handled.
    Stopping {
        /// When.
        at: Timestamp,
    },
}

/// The place of a command that came while actions were being recorded, and was carried out before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandAhead {
    /// The number of events that the router had taken in.
    pub position: u64,
    /// How many of the last actions on the record it comes before.
    pub actions: u32,
}

/// An action of a strategy that was carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AppliedAction {
    /// Sequence of the event that caused it; `u64::MAX` where no single event did.
    pub cause: u64,
    /// Host time of the cause.
    pub at: Timestamp,
    /// When it left, if that is later.
    pub leaves_at: Timestamp,
    /// The strategy that decided it.
    pub strategy: StrategyId,
    /// Its place among everything the strategy decided because of that sequence.
    pub ordinal: u32,
    /// Whether it was decided too late to open anything.
    pub late: bool,
    /// The action.
    pub action: Action,
}

/// The outcome of a strategy's instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyOutcome {
    /// It faulted at the batch of this place; none: while it saved.
    Faulted(Option<BatchPlace>),
    /// Another instance took its place.
    Recovered,
    /// The strategy ended.
    Ended,
    /// The strategy waits for another instance: of the version before if it was on probation, else of its own.
    Suspended,
    /// The shadow version faulted.
    ShadowFailed,
    /// A new version was offered its first event.
    Live,
}

/// The kind of a command.
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
    /// A strategy started.
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
        /// What its version was made from.
        spec: Arc<str>,
    },
    /// Another version took over, or began to run as a shadow.
    Swap {
        /// Whose.
        strategy: StrategyId,
        /// What the version was made from.
        spec: Arc<str>,
    },
    /// The shadow version took over.
    Promote(StrategyId),
    /// The version before took over again, or the shadow ended.
    RollBack(StrategyId),
    /// The strategy was removed.
    Remove(StrategyId),
    /// The strategy was ended when an interrupted run was resumed: it must not go on.
    Quarantine {
        /// Which.
        strategy: StrategyId,
        /// Why, for people.
        why: String,
        /// What made it end.
        cause: QuarantineCause,
    },
}

impl RecordedChange {
    /// The strategy that it is about.
    pub const fn strategy(&self) -> StrategyId {
        match self {
            Self::Start { strategy, .. }
            | Self::Swap { strategy, .. }
            | Self::Promote(strategy)
            | Self::RollBack(strategy)
            | Self::Remove(strategy)
            | Self::Quarantine { strategy, .. } => *strategy,
        }
    }

    /// The record of a change; none of one that changes nothing.
    pub(crate) fn of(change: &StrategyChange) -> Option<Self> {
        Some(match change {
            StrategyChange::Start(start) => Self::Start {
                strategy: start.id,
                name: start.name.clone(),
                allocation: start.allocation.clone(),
                next_order: start.next_order,
                last_order: start.last_order,
                spec: Arc::clone(&start.version.spec),
            },
            StrategyChange::Swap(strategy, version) => Self::Swap {
                strategy: *strategy,
                spec: Arc::clone(&version.spec),
            },
            StrategyChange::Promote(strategy) => Self::Promote(*strategy),
            StrategyChange::RollBack(strategy) => Self::RollBack(*strategy),
            StrategyChange::Remove(strategy) => Self::Remove(*strategy),
            StrategyChange::Quarantine {
                strategy,
                why,
                cause,
            } => Self::Quarantine {
                strategy: *strategy,
                why: why.clone(),
                cause: *cause,
            },
            StrategyChange::DryRun(_) => return None,
        })
    }
}

impl AppliedAction {
    /// The record of an intent; none if it is no action.
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

    /// Whether it counts from the end of a window, not from a single event.
    pub const fn is_at_end(&self) -> bool {
        self.cause == AT_END
    }

    /// Whether it may open a position.
    pub(crate) const fn is_order(&self) -> bool {
        matches!(self.action, Action::Submit(_) | Action::Modify(_))
    }
}

impl StrategyOutcome {
    pub(crate) fn of(decision: &Decision) -> Option<Self> {
        Some(match decision {
            Decision::Act(_) | Decision::Late(_) | Decision::Offered(_) => return None,
            Decision::Faulted { offered } => Self::Faulted(*offered),
            Decision::Recovered { .. } => Self::Recovered,
            Decision::Ended => Self::Ended,
            Decision::Suspended => Self::Suspended,
            Decision::ShadowFailed => Self::ShadowFailed,
            Decision::Live { .. } => Self::Live,
        })
    }
}

/// The record of a command that leaves; none of one that is about no order.
pub(crate) const fn sent(at: Timestamp, command: &Command) -> Option<Effect> {
    let (order, what) = match command {
        Command::Submit { id, .. } => (*id, SentKind::Submit),
        Command::Modify { id, .. } => (*id, SentKind::Modify),
        Command::Cancel { id, .. } => (*id, SentKind::Cancel),
        Command::Snapshot { .. } => return None,
    };
    Some(Effect::Sent { at, order, what })
}
