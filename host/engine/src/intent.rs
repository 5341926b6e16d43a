//! Decisions, as they flow through the second ring from the workers to the router.

use crate::batches::{BatchPlace, OfferedBatches};
use tickdeck_model::{Action, StrategyId, Timestamp};
use tickdeck_ring::Producer;
use xxhash_rust::xxh3::Xxh3;

/// The cause of decisions that take effect at the end of a window, or of a step of the free-running kernel.
pub(crate) const AT_END: u64 = u64::MAX;

/// A decision with its cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Intent {
    /// Sequence of the event that caused it.
    pub(crate) cause: u64,
    /// Host time of that event.
    pub(crate) at: Timestamp,
    /// The strategy that decided.
    pub(crate) strategy: StrategyId,
    /// Its index among the strategy's decisions caused by that sequence, from 0.
    pub(crate) ordinal: u32,
    /// The decision.
    pub(crate) decision: Decision,
}

/// What a strategy decided, or the outcome of its instance. All but the first take effect at the end of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decision {
    /// An action of the contract.
    Act(Action),
    /// An action decided too late, on events that another version has already handled.
    Late(Action),
    /// An instance faulted and is no longer called; the worker keeps the text.
    Faulted {
        /// The place of the batch at which it faulted; none: while saving.
        offered: Option<BatchPlace>,
    },
    /// The strategy ended after faults; the worker keeps the text of the last.
    Ended,
    /// It was offered these batches.
    Offered(OfferedBatches),
    /// An instance faulted and another took its place.
    Recovered {
        /// Number of events that were offered to the new instance again.
        events: u32,
        /// Time from the fault until the new instance had caught up with the first.
        took_ns: u64,
    },
    /// An instance faulted and the strategy waits: for the previous version, because it was on probation, or for an instance.
    Suspended,
    /// The shadow version faulted.
    ShadowFailed,
    /// A new version was offered its first event.
    Live {
        /// Time since the old version handled its last event.
        pause_ns: u64,
    },
}

impl Intent {
    /// The order in which intents are carried out, whatever the number of workers: by cause, then strategy, then the
    /// strategy's own order.
    pub(crate) fn key(&self) -> (u64, StrategyId, u32) {
        (self.cause, self.strategy, self.ordinal)
    }
}

/// Where a worker's decisions go.
pub(crate) enum Outlet {
    /// Onto the action ring, which the kernel's thread empties.
    Ring(Producer<Intent>),
    /// Kept for the kernel, which shares the worker's thread and so could not empty a full ring.
    Local(Vec<Intent>),
}

impl Outlet {
    pub(crate) fn publish(&mut self, batch: &[Intent]) {
        match self {
            Self::Local(intents) => intents.extend_from_slice(batch),
            Self::Ring(producer) => {
                for chunk in batch.chunks(producer.max_batch().max(1)) {
                    // Closed means that the engine is shutting down and no longer reads intents.
                    let _ = producer.publish(chunk);
                }
            }
        }
    }
}

/// Adds a decision to the hash of all decisions.
pub(crate) fn hash_intent(hash: &mut Xxh3, intent: &Intent) {
    if let Decision::Act(action) | Decision::Late(action) = intent.decision {
        hash.update(&intent.cause.to_le_bytes());
        hash.update(&intent.strategy.0.to_le_bytes());
        hash.update(&intent.ordinal.to_le_bytes());
        hash.update(&action.to_bytes());
    }
}
