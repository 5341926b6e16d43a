//! How far a suspended strategy has come that catches up, which may take more than one slice of time.

use crate::port::Strategy;
use crate::worker::late_events::LateEvents;
use crate::worker::refeed::Refeed;

/// An instance that was started again.
pub(crate) struct Restarted {
    pub(crate) strategy: Box<dyn Strategy>,
    /// The events that it has to handle once more to be where the last one was, if it started from a snapshot.
    pub(crate) again: Option<Refeed>,
}

/// How far a suspended strategy has come.
pub(crate) struct CatchingUp {
    /// None in a replay, where only the beginning is on the tape so far.
    pub(crate) instance: Option<Restarted>,
    /// The events that waited, and those that another version has handled.
    pub(crate) late: LateEvents,
    /// What it took so far, without the pauses.
    pub(crate) taken_ns: u64,
    /// When it began, by the clock.
    pub(crate) began_ns: u64,
}

/// An instance that has caught up and may take over.
pub(crate) struct CaughtUp {
    pub(crate) strategy: Box<dyn Strategy>,
    pub(crate) late: LateEvents,
    /// Events that it was offered once more, or late.
    pub(crate) events: usize,
    /// What it took, without the pauses.
    pub(crate) taken_ns: u64,
    /// When it began, by the clock.
    pub(crate) began_ns: u64,
}

impl CatchingUp {
    /// Begins with these late events.
    pub(crate) const fn new(late: LateEvents, began_ns: u64) -> Self {
        Self {
            instance: None,
            late,
            taken_ns: 0,
            began_ns,
        }
    }

    /// The instance of a strategy that has caught up.
    pub(crate) fn complete(self, instance: Restarted) -> CaughtUp {
        let again = instance.again.map_or(0, |again| again.handled());
        CaughtUp {
            strategy: instance.strategy,
            events: again + self.late.handled(),
            late: self.late,
            taken_ns: self.taken_ns,
            began_ns: self.began_ns,
        }
    }
}
