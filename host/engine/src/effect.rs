//! What the kernel keeps of a run: every event, and everything that it did, in the order in which it did it.
//!
//! The kernel hands events over as it publishes them and deeds before it does them, so nothing leaves the host before its
//! cause and the wish itself are kept. From the two, `guided` does the same once more.

use crate::config::Stepping;
use crate::handle::{OperatorCommand, StrategyChange};
use crate::intent::{AT_END, Decision, Intent};
use crate::kernel::{Engine, EngineError};
use crate::port::{Command, State};
use crate::report::Notice;
use crate::worker::{Done, Task};
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
    const fn is_order(&self) -> bool {
        matches!(self.action, Action::Submit(_) | Action::Modify(_))
    }
}

impl StrategyOutcome {
    pub(crate) fn of(decision: &Decision) -> Option<Self> {
        Some(match decision {
            Decision::Act(_) | Decision::Late(_) => return None,
            Decision::Fenced { offered } => Self::Fenced(*offered),
            Decision::Recovered { .. } => Self::Recovered,
            Decision::Ended => Self::Ended,
            Decision::TrialFailed => Self::ProbationFailed,
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

/// Events between two looks at the strategies' states.
pub(crate) const STATES_EVERY: u64 = 1 << 16;

/// The kernel's recorder, if it has one, and what it last said.
#[derive(Default)]
pub(crate) struct Recording {
    recorder: Option<Box<dyn Recorder>>,
    /// Whether orders wait for the next commit.
    orders: bool,
    /// Actions handed over since the last commit.
    fresh: u32,
    /// Everything is kept again, and what was denied until now was carried out.
    resumes: bool,
    /// The run has to end, and why.
    pub(crate) overflow: Option<String>,
}

impl Recording {
    pub(crate) fn events(&mut self, events: &[Event]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.events(events);
        }
    }

    pub(crate) fn effect(&mut self, position: u64, effect: &Effect) {
        if let Some(recorder) = &mut self.recorder {
            recorder.effect(position, effect);
        }
    }

    /// Keeps a decision before it is carried out.
    fn acted(&mut self, position: u64, acted: &AppliedAction) {
        self.orders |= acted.is_order();
        self.fresh += 1;
        self.effect(position, &Effect::Applied(*acted));
    }

    pub(crate) fn take(&mut self) -> Option<Box<dyn Recorder>> {
        self.recorder.take()
    }

    pub(crate) fn put(&mut self, recorder: Option<Box<dyn Recorder>>) {
        self.recorder = recorder;
    }

    pub(crate) fn end(&mut self) -> Result<(), RecordError> {
        match &mut self.recorder {
            Some(recorder) => recorder.end(),
            None => Ok(()),
        }
    }
}

impl Engine {
    /// Keeps the run from here on.
    pub fn record(&mut self, recorder: Box<dyn Recorder>) {
        self.keeping.recorder = Some(recorder);
    }

    const fn keeps(&self) -> bool {
        self.keeping.recorder.is_some()
    }

    /// Hands over what was decided because of single events, and makes sure that it is kept before it is acted upon. While
    /// it is not, new orders are denied and cancels pass.
    pub(crate) fn keep_decisions(&mut self) {
        if !self.keeps() {
            return;
        }
        let (halted, leaves_at) = (self.router.halted, self.router.leaves_at);
        let Self {
            intents, keeping, ..
        } = self;
        for intent in intents.iter().filter(|intent| intent.cause != AT_END) {
            if let Some(mut acted) = AppliedAction::of(intent, leaves_at) {
                acted.late |= halted;
                // In lockstep an action is carried out as of its cause.
                let position = match self.stepping {
                    Stepping::Lockstep => intent.cause + 1,
                    Stepping::Free => self.next_sequence,
                };
                keeping.acted(position, &acted);
            }
        }
        self.commit();
    }

    fn commit(&mut self) {
        let keeping = &mut self.keeping;
        let Some(recorder) = &mut keeping.recorder else {
            return;
        };
        let orders = std::mem::take(&mut keeping.orders);
        let denied = std::mem::take(&mut keeping.fresh);
        match recorder.commit(orders) {
            Ok(()) => keeping.resumes = self.router.halted,
            Err(RecordError { problem, overflows }) => {
                if overflows {
                    keeping.overflow.get_or_insert(problem.clone());
                }
                if !std::mem::replace(&mut self.router.halted, true) {
                    let effect = Effect::Halted {
                        problem: problem.clone(),
                        denied,
                    };
                    recorder.effect(self.next_sequence, &effect);
                    let notice = Notice::NotKept { problem };
                    self.router.outbox.notices.push((self.now, notice));
                }
            }
        }
    }

    /// Lets orders pass again if everything is kept; those of until now were denied.
    pub(crate) fn resume_if_kept(&mut self) {
        if std::mem::take(&mut self.keeping.resumes) {
            self.router.halted = false;
            self.keeping.effect(self.next_sequence, &Effect::Kept);
            self.router.outbox.notices.push((self.now, Notice::Kept));
        }
    }

    /// Hands over what counts from the end of a window.
    pub(crate) fn keep_settled(&mut self, intent: &Intent) {
        if !self.keeps() {
            return;
        }
        let position = self.next_sequence;
        match (
            AppliedAction::of(intent, self.router.leaves_at),
            StrategyOutcome::of(&intent.decision),
        ) {
            (Some(acted), _) => self.keeping.acted(position, &acted),
            (None, Some(outcome)) => {
                let (at, strategy) = (intent.at, intent.strategy);
                let effect = Effect::Settled {
                    at,
                    strategy,
                    outcome,
                };
                self.keeping.effect(position, &effect);
            }
            (None, None) => {}
        }
    }

    /// Hands over the commands that leave for the venues.
    pub(crate) fn keep_commands(&mut self) {
        if !self.keeps() {
            return;
        }
        for (_, at, command) in &self.router.outbox.commands {
            if let Some(sent) = sent(*at, command) {
                self.keeping.effect(self.next_sequence, &sent);
            }
        }
    }

    /// Hands over the strategies' states from time to time, at the end of a window.
    pub(crate) fn keep_states_in_time(&mut self) -> Result<(), EngineError> {
        if !self.keeps() || self.next_sequence < self.next_states {
            return Ok(());
        }
        self.next_states = self.next_sequence + STATES_EVERY;
        self.commit();
        self.resume_if_kept();
        self.keep_states()
    }

    /// Hands over the strategies' states, at a point where all workers have caught up.
    pub(crate) fn keep_states(&mut self) -> Result<(), EngineError> {
        if !self.keeps() {
            return Ok(());
        }
        self.keeping.effect(self.next_sequence, &Effect::Asked);
        for (strategy, state) in self.states()? {
            let effect = Effect::Saved { strategy, state };
            self.keeping.effect(self.next_sequence, &effect);
        }
        Ok(())
    }

    /// The strategies' states, at a point where all workers have caught up. One that can't save has none.
    pub(crate) fn states(&mut self) -> Result<Vec<(StrategyId, State)>, EngineError> {
        let mut states = Vec::new();
        for worker in 0..self.pool.len() {
            let done = self.pool.perform(worker, Task::States, &mut self.intents)?;
            if let Ok(Done::States(some)) = done {
                states.extend(some);
            }
        }
        states.sort_by_key(|(strategy, _)| *strategy);
        Ok(states)
    }
}
