//! The two links between us and the venue: commands on their way there, answers on their way back.

use super::Broker;
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{Body, Event, Timestamp};

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
