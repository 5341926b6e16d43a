//! How long an instance may take to handle events once more: each call has a limit of its own, but there may be thousands.

use crate::port::Fault;
use std::cell::OnceCell;
use std::sync::Arc;

/// Time for a recovery in all. Where nobody else waits it may be taken at once.
pub(crate) const RECOVERY_NS: u64 = 250_000_000;

/// Time for a dry run, for which only other swaps wait.
const DRY_RUN_NS: u64 = 5_000_000_000;

/// Events of the first call: how long each takes is not known yet.
const FIRST_CALL: usize = 16;

/// A call that takes longer than this is made shorter, so that the time is not overrun by much, and no call of an honest
/// strategy comes near the limit of a call because it is offered many events at once.
const LONG_CALL_NS: u64 = 1_000_000;

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

/// How many events an instance is offered in its next call, by how long the last one took.
#[derive(Debug)]
pub(crate) struct CallLength {
    events: usize,
    /// What had been taken of the time when the last call began.
    began_ns: Option<u64>,
}

impl Default for CallLength {
    fn default() -> Self {
        Self {
            events: FIRST_CALL,
            began_ns: None,
        }
    }
}

impl CallLength {
    /// The events of the next call, at most `most`; none: the time is over.
    pub(crate) fn next(&mut self, budget: &RecoveryBudget, most: usize) -> Option<usize> {
        let now_ns = budget.taken_ns();
        if let Some(began_ns) = self.began_ns.take() {
            match now_ns.saturating_sub(began_ns) {
                took_ns if took_ns > LONG_CALL_NS => self.events = (self.events / 2).max(1),
                took_ns if took_ns < LONG_CALL_NS / 4 => self.events = (2 * self.events).min(most),
                _ => {}
            }
        }
        if now_ns > budget.limit_ns {
            return None;
        }
        self.began_ns = Some(now_ns);
        Some(self.events.clamp(1, most.max(1)))
    }
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

    #[test]
    fn calls_follow_what_the_events_take() {
        let (now, budget) = watched(1_000 * MS);
        let mut calls = CallLength::default();
        // Each event takes 50 us: a call settles at a millisecond.
        for _ in 0..20 {
            let events = calls.next(&budget, 1_024).unwrap();
            now.fetch_add(50_000 * events as u64, Ordering::Relaxed);
        }
        assert_eq!(calls.next(&budget, 1_024), Some(16));
        // And quick ones come in calls as long as may be.
        let lengths = (0..10).map(|_| calls.next(&budget, 1_024));
        assert_eq!(lengths.last(), Some(Some(1_024)));
    }

    #[test]
    fn no_call_comes_once_the_time_is_over() {
        let (now, budget) = watched(5 * MS);
        let mut calls = CallLength::default();
        assert!(calls.next(&budget, 64).is_some());
        now.fetch_add(15 * MS, Ordering::Relaxed);
        assert_eq!(calls.next(&budget, 64), None);
    }
}
