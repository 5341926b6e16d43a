//! Event time: its clock, and the windows into which it is divided.

use crate::config::Stepping;
use crate::port::Clock;
use tickdeck_model::Timestamp;

/// How event time advances.
pub(crate) struct EventTime {
    clock: Box<dyn Clock>,
    stepping: Stepping,
    lookahead_ns: i64,
}

impl EventTime {
    pub(super) fn new(clock: Box<dyn Clock>, stepping: Stepping, lookahead_ns: i64) -> Self {
        Self {
            clock,
            stepping,
            lookahead_ns,
        }
    }

    /// Whether the kernel works window by window.
    pub(crate) fn is_lockstep(&self) -> bool {
        self.stepping == Stepping::Lockstep
    }

    /// The least time between a command and the first event it can cause.
    pub(crate) const fn lookahead_ns(&self) -> i64 {
        self.lookahead_ns
    }

    /// The length of a window; none where the kernel runs freely.
    pub(crate) fn window_length(&self) -> Option<Timestamp> {
        self.is_lockstep().then_some(self.lookahead_ns)
    }

    /// The end of the window that begins at `start`. Windows lie on a grid of lookaheads, so that their ends do not depend
    /// on where a run was interrupted and resumed.
    pub(crate) const fn window_end(&self, start: Timestamp) -> Timestamp {
        let into = start.rem_euclid(self.lookahead_ns);
        start.saturating_add(self.lookahead_ns - into)
    }

    /// The time up to which the sources had been polled when an event at this time was processed: the end of its window,
    /// before any decision in it. A free-running kernel polls nothing ahead of time.
    pub(crate) fn gathered_until(&self, at: Timestamp) -> Timestamp {
        match self.stepping {
            Stepping::Lockstep => self.window_end(at),
            Stepping::Free => at.saturating_add(1),
        }
    }

    /// Waits until event time `due` may be played.
    pub(crate) fn wait_until(&mut self, due: Timestamp) {
        self.clock.wait_until(due);
    }

    /// Waits briefly for event time `due`; returns whether it may be played.
    pub(super) fn wait_a_while(&mut self, due: Timestamp) -> bool {
        self.clock.wait_a_while(due)
    }

    /// Whether [`EventTime::wait_until`] ever waits.
    pub(crate) fn paces(&self) -> bool {
        self.clock.paces()
    }

    /// How far event time has advanced by the clock.
    pub(crate) fn reached(&self) -> Timestamp {
        self.clock.reached()
    }

    /// Nanoseconds of a monotonic clock.
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}
