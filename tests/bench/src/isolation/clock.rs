//! Wall time as event time, waited for asleep as a deck does: threads of others get the core meanwhile.

use crate::latency::setup::since;
use std::time::{Duration, Instant};
use tickdeck_engine::port::Clock;
use tickdeck_model::Timestamp;

/// The longest sleep, as of a deck's own clock.
const STEP: Duration = Duration::from_millis(2);

pub(super) struct SleepingClock {
    pub(super) epoch: Instant,
}

impl Clock for SleepingClock {
    fn wait_until(&mut self, due: Timestamp) {
        while !self.wait_a_while(due) {}
    }

    fn wait_a_while(&mut self, due: Timestamp) -> bool {
        let left = due - self.reached();
        if left > 0 {
            std::thread::sleep(Duration::from_nanos(left.unsigned_abs()).min(STEP));
        }
        self.reached() >= due
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        since(self.epoch)
    }

    fn now_ns(&self) -> u64 {
        since(self.epoch).unsigned_abs()
    }
}
