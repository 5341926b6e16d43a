//! A line of communication with latency: first in, first out.

use std::collections::VecDeque;
use tickdeck_model::Timestamp;

/// Items in transit, each with its arrival time; none overtakes another.
#[derive(Debug)]
pub(super) struct DelayQueue<T> {
    queue: VecDeque<(Timestamp, T)>,
    last_due: Timestamp,
}

impl<T> Default for DelayQueue<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            last_due: Timestamp::MIN,
        }
    }
}

impl<T> DelayQueue<T> {
    /// Returns `due`, or later if an item sent before arrives only then.
    pub(super) fn not_before(&self, due: Timestamp) -> Timestamp {
        due.max(self.last_due)
    }

    pub(super) fn push(&mut self, due: Timestamp, item: T) {
        self.last_due = self.not_before(due);
        self.queue.push_back((self.last_due, item));
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.front().map(|(due, _)| *due)
    }

    pub(super) fn take(&mut self, until: Timestamp) -> Option<(Timestamp, T)> {
        if self.next_due()? < until {
            self.queue.pop_front()
        } else {
            None
        }
    }
}
