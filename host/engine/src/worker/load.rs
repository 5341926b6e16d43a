//! The load of a deck, shared between its workers and the kernel: which strategies run, how far each worker is behind, and
//! how late the kernel is.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The load of a deck, shared by its threads.
#[derive(Debug, Default)]
pub(crate) struct DeckLoad {
    /// Strategies that get events.
    running: AtomicUsize,
    /// How late the current window began; 0 if the kernel runs freely.
    late_ns: AtomicU64,
    workers: Vec<CachePadded<WorkerLoad>>,
}

#[derive(Debug, Default)]
struct WorkerLoad {
    /// The number of events that it has consumed from the ring.
    handled: AtomicU64,
    /// The event time between the first and the last event that waited for it.
    lag_ns: AtomicU64,
}

/// How far a strategy is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Events that wait for its worker.
    pub(crate) events: u64,
    /// How old the first of them was when the worker got to it, or how late the kernel is.
    pub(crate) ns: u64,
}

impl DeckLoad {
    pub(crate) fn of(workers: usize) -> Self {
        let workers = (0..workers).map(|_| CachePadded::default()).collect();
        Self {
            workers,
            ..Self::default()
        }
    }

    /// Strategies of the whole deck that get events.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Notes that a worker now has `now` strategies that get events, instead of `before`.
    pub(crate) fn count_running(&self, before: usize, now: usize) {
        self.running
            .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// How late the current window began.
    pub(crate) fn late_ns(&self) -> u64 {
        self.late_ns.load(Ordering::Relaxed)
    }

    /// Notes that a window begins this late.
    pub(crate) fn begin_window(&self, late_ns: u64) {
        self.late_ns.store(late_ns, Ordering::Relaxed);
    }

    /// Notes that a worker begins with the events that wait for it, which span this much event time.
    pub(crate) fn begin(&self, worker: usize, lag_ns: u64) {
        self.workers[worker].lag_ns.store(lag_ns, Ordering::Relaxed);
    }

    /// Notes that a worker has handled this many events.
    pub(crate) fn end(&self, worker: usize, handled: u64) {
        self.workers[worker]
            .handled
            .store(handled, Ordering::Relaxed);
    }

    /// How far the strategies of a worker are behind, given the number of published events.
    pub(crate) fn lag(&self, worker: usize, published: u64) -> Lag {
        let load = &self.workers[worker];
        let events = published.saturating_sub(load.handled.load(Ordering::Relaxed));
        let of_worker = match events {
            0 => 0,
            _ => load.lag_ns.load(Ordering::Relaxed),
        };
        Lag {
            events,
            ns: of_worker.max(self.late_ns()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_has_handled_everything_is_not_behind() {
        let load = DeckLoad::of(2);
        load.begin(1, 5_000);
        load.end(1, 10);
        let lag = load.lag(1, 12);
        assert_eq!((lag.events, lag.ns), (2, 5_000));
        assert_eq!(load.lag(1, 10), Lag::default());
        assert_eq!(load.lag(0, 0), Lag::default());
    }

    #[test]
    fn a_late_kernel_is_the_lag_of_every_strategy() {
        let load = DeckLoad::of(1);
        load.begin_window(7);
        assert_eq!(load.lag(0, 0), Lag { events: 0, ns: 7 });
    }

    #[test]
    fn strategies_are_counted_over_all_workers() {
        let load = DeckLoad::of(2);
        load.count_running(0, 3);
        load.count_running(0, 2);
        load.count_running(3, 1);
        assert_eq!(load.running(), 3);
    }
}
