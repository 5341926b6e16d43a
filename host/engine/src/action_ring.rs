//! What flows through the second ring, from the workers to the router.

use tickdeck_model::{Action, StrategyId, Timestamp};

/// What a strategy decided, and because of what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Intent {
    /// Sequence of the event that caused it.
    pub(crate) cause: u64,
    /// Host time of that event.
    pub(crate) at: Timestamp,
    /// Who decided.
    pub(crate) strategy: StrategyId,
    /// Its place among everything the strategy decided because of that sequence, from 0.
    pub(crate) ordinal: u32,
    /// What it decided.
    pub(crate) decision: Decision,
}

/// What a strategy decided, or that it can't any more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decision {
    /// An action of the contract.
    Act(Action),
    /// The instance ended on a fault; the worker keeps the text.
    Ended,
}

impl Intent {
    /// The one order in which intents are carried out, whatever the number of workers: by cause, then strategy,
    /// then the strategy's own order.
    pub(crate) fn key(&self) -> (u64, StrategyId, u32) {
        (self.cause, self.strategy, self.ordinal)
    }
}
