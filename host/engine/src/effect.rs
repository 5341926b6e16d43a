//! The record of a run: every event, and every effect of the kernel, in order.
//!
//! The kernel hands over events as it publishes them and effects before it carries them out, so nothing leaves the host
//! before its cause and the decision itself are recorded. From the two, `replay` reproduces the run.

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
/// The recorder buffers what it cannot write at once: nothing is dropped.
pub trait Recorder: Send {
    /// Takes events, in the order of the tape.
    fn events(&mut self, events: &[Event]);

    /// Takes an effect. The kernel has processed every event before `position` and none from there on.
    fn effect(&mut self, position: u64, effect: &Effect);

    /// Takes batches that a strategy was offered, before or with the decisions that followed them.
    fn offered(&mut self, position: u64, strategy: StrategyId, batches: &OfferedBatches) {
        let _ = (position, strategy, batches);
    }

    /// Ensures that everything handed over is recorded; `orders` says whether orders wait for the result.
    ///
    /// # Errors
    /// Something could not be recorded; until it is, no new order leaves.
    fn commit(&mut self, orders: bool) -> Result<(), RecordError>;

    /// Like [`Recorder::commit`], but calls `meanwhile` about every millisecond while it waits for the disk.
    ///
    /// # Errors
    /// As [`Recorder::commit`].
    fn commit_while(
        &mut self,
        orders: bool,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), RecordError> {
        // The default never waits for a disk.
        let _ = meanwhile;
        self.commit(orders)
    }

    /// Completes the record: the run ended cleanly, and nothing more comes.
    ///
    /// # Errors
    /// Not everything could be recorded, so the run counts as interrupted.
    fn end(&mut self) -> Result<(), RecordError>;
}

/// Why something could not be recorded. The text names the problem, its place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RecordError {
    /// What is wrong.
    pub problem: String,
    /// The buffer is full: the run has to end.
    pub overflows: bool,
}

/// An effect of the kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An action of a strategy was carried out.
    Applied(AppliedAction),
    /// The outcome of an instance took effect.
    Settled {
        /// Event time of the effect.
        at: Timestamp,
        /// The strategy.
        strategy: StrategyId,
        /// The outcome.
        outcome: StrategyOutcome,
    },
    /// An operator's command was carried out.
    Operated {
        /// Event time of the effect.
        at: Timestamp,
        /// The command.
        order: OperatorCommand,
        /// Its place, if it comes before actions that are already on the record.
        ahead: Option<CommandAhead>,
    },
    /// A suspended strategy was brought back, in the version before if its own had failed its probation; or it ended.
    GaveUp {
        /// Event time of the effect.
        at: Timestamp,
        /// The strategy.
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
        /// Event time of the effect.
        at: Timestamp,
        /// The change.
        what: RecordedChange,
    },
    /// The last change was refused.
    Refused {
        /// The reason.
        why: String,
    },
    /// A strategy was asked for its state, or all were; the states of those that can save follow.
    Asked {
        /// The strategy; all of them in older records.
        strategy: Option<StrategyId>,
    },
    /// A strategy's state was saved.
    Saved {
        /// The strategy.
        strategy: StrategyId,
        /// The state.
        state: State,
    },
    /// New orders are denied from here on because something could not be recorded; the denied actions are marked as late.
    Halted {
        /// The reason.
        problem: String,
        /// How many of the last actions this denies although they are not marked.
        denied: u32,
    },
    /// Everything is recorded again.
    Kept,
    /// A command was sent to a venue.
    Sent {
        /// Event time.
        at: Timestamp,
        /// The order that it concerns.
        order: ClientOrderId,
        /// The kind of command.
        what: SentKind,
    },
    /// A strategy did not return from its call, and the run ends without it: decisions that are not on the record by now
    /// were dropped.
    LeftBehind,
    /// The run began to end: the strategies are stopped and their orders handled by policy.
    Stopping {
        /// Event time of the effect.
        at: Timestamp,
    },
}

/// The place of a command that arrived while actions were being recorded, and was carried out before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandAhead {
    /// The number of events that the router had processed.
    pub position: u64,
    /// The number of actions at the end of the record that it precedes.
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
    /// Its index among the strategy's decisions caused by that sequence.
    pub ordinal: u32,
    /// Whether it was decided too late to open a position.
    pub late: bool,
    /// The action.
    pub action: Action,
}

/// The outcome of a strategy's instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyOutcome {
    /// It faulted at the batch at this place; none: while saving.
    Faulted(Option<BatchPlace>),
    /// Another instance took its place.
    Recovered,
    /// The strategy ended.
    Ended,
    /// The strategy waits for another instance: of the previous version if it was on probation, otherwise of its own.
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
        /// Its allocated capital.
        allocation: Vec<(CurrencyId, Amount)>,
        /// The first order number that it may use.
        next_order: OrderNumber,
        /// The last order number that it may use.
        last_order: OrderNumber,
        /// The spec from which its version was made.
        spec: Arc<str>,
    },
    /// Another version took over, or began to run as a shadow.
    Swap {
        /// The strategy.
        strategy: StrategyId,
        /// The spec from which the version was made.
        spec: Arc<str>,
    },
    /// The shadow version took over.
    Promote(StrategyId),
    /// The previous version took over again, or the shadow ended.
    RollBack(StrategyId),
    /// The strategy was removed.
    Remove(StrategyId),
    /// The strategy was ended when an interrupted run was resumed: it must not continue.
    Quarantine {
        /// The strategy.
        strategy: StrategyId,
        /// The reason, as text for people.
        why: String,
        /// What caused the quarantine.
        cause: QuarantineCause,
    },
}

impl RecordedChange {
    /// The strategy that it concerns.
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

    /// The record of a change; none if it changes nothing.
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
    /// The record of an intent; none if it is not an action.
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

    /// Whether it takes effect at the end of a window, not after a single event.
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

/// The record of a command that leaves; none if it concerns no order.
pub(crate) const fn sent(at: Timestamp, command: &Command) -> Option<Effect> {
    let (order, what) = match command {
        Command::Submit { id, .. } => (*id, SentKind::Submit),
        Command::Modify { id, .. } => (*id, SentKind::Modify),
        Command::Cancel { id, .. } => (*id, SentKind::Cancel),
        Command::Snapshot { .. } => return None,
    };
    Some(Effect::Sent { at, order, what })
}
