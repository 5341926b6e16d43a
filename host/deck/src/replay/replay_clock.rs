//! The clock of a replayed run.

use tickdeck_engine::port::Clock;
use tickdeck_model::Timestamp;

/// A clock that never waits, although it claims to pace if the run was free-running.
pub(super) struct ReplayClock {
    pub(super) clock: Box<dyn Clock>,
    pub(super) free: bool,
}

impl Clock for ReplayClock {
    fn wait_until(&mut self, _: Timestamp) {}

    fn paces(&self) -> bool {
        self.free
    }

    fn reached(&self) -> Timestamp {
        self.clock.reached()
    }

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}
