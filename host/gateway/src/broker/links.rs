//! The two links between us and the venue: commands on their way there, answers on their way back.

use super::Broker;
use tickdeck_engine::port::{Command, Due};
use tickdeck_model::{Body, Event, Timestamp};

/// The two links.
impl Broker {
    /// Sends a command at `at`. It arrives after the order latency, never before one sent earlier.
    pub fn send(&mut self, at: Timestamp, command: Command) {
        self.send_after(at, self.rules.latency.order_ns, command);
    }

    /// Like [`Broker::send`], with a latency chosen by the venue, at least the rules' `order_ns`.
    pub fn send_after(&mut self, at: Timestamp, latency_ns: u64, command: Command) {
        let latency_ns = latency_ns.max(self.rules.latency.order_ns);
        self.arrivals
            .push(at.saturating_add_unsigned(latency_ns), command);
    }

    /// Returns the arrival time of the next command.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.arrivals.next_due()
    }

    /// Takes the next command that arrives before `until`, with its arrival time.
    pub fn take_arrival(&mut self, until: Timestamp) -> Option<(Timestamp, Command)> {
        self.arrivals.take(until)
    }

    /// Sends an answer about our orders at venue time `at`; it reaches us after the answer latency.
    pub fn answer(&mut self, at: Timestamp, body: impl Into<Body>) {
        let due = self
            .answers
            .not_before(at.saturating_add_unsigned(self.rules.latency.answer_ns));
        self.answers.push(due, Event::new(at, due, body));
    }

    /// Returns the time at which the next answer reaches us.
    pub fn next_answer(&self) -> Option<Timestamp> {
        self.answers.next_due()
    }

    /// Takes the next answer that reaches us before `until`.
    pub fn take_answer(&mut self, until: Timestamp) -> Option<Event> {
        self.answers.take(until).map(|(_, event)| event)
    }

    /// Returns the earliest time at which an answer can reach us, given the answers and commands in transit.
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
