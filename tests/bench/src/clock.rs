//! A clock that never waits.

use std::time::Instant;
use tickdeck_engine::port::Clock;
use tickdeck_model::Timestamp;

pub(crate) fn ns_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) struct FlatOut(pub(crate) Instant);

impl Clock for FlatOut {
    fn wait_until(&mut self, _: Timestamp) {}
    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }
    fn now_ns(&self) -> u64 {
        ns_since(self.0)
    }
}
