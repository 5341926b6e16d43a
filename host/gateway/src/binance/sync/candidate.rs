//! A book from a snapshot, and how deep it is known.

use crate::binance::book::LocalBook;
use crate::binance::top_check::Top;
use crate::binance::wire::{DepthSnapshot, Levels};
use tickdeck_model::{Price, Side, Size, Timestamp};

/// A book from a snapshot that is not in use, or not yet.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) last_id: u64,
    pub(super) book: LocalBook,
    pub(super) cut: Cut,
    /// Local time from which on it has waited, and the id of the live book at that time.
    pub(super) waits: (Timestamp, u64),
    /// Whether the diffs did not come near it: it may be of another symbol, and only diffs that reach it show that it is not.
    pub(super) is_doubtful: bool,
}

/// The worst prices of a snapshot. Every snapshot is limited to so many levels, and nothing in it says to how many: levels beyond
/// are unknown until they change. A side without a level is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut {
    bid: Option<Price>,
    ask: Option<Price>,
}

impl Candidate {
    pub(super) fn new(snapshot: &DepthSnapshot, levels: &Levels) -> Self {
        let mut book = LocalBook::default();
        apply(&mut book, levels);
        let prices = |levels: &[(Price, Size)]| levels.iter().map(|(price, _)| *price).collect();
        let (bids, asks): (Vec<Price>, Vec<Price>) = (prices(&levels.bids), prices(&levels.asks));
        Self {
            last_id: snapshot.last_id,
            book,
            cut: Cut {
                bid: bids.into_iter().min(),
                ask: asks.into_iter().max(),
            },
            waits: (0, 0),
            is_doubtful: false,
        }
    }

    pub(super) fn apply(&mut self, last_id: u64, levels: &Levels) {
        apply(&mut self.book, levels);
        self.last_id = last_id;
    }

    /// Whether it can be a live book: it is not crossed, and the price is where it is known.
    pub(super) fn is_usable(&self) -> bool {
        !is_crossed(Top::of_book(&self.book)) && !self.cut.is_passed(&self.book)
    }

    /// Whether the exchange's quote is within the prices of this book: one of another symbol is far away.
    pub(super) fn is_near(&self, quote: Top) -> bool {
        let above = quote
            .bid
            .zip(self.cut.ask)
            .is_some_and(|(bid, cut)| bid.price > cut);
        let below = quote
            .ask
            .zip(self.cut.bid)
            .is_some_and(|(ask, cut)| ask.price < cut);
        !above && !below
    }

    /// Adds the levels of a book of the same id that are worse than every level of the snapshot.
    pub(super) fn extend(&mut self, book: &LocalBook) {
        let is_beyond = |side, price| match side {
            Side::Buy => self.cut.bid.is_some_and(|cut| price < cut),
            Side::Sell => self.cut.ask.is_some_and(|cut| price > cut),
        };
        for side in [Side::Buy, Side::Sell] {
            for level in book
                .levels(side)
                .filter(|level| is_beyond(side, level.price))
            {
                self.book.set(side, level.price, level.size);
            }
        }
    }
}

impl Cut {
    /// Whether the best price of a side is beyond the depth that is known.
    pub(super) fn is_passed(self, book: &LocalBook) -> bool {
        let bid_gone =
            (self.bid).is_some_and(|cut| book.best_bid().is_none_or(|best| best.price < cut));
        let ask_gone =
            (self.ask).is_some_and(|cut| book.best_ask().is_none_or(|best| best.price > cut));
        bid_gone || ask_gone
    }

    /// Whether this one knows more than another on either side.
    pub(super) fn is_deeper(self, than: Self) -> bool {
        let worse = self.or_deeper(than);
        (worse.bid, worse.ask) != (than.bid, than.ask)
    }

    /// The deeper of both on each side.
    pub(super) fn or_deeper(self, other: Self) -> Self {
        // A side that is known to its end has no cut.
        let deeper = |a: Option<Price>, b: Option<Price>, pick: fn(Price, Price) -> Price| {
            a.zip(b).map(|(a, b)| pick(a, b))
        };
        Self {
            bid: deeper(self.bid, other.bid, Price::min),
            ask: deeper(self.ask, other.ask, Price::max),
        }
    }
}

pub(super) fn apply(book: &mut LocalBook, levels: &Levels) {
    for (price, size) in &levels.bids {
        book.set(Side::Buy, *price, *size);
    }
    for (price, size) in &levels.asks {
        book.set(Side::Sell, *price, *size);
    }
}

pub(super) fn is_crossed(top: Top) -> bool {
    (top.bid.zip(top.ask)).is_some_and(|(bid, ask)| bid.price >= ask.price)
}
