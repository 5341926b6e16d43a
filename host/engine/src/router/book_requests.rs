//! Requests for whole books.

use std::collections::{BTreeMap, BTreeSet};
use tickdeck_model::{InstrumentId, Timestamp};

/// Time between two requests for the book of an instrument.
const APART_NS: i64 = 1_000_000_000;

/// Spaces the requests for each instrument's book. A snapshot is thousands of events, which everybody waits for and the reel keeps,
/// and one action of a strategy requests it: so requests that come soon after another are joined, and wait.
#[derive(Debug, Default)]
pub(super) struct BookRequests {
    last: BTreeMap<InstrumentId, Timestamp>,
    waiting: BTreeSet<(Timestamp, InstrumentId)>,
}

impl BookRequests {
    /// Whether a book that is wanted at `at` is to be requested now; if not, it is requested later, or has just been.
    pub(super) fn ask(&mut self, instrument: InstrumentId, at: Timestamp) -> bool {
        match self.last.get(&instrument).copied() {
            Some(last) if last == at => false,
            Some(last) if at < last.saturating_add(APART_NS) => {
                self.waiting
                    .insert((last.saturating_add(APART_NS), instrument));
                false
            }
            _ => {
                self.last.insert(instrument, at);
                true
            }
        }
    }

    /// Takes a request whose time has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<InstrumentId> {
        let due = self.waiting.first().filter(|(due, _)| *due <= now)?;
        let (due, instrument) = *due;
        self.waiting.remove(&(due, instrument));
        self.last.insert(instrument, now);
        Some(instrument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_requested_once_a_second_however_often_it_is_wanted() {
        let mut requests = BookRequests::default();
        let (one, other) = (InstrumentId(1), InstrumentId(2));
        assert!(requests.ask(one, 0));
        assert!(!requests.ask(one, 0), "for everybody who wants it then");
        assert_eq!(requests.take_due(5 * APART_NS), None);
        assert!(requests.ask(other, 1));
        for at in 1..1_000 {
            assert!(!requests.ask(one, at));
        }
        assert_eq!(requests.take_due(APART_NS - 1), None);
        assert_eq!(requests.take_due(APART_NS + 7), Some(one));
        assert_eq!(requests.take_due(APART_NS + 7), None);
        assert!(!requests.ask(one, APART_NS + 8));
        assert_eq!(requests.take_due(2 * APART_NS + 7), Some(one));
        assert!(requests.ask(one, 9 * APART_NS));
    }
}
