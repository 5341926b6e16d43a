//! Delivery of events: which strategies have events waiting, and which books wait for their snapshot.

use crate::worker::dispatch::SlotIndex;
use tickdeck_model::{Body, BookChange, Event, InstrumentId};

/// The state of delivery between two calls of strategies.
#[derive(Default)]
pub(super) struct Delivery {
    /// Places where something waits, so that the others cost nothing; a place may be listed twice.
    touched: Vec<SlotIndex>,
    /// Books that wait for the snapshot of a subscription made at run time.
    awaiting: Vec<(SlotIndex, InstrumentId)>,
}

impl Delivery {
    /// Marks a place where something waits, or where another instance has to be looked at.
    #[inline]
    pub(super) fn touch(&mut self, place: SlotIndex) {
        self.touched.push(place);
    }

    /// Takes the touched places, in the order in which they were touched; [`Delivery::return_memory`] returns the allocation.
    pub(super) fn take_touched(&mut self) -> Vec<SlotIndex> {
        std::mem::take(&mut self.touched)
    }

    /// Returns the emptied list. Nothing was touched since it was taken.
    pub(super) fn return_memory(&mut self, emptied: Vec<SlotIndex>) {
        self.touched = emptied;
    }

    /// Withholds updates of a book from a strategy until its snapshot.
    pub(super) fn await_snapshot(&mut self, place: SlotIndex, instrument: u32) {
        self.awaiting.push((place, InstrumentId(instrument)));
    }

    /// Forgets the snapshots that a strategy waits for.
    pub(super) fn forget_snapshots(&mut self, place: SlotIndex) {
        self.awaiting.retain(|(other, _)| *other != place);
    }

    /// Whether an update of a book comes before the snapshot that its new subscriber waits for.
    #[inline]
    pub(super) fn is_too_early(&mut self, place: SlotIndex, event: &Event) -> bool {
        !self.awaiting.is_empty() && self.precedes_snapshot(place, event)
    }

    fn precedes_snapshot(&mut self, place: SlotIndex, event: &Event) -> bool {
        let Body::Book(update) = event.body() else {
            return false;
        };
        let waits = (place, update.instrument);
        if update.change == BookChange::Clear {
            self.awaiting.retain(|other| *other != waits);
        }
        self.awaiting.contains(&waits)
    }
}
