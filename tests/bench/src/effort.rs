//! The effort that goes into a measurement.

use std::path::PathBuf;

/// The number of rounds and the inputs of a measurement.
#[derive(Debug, Clone)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// Events per measurement.
    pub(crate) events: usize,
    /// Swaps per strategy.
    pub(crate) swaps: usize,
    /// Whether to run measurements that take minutes.
    pub(crate) full: bool,
    /// The captures that engines play.
    pub(crate) captures: Vec<PathBuf>,
}

impl Effort {
    /// Returns the effort for figures that count.
    pub(crate) fn full(rounds: usize, captures: Vec<PathBuf>) -> Self {
        Self {
            rounds: rounds.max(1),
            events: 1 << 18,
            swaps: 1_000,
            full: true,
            captures,
        }
    }

    /// Returns the effort for a check that the benchmarks work.
    pub(crate) fn short(captures: Vec<PathBuf>) -> Self {
        Self {
            rounds: 3,
            events: 1 << 14,
            swaps: 100,
            full: false,
            captures,
        }
    }
}
