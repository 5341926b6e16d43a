//! What the strategies are told of a book.

use super::BookSync;
use crate::binance::wire::Levels;
use tickdeck_model::{
    Body, BookChange, BookUpdate, Pad, Price, Side, Size, VenueScope, VenueState, VenueStatus,
};

impl BookSync {
    /// Appends the whole book: `clear`, then every level, the best of each side first.
    pub fn tell_whole(&self, out: &mut Vec<Body>) {
        let update_id = self.last_id.unwrap_or(0);
        let mut left = self.book.len();
        let clear = (Side::Buy, Price::ZERO, Size::ZERO);
        out.push(self.level(BookChange::Clear, clear, left == 0, update_id));
        for side in [Side::Buy, Side::Sell] {
            for level in self.book.levels(side) {
                left -= 1;
                let level = (side, level.price, level.size);
                out.push(self.level(BookChange::Snapshot, level, left == 0, update_id));
            }
        }
    }

    /// Tells the whole book, and that it is live if it was not.
    pub(super) fn tell_live(&mut self, out: &mut Vec<Body>) {
        self.tell_whole(out);
        self.say(VenueState::Live, out);
    }

    pub(super) fn tell_deltas(&self, update_id: u64, levels: &Levels, out: &mut Vec<Body>) {
        let mut left = levels.bids.len() + levels.asks.len();
        for (side, levels) in [(Side::Buy, &levels.bids), (Side::Sell, &levels.asks)] {
            for (price, size) in levels {
                left -= 1;
                out.push(self.level(
                    BookChange::Delta,
                    (side, *price, *size),
                    left == 0,
                    update_id,
                ));
            }
        }
    }

    fn level(
        &self,
        change: BookChange,
        level: (Side, Price, Size),
        last: bool,
        update_id: u64,
    ) -> Body {
        let (side, price, size) = level;
        let instrument = self.instrument;
        BookUpdate {
            reserved: Pad::ZERO,
            instrument,
            change,
            side,
            last,
            pad: Pad::ZERO,
            price,
            size,
            update_id,
        }
        .into()
    }

    /// Says that the book is live or stale, if that is not what was said last.
    pub(super) fn say(&mut self, state: VenueState, out: &mut Vec<Body>) {
        if self.said.replace(state) == Some(state) {
            return;
        }
        let scope = VenueScope::Instrument;
        out.push(
            VenueStatus {
                reserved: Pad::ZERO,
                venue: self.venue,
                instrument: self.instrument,
                scope,
                state,
                pad: Pad::ZERO,
            }
            .into(),
        );
    }
}
