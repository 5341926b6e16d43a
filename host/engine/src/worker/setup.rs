//! How a worker is set up.

use crate::config::MiddlewareConfig;
use crate::port::StrategyStart;
use crate::worker::slot::Counters;
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tickdeck_model::Instrument;

/// How a worker is set up.
pub(crate) struct WorkerSetup {
    pub(crate) middleware: MiddlewareConfig,
    pub(crate) max_batch: usize,
    pub(crate) split_seed: Option<u64>,
    pub(crate) max_actions_per_s: u32,
    /// A change of feeds takes effect this long after its cause, so that it does not matter how events are batched.
    pub(crate) lookahead_ns: i64,
    /// The run is being recorded, and with it the batches that strategies are offered.
    pub(crate) notes_batches: Arc<AtomicBool>,
    /// There are other workers.
    pub(crate) is_one_of_many: bool,
    /// By instrument id.
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// A strategy with the counters that its worker keeps.
pub(crate) type CountedStart = (StrategyStart, Arc<CachePadded<Counters>>);
