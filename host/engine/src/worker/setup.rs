//! How a worker is set up.

use crate::config::{BudgetConfig, MiddlewareConfig, Stepping};
use crate::port::StrategyStart;
use crate::worker::budget::BudgetRule;
use crate::worker::load::DeckLoad;
use crate::worker::meter::Meter;
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
    /// A change of feeds takes effect this long after its cause, so that batching does not matter.
    pub(crate) lookahead_ns: i64,
    /// Set if the run is being recorded, and with it the batches that strategies are offered.
    pub(crate) notes_batches: Arc<AtomicBool>,
    /// Whether there are other workers.
    pub(crate) is_one_of_many: bool,
    /// By instrument id.
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// How long a strategy may keep the others waiting; `None` if nothing depends on time.
    pub(crate) budget: Option<BudgetConfig>,
    pub(crate) stepping: Stepping,
    pub(crate) load: Arc<DeckLoad>,
    /// The worker's number.
    pub(crate) worker: usize,
}

impl WorkerSetup {
    pub(super) fn meter(&self) -> Meter {
        let rule = self.budget.map(|config| BudgetRule {
            config,
            is_lockstep: self.stepping == Stepping::Lockstep,
            window_ns: self.lookahead_ns.unsigned_abs(),
        });
        Meter::new(rule, Arc::clone(&self.load), self.worker)
    }
}

/// A strategy with the counters that its worker keeps.
pub(crate) type CountedStart = (StrategyStart, Arc<CachePadded<Counters>>);
