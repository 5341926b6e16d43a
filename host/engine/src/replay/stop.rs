//! Why a replay stops before the end of its tape.

use super::tape::{Divergence, Finding};
use crate::error::EngineError;
use tickdeck_model::StrategyId;

/// Why a replay stops: a difference, or an error.
pub(super) enum ReplayStop {
    Differs(Box<Divergence>),
    Fails(EngineError),
}

impl<T: Into<EngineError>> From<T> for ReplayStop {
    fn from(error: T) -> Self {
        Self::Fails(error.into())
    }
}

/// Returns a difference as a reason to stop.
pub(super) fn differs(
    position: u64,
    strategy: Option<StrategyId>,
    recorded: Finding,
    found: Finding,
) -> ReplayStop {
    ReplayStop::Differs(Box::new(Divergence {
        position,
        strategy,
        recorded,
        found,
    }))
}
