//! The router's own answers to decisions (submitted, denied, pending), on their way to the tape.

use std::collections::VecDeque;
use tickdeck_model::{Body, Event, Timestamp};

/// Answers that are due one lookahead after their cause, like a venue's; their times never decrease.
#[derive(Debug)]
pub(super) struct Answers {
    queue: VecDeque<Event>,
    lookahead_ns: i64,
}

impl Answers {
    pub(super) const fn new(lookahead_ns: i64) -> Self {
        Self {
            queue: VecDeque::new(),
            lookahead_ns,
        }
    }

    /// Answers a decision whose cause arrived at `at`.
    pub(super) fn push(&mut self, at: Timestamp, body: impl Into<Body>) {
        // Causes may arrive out of order if the kernel runs freely.
        let last = self.queue.back();
        let last = last.map_or(Timestamp::MIN, |last| last.ts_host);
        let due = self.earliest_after(at).max(last);
        self.queue.push_back(Event::new(due, due, body));
    }

    /// The earliest time at which a decision made at `at` may become visible.
    pub(super) fn earliest_after(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.lookahead_ns)
    }

    /// When the next answer is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.front().map(|event| event.ts_host)
    }

    /// Appends every answer before `until`.
    pub(super) fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        let is_due = |answer: &mut Event| answer.ts_host < until;
        while let Some(answer) = self.queue.pop_front_if(is_due) {
            out.push(answer);
        }
    }
}
