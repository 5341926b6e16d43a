//! A recorded run as the replay reads it, and the results of a replay.

use crate::batches::RecordedBatches;
use crate::effect::{AppliedAction, Effect, StrategyOutcome};
use crate::port::{State, Version};
use crate::replay::recorded_decisions::RecordedDecisions;
use crate::report::{Report, Status};
use tickdeck_model::{Event, StrategyId};
use tickdeck_portfolio::Portfolio;

/// A recorded run.
pub trait Tape {
    /// Appends the next events, at most `most`; none at the end.
    ///
    /// # Errors
    /// The tape cannot be read.
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError>;

    /// Returns the next effect with its position; none at the end.
    ///
    /// # Errors
    /// The tape cannot be read.
    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError>;

    /// Makes a version again from its recorded spec.
    ///
    /// # Errors
    /// The module is missing, or cannot be loaded.
    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError>;

    /// Returns the decisions of a strategy that is not to be called, in the life that it began with its start of this number,
    /// counted from 0; none of one that is called.
    fn decisions(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedDecisions> {
        let _ = (strategy, life);
        None
    }

    /// Returns the batches that a strategy has to be offered again in a life; none of one that is offered any.
    fn batches(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedBatches> {
        let _ = (strategy, life);
        None
    }

    /// Returns from which event on any strategy has to be offered certain batches; none: never.
    fn batches_from(&self) -> Option<u64> {
        None
    }

    /// Returns whether a strategy may go on with the module of this hash when the run is resumed. What one that may not decided,
    /// and what had not been recorded, is too late.
    fn may_go_on(&mut self, name: &str, module: &str) -> bool {
        let _ = (name, module);
        true
    }

    /// Returns whether the record has effects behind those that the tape gives; then it gives all those that concern its
    /// events.
    fn is_cut(&self) -> bool {
        false
    }

    /// Returns whether a status is to be reported at every event.
    fn is_watched(&self) -> bool {
        false
    }
}

/// Why a tape cannot be played further. The text names the thing, the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TapeError(pub String);

/// The first difference between a replay and its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The number of events that both had taken in.
    pub position: u64,
    /// The strategy, if it is about one.
    pub strategy: Option<StrategyId>,
    /// The recorded side.
    pub recorded: Finding,
    /// The replayed side.
    pub found: Finding,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// An action.
    Action(AppliedAction),
    /// The outcome of an instance.
    Outcome(StrategyOutcome),
    /// An event.
    Event(Box<Event>),
    /// A state, of this schema and this many bytes.
    State(u32, usize),
    /// Anything else, as a text.
    Text(String),
}

/// The result of a replay.
#[derive(Debug)]
pub struct Replayed {
    /// The report as of a run; its hashes are over what was done now.
    pub report: Report,
    /// Number of actions that were compared.
    pub compared: u64,
    /// Number of actions that were decided now and are not on the tape because it ends before they could be recorded.
    pub unkept: u64,
    /// Whether the recorded run ended cleanly.
    pub ended: bool,
    /// The first difference; nothing after it was played.
    pub divergence: Option<Divergence>,
}

/// How far a resumed run had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Number of events on the tape.
    pub events: u64,
    /// Number of actions on the tape.
    pub actions: u64,
    /// Number of actions that had been decided and not recorded: they never left, and do now.
    pub unkept: u64,
}

/// Where a recorded run stood at the end of a tape.
#[derive(Debug)]
pub struct Standing {
    /// The status.
    pub status: Status,
    /// The states of the strategies that can save.
    pub states: Vec<(StrategyId, State)>,
    /// The store.
    pub portfolio: Portfolio,
}
