//! A recorded run as it is asked for, and what doing it again comes to.

use crate::effect::{AppliedAction, Effect, StrategyOutcome};
use crate::port::{State, Version};
use crate::report::{Report, Status};
use tickdeck_model::{Event, StrategyId};
use tickdeck_portfolio::Portfolio;

/// A recorded run.
pub trait Tape {
    /// Appends the next events, `most` at most; none at the end.
    ///
    /// # Errors
    /// The tape can't be read.
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError>;

    /// The next deed with its position; none at the end.
    ///
    /// # Errors
    /// The tape can't be read.
    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError>;

    /// Makes a version again.
    ///
    /// # Errors
    /// What it was made from is not there, or can't be loaded.
    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError>;

    /// Whether there are deeds behind those that are given: all that were about the events given are among these then.
    fn is_cut(&self) -> bool {
        false
    }

    /// Whether somebody looks at every event, and wants to see each time how everything stands.
    fn is_watched(&self) -> bool {
        false
    }
}

/// Why a tape can't be played on. The text names the thing, the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TapeError(pub String);

/// Where a run did something else than was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Events that both had taken in.
    pub position: u64,
    /// Whose, if it is about one strategy.
    pub strategy: Option<StrategyId>,
    /// What was recorded.
    pub recorded: Finding,
    /// What was done now.
    pub found: Finding,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// An action.
    Action(AppliedAction),
    /// What became of an instance.
    Outcome(StrategyOutcome),
    /// An event.
    Event(Box<Event>),
    /// A state, of this schema and this many bytes.
    State(u32, usize),
    /// Something else, in words.
    Words(String),
}

/// What a replay came to.
#[derive(Debug)]
pub struct Replayed {
    /// As of a run; its hashes are over what was done now.
    pub report: Report,
    /// Actions that were compared.
    pub compared: u64,
    /// Actions that were decided now and are not on the tape because it ends before they could be recorded.
    pub unkept: u64,
    /// Whether the recorded run ended in order.
    pub ended: bool,
    /// The first difference; nothing after it was played.
    pub divergence: Option<Divergence>,
}

/// How far a host came that goes on where a recorded run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Events on the tape.
    pub events: u64,
    /// Actions on the tape.
    pub actions: u64,
    /// Actions that had been decided and not recorded: they never left, and do now.
    pub unkept: u64,
}

/// Where a host stood.
#[derive(Debug)]
pub struct Standing {
    /// All that can be told of it.
    pub status: Status,
    /// What the strategies that save would have saved.
    pub states: Vec<(StrategyId, State)>,
    /// The store.
    pub portfolio: Portfolio,
}
