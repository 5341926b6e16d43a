//! The batches that strategies are offered, where they matter: noted while a run is recorded, offered again in its replay.

use crate::batches::{BatchPlace, OfferedBatches};
use crate::earlier::earlier;
use crate::intent::{Decision, Intent};
use crate::worker::dispatch::SlotIndex;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::Slot;

impl StrategyRunner {
    /// Offers a strategy what is waiting for it, except the beginning of a batch that is not complete yet.
    pub(super) fn flush_whole(&mut self, place: SlotIndex) {
        if self.slots[place].batches.is_none() {
            return self.flush(place);
        }
        while self.offers_next(place) {
            let slot = &mut self.slots[place];
            let waits = slot.backlog.count_waiting();
            if slot.next_size().is_some_and(|size| size > waits) {
                self.deferred.push(place);
                break;
            }
            self.offer_next(place);
        }
        self.slots[place].backlog.tidy();
    }

    /// Offers the beginnings of batches that wait for their rest: nothing more will come.
    pub(super) fn flush_deferred(&mut self) {
        for place in 0..self.slots.len() {
            if self.slots[place].batches.is_some() {
                self.flush(place);
            }
        }
    }

    /// Hands over the batches that are not recorded yet.
    pub(super) fn hand_over_notes(&mut self) {
        for place in self.noted.drain(..) {
            let slot = &mut self.slots[place];
            if let Some(batches) = slot.batch_notes.take() {
                self.output.publish(&[slot.offered(batches)]);
            }
        }
    }

    /// Marks deferred strategies to be looked at again with the next events.
    pub(super) fn keep_deferred(&mut self) {
        self.waits_since = None;
        for place in self.deferred.drain(..) {
            self.delivery.touch(place);
            let first = self.slots[place].backlog.waiting(1).first();
            self.waits_since = earlier(self.waits_since, first.map(|first| first.ts_host));
        }
    }
}

impl Slot {
    /// The size of the next batch, if it is prescribed.
    pub(crate) fn next_size(&mut self) -> Option<usize> {
        let batches = self.batches.as_mut()?;
        let first = self.backlog.waiting(1).first()?;
        batches.size_at(BatchPlace::of(first, self.last_place))
    }

    /// Notes a batch of `count` waiting events that it is offered. Returns the batches that have to be recorded first.
    #[inline]
    pub(crate) fn note_batch(&mut self, count: usize) -> Option<OfferedBatches> {
        let first = self.backlog.waiting(1).first()?;
        let place = BatchPlace::of(first, self.last_place);
        self.batch_notes.note(place, count)
    }

    /// The intent that records batches that it was offered, before any decision in the same window.
    pub(crate) fn offered(&mut self, batches: OfferedBatches) -> Intent {
        self.handed_over = self.handed_over.wrapping_add(1);
        Intent {
            cause: 0,
            at: self.last_at,
            strategy: self.id,
            ordinal: self.handed_over,
            decision: Decision::Offered(batches),
        }
    }
}
