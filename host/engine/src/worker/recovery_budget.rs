//! How long an instance may take to handle events once more: each call has a limit of its own, but there may be thousands.
//!
//! Each event comes in a call of its own. How many fit into a longer one would depend on time, and an instance that counts its
//! calls would then decide differently in a replay.

use crate::port::Fault;
use std::cell::OnceCell;
use std::sync::Arc;

/// Time for a recovery in all. Where nobody else waits it may be taken at once.
pub(crate) const RECOVERY_NS: u64 = 250_000_000;

/// Time for a dry run, for which only other swaps wait.
const DRY_RUN_NS: u64 = 5_000_000_000;

/// How long an instance may take in all to handle events once more.
pub(crate) struct RecoveryBudget {
    now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    limit_ns: u64,
    started: OnceCell<u64>,
}

impl RecoveryBudget {
    pub(crate) fn new(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>, limit_ns: u64) -> Self {
        let (now_ns, started) = (Arc::clone(now_ns), OnceCell::new());
        Self {
            now_ns,
            limit_ns,
            started,
        }
    }

    pub(crate) fn of_dry_run(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self::new(now_ns, DRY_RUN_NS)
    }

    /// For a replay: the recovery was in time when it was recorded.
    pub(crate) fn endless(now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self::new(now_ns, u64::MAX)
    }

    /// What was taken of it. Time runs from the first look.
    pub(crate) fn taken_ns(&self) -> u64 {
        let now = (self.now_ns)();
        now.saturating_sub(*self.started.get_or_init(|| now))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.taken_ns() > self.limit_ns
    }

    /// The fault of an instance that took longer.
    pub(crate) fn exceeded(&self) -> Fault {
        too_slow(self.limit_ns)
    }
}

/// The fault of an instance that took longer than this.
pub(crate) fn too_slow(limit_ns: u64) -> Fault {
    let limit = limit_ns / 1_000_000;
    Fault(format!(
        "took more than {limit} ms to handle the last events again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const MS: u64 = 1_000_000;

    fn watched(limit_ns: u64) -> (Arc<AtomicU64>, RecoveryBudget) {
        let now = Arc::new(AtomicU64::new(7 * MS));
        let read = Arc::clone(&now);
        let now_ns: Arc<dyn Fn() -> u64 + Send + Sync> =
            Arc::new(move || read.load(Ordering::Relaxed));
        (now, RecoveryBudget::new(&now_ns, limit_ns))
    }

    #[test]
    fn time_runs_from_the_first_look() {
        let (now, budget) = watched(5 * MS);
        assert!(!budget.is_over());
        now.fetch_add(5 * MS, Ordering::Relaxed);
        assert!(!budget.is_over());
        now.fetch_add(1, Ordering::Relaxed);
        assert!(budget.is_over());
    }
}
