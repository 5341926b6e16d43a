//! The desk's two links to us: lines of communication with latency, first in, first out.

use super::Broker;
use std::collections::VecDeque;
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{Body, Event, Timestamp};

/// Things under way, each with the time it arrives; nothing overtakes.
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
    /// `due`, or later if something sent before arrives only then.
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

/// The two links.
impl Broker {
    /// A command leaves us at `at` and arrives after the order latency, never before one sent earlier.
    pub fn send(&mut self, at: Timestamp, command: Command) {
        self.send_after(at, self.rules.latency.order_ns, command);
    }

    /// As [`Broker::send`] with a latency of the venue's own drawing, at least `order_ns` of the rules.
    pub fn send_after(&mut self, at: Timestamp, latency_ns: u64, command: Command) {
        let latency_ns = latency_ns.max(self.rules.latency.order_ns);
        self.arrivals
            .push(at.saturating_add_unsigned(latency_ns), command);
    }

    /// When the next command arrives.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.arrivals.next_due()
    }

    /// Takes the next command that arrives before `until`, with the time of its arrival.
    pub fn take_arrival(&mut self, until: Timestamp) -> Option<(Timestamp, Command)> {
        self.arrivals.take(until)
    }

    /// Sends something about our orders at venue time `at`; it reaches us after the answer latency.
    pub fn answer(&mut self, at: Timestamp, body: impl Into<Body>) {
        let due = self
            .answers
            .not_before(at.saturating_add_unsigned(self.rules.latency.answer_ns));
        self.answers.push(due, Event::new(at, due, body));
    }

    /// When the next answer reaches us.
    pub fn next_answer(&self) -> Option<Timestamp> {
        self.answers.next_due()
    }

    /// Takes the next answer that reaches us before `until`.
    pub fn take_answer(&mut self, until: Timestamp) -> Option<Event> {
        self.answers.take(until).map(|(_, event)| event)
    }

    /// The earliest an answer can reach us by what is under way now: an answer, or an arrival's.
    pub fn next_due(&self) -> Due {
        let arrival = self
            .next_arrival()
            .map(|at| at.saturating_add_unsigned(self.rules.latency.answer_ns));
        match [self.next_answer(), arrival].into_iter().flatten().min() {
            Some(due) => Due::At(due),
            None => Due::Idle,
        }
    }
}
