//! A middleware between the ring and the strategies: a pure fold over events.

use tickdeck_model::Event;

/// A pure fold between the ring and the strategies.
pub trait Middleware: Send {
    /// Handles an event, adds derived events to `derived`, and returns whether the event passes.
    fn on_event(&mut self, event: &Event, derived: &mut Derived) -> Verdict;
}

/// Whether an event passes on to the strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It is dropped; later middleware does not see it.
    Drop,
}

/// The events derived from one event.
#[derive(Debug, Default)]
pub struct Derived {
    pub(super) before: Vec<Event>,
    pub(super) after: Vec<Event>,
}

impl Derived {
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Adds an event that strategies see before its cause.
    pub fn before(&mut self, cause: &Event, event: Event) {
        self.before.push(caused_by(cause, event));
    }

    /// Adds an event that strategies see after its cause.
    pub fn after(&mut self, cause: &Event, event: Event) {
        self.after.push(caused_by(cause, event));
    }
}

fn caused_by(cause: &Event, mut event: Event) -> Event {
    event.sequence = cause.sequence;
    event.ts_host = cause.ts_host;
    event
}
