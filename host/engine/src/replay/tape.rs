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

    /// Recreates a version from its recorded spec.
    ///
    /// # Errors
    /// The module is missing, or cannot be loaded.
    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError>;

    /// Returns the decisions of a strategy that must not be called, in the life that began with its start number `life`,
    /// counted from 0; none if it may be called.
    fn decisions(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedDecisions> {
        let _ = (strategy, life);
        None
    }

    /// Returns the batches that a strategy has to be offered again in a life; none if any will do.
    fn batches(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedBatches> {
        let _ = (strategy, life);
        None
    }

    /// Returns the event from which on any strategy has to be offered its recorded batches; none: never.
    fn batches_from(&self) -> Option<u64> {
        None
    }

    /// Returns whether a strategy may continue with the module of this hash when the run is resumed. If not, its unrecorded
    /// decisions are too late.
    fn may_go_on(&mut self, name: &str, module: &str) -> bool {
        let _ = (name, module);
        true
    }

    /// Returns whether the record has effects beyond those that the tape returns; if so, it returns all those that concern
    /// its events.
    fn is_cut(&self) -> bool {
        false
    }

    /// Returns whether a status is to be reported at every event.
    fn is_watched(&self) -> bool {
        false
    }
}

/// Why a tape cannot be played further. The text names the problem, its place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TapeError(pub String);

/// The first difference between a replay and its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The number of events that both had processed.
    pub position: u64,
    /// The strategy, if it concerns one.
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
    /// A report like that of a run; its hashes cover what was done in the replay.
    pub report: Report,
    /// Number of actions that were compared.
    pub compared: u64,
    /// Number of actions that were decided in the replay but are not on the tape, because it ends before they could be
    /// recorded.
    pub unkept: u64,
    /// Whether the recorded run ended cleanly.
    pub ended: bool,
    /// The first difference; nothing after it was played.
    pub divergence: Option<Divergence>,
}

/// How far an interrupted run had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Number of events on the tape.
    pub events: u64,
    /// Number of actions on the tape.
    pub actions: u64,
    /// Number of actions that had been decided but not recorded: they never left, and do now.
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
