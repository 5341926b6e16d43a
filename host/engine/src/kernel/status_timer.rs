//! When the next status is due.

use crate::report::STATUS_INTERVAL_NS;

/// Spaces statuses by [`STATUS_INTERVAL_NS`] of the clock.
#[derive(Default)]
pub(crate) struct StatusTimer {
    next_ns: u64,
}

impl StatusTimer {
    /// The first status is due from `now_ns` on.
    pub(super) fn start(&mut self, now_ns: u64) {
        self.next_ns = now_ns;
    }

    /// Whether a status is due.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.next_ns
    }

    /// Whether a status is due; if so, the next one is due an interval later.
    pub(super) fn take_due(&mut self, now_ns: u64) -> bool {
        let is_due = self.is_due(now_ns);
        if is_due {
            self.next_ns = now_ns + STATUS_INTERVAL_NS;
        }
        is_due
    }
}
