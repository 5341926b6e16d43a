//! Why an engine cannot start or continue.

use crate::replay::tape::{Divergence, TapeError};
use crate::worker::pool::WorkerError;
use tickdeck_ring::RingError;

/// Why an engine cannot start or continue.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// There is nothing to take events from; configure a venue.
    #[error("there is no venue: an engine needs at least one")]
    NoVenue,
    /// A setting is not valid; the text names it.
    #[error("setting `{name}`: {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The ring cannot be created.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A worker failed.
    #[error(transparent)]
    WorkerPool(#[from] WorkerError),
    /// A venue continues while the host is away, so a run on it cannot be resumed by replaying it.
    #[error(
        "venue `{venue}` lives on while the host is away, and reconciling orders and positions with it is not supported \
         yet, so a run on it cannot be resumed; start a fresh run"
    )]
    LivesOn {
        /// The venue.
        venue: String,
    },
    /// A recorded run cannot be replayed.
    #[error("{0}")]
    Tape(String),
    /// A recorded run cannot be resumed: its replay diverged.
    #[error("the recorded run cannot be resumed: its replay diverges at event {}: recorded {:?}, now {:?}", .0.position, .0.recorded, .0.found)]
    Diverged(Box<Divergence>),
    /// The run cannot be recorded, and the recorder's buffer is full.
    #[error("{problem}")]
    NotKept {
        /// What is wrong.
        problem: String,
    },
    /// Two replicas of the store diverged: a bug in Tickdeck.
    #[error(
        "the store's replicas differ: worker {worker} and the router disagree on strategy `{strategy}`"
    )]
    Replicas {
        /// The worker.
        worker: usize,
        /// The strategy whose book differs.
        strategy: String,
    },
}

impl From<TapeError> for EngineError {
    fn from(error: TapeError) -> Self {
        Self::Tape(error.0)
    }
}
