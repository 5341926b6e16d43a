//! A local order book.

use crate::event::BookUpdate;
use crate::fixed::{Price, Size};
use crate::terms::{BookChange, Side};
use serde::{Deserialize, Serialize};

/// A price level of an order book with its total size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLevel {
    /// The price.
    pub price: Price,
    /// The total size at this price.
    pub size: Size,
}

/// An order book built from [`BookUpdate`]s, with a bounded number of levels per side.
///
/// When a side is full, its worst level is dropped. If all remaining levels are then removed before the venue's next
/// snapshot, the side looks emptier than it is; choose a capacity well above the number of levels used.
///
/// ```
/// use tickdeck_sdk::{Book, BookChange, BookUpdate, InstrumentId, Price, Side, Size};
///
/// let level = |side, price, size, last| BookUpdate {
///     instrument: InstrumentId(1),
///     change: BookChange::Delta,
///     side,
///     last,
///     price: Price(price),
///     size: Size(size),
///     update_id: 1,
///     reserved: 0,
/// };
/// let mut book = Book::new(1_000);
/// assert!(!book.apply(&level(Side::Buy, 99, 30, false)), "the venue's message continues");
/// assert!(book.apply(&level(Side::Sell, 101, 10, true)));
/// assert_eq!(book.mid(), Some(100.0));
/// assert_eq!(book.imbalance(5), Some(0.5));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// Best level last, so that most changes are at the cheap end.
    bids: Vec<PriceLevel>,
    /// Best level last.
    asks: Vec<PriceLevel>,
    capacity: u32,
    whole: bool,
}

impl Book {
    /// Creates an empty book that keeps at most `capacity` levels per side.
    ///
    /// # Panics
    /// `capacity` is 0.
    pub fn new(capacity: u32) -> Self {
        assert!(capacity > 0, "a book keeps at least one level");
        Self {
            bids: Vec::new(),
            asks: Vec::new(),
            capacity,
            whole: false,
        }
    }

    /// Applies an update, and returns whether the book now shows a state that the venue published; in the middle of a
    /// message with many levels it does not.
    pub fn apply(&mut self, update: &BookUpdate) -> bool {
        match update.change {
            BookChange::Clear => {
                self.bids.clear();
                self.asks.clear();
            }
            BookChange::Snapshot | BookChange::Delta => {
                self.set(update.side, update.price, update.size)
            }
        }
        self.whole = update.last;
        self.whole
    }

    /// Returns whether the last update ended a venue message.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns the highest bid.
    pub fn best_bid(&self) -> Option<PriceLevel> {
        self.bids.last().copied()
    }

    /// Returns the lowest ask.
    pub fn best_ask(&self) -> Option<PriceLevel> {
        self.asks.last().copied()
    }

    /// Returns the lowest ask minus the highest bid.
    pub fn spread(&self) -> Option<Price> {
        Some(self.best_ask()?.price - self.best_bid()?.price)
    }

    /// Returns the mid price, in price units.
    pub fn mid(&self) -> Option<f64> {
        Some((self.best_ask()?.price + self.best_bid()?.price).0 as f64 / 2.0)
    }

    /// Returns the levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = PriceLevel> + '_ {
        let levels = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        levels.iter().rev().copied()
    }

    /// Returns the total size of the best `levels` levels of a side.
    pub fn depth(&self, side: Side, levels: usize) -> Size {
        Size(
            self.levels(side)
                .take(levels)
                .map(|level| level.size.0)
                .sum(),
        )
    }

    /// Returns bids minus asks, divided by their sum, over the best `levels` levels: from -1 (only asks) to 1 (only bids).
    pub fn imbalance(&self, levels: usize) -> Option<f64> {
        let [bids, asks] = [Side::Buy, Side::Sell].map(|side| self.depth(side, levels).0 as f64);
        (bids + asks > 0.0).then(|| (bids - asks) / (bids + asks))
    }

    fn set(&mut self, side: Side, price: Price, size: Size) {
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        // Bids ascend towards the end of the vector, asks descend.
        let at = levels.partition_point(|level| match side {
            Side::Buy => level.price < price,
            Side::Sell => level.price > price,
        });
        let known = levels.get(at).is_some_and(|level| level.price == price);
        let full = levels.len() == self.capacity as usize;
        match (known, size == Size::ZERO) {
            (true, true) => drop(levels.remove(at)),
            (true, false) => levels[at].size = size,
            (false, true) => {}
            (false, false) if !full => levels.insert(at, PriceLevel { price, size }),
            (false, false) if at == 0 => {}
            (false, false) => {
                // The side is full: drop the worst level and move those between down by one.
                levels[..at].rotate_left(1);
                levels[at - 1] = PriceLevel { price, size };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::InstrumentId;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn update(change: BookChange, side: Side, price: i64, size: i64) -> BookUpdate {
        let (price, size) = (Price(price), Size(size));
        BookUpdate {
            reserved: 0,
            instrument: InstrumentId(1),
            change,
            side,
            last: true,
            price,
            size,
            update_id: 0,
        }
    }

    /// The naive book: keyed by distance from the best end, with the worst level evicted.
    fn model(updates: &[BookUpdate], side: Side, capacity: usize) -> Vec<(i64, i64)> {
        let mut levels = BTreeMap::new();
        for update in updates {
            let key = -update.price.0 * side.sign();
            match update.change {
                BookChange::Clear => levels.clear(),
                _ if update.side != side => {}
                _ if update.size.0 == 0 => drop(levels.remove(&key)),
                _ => drop(levels.insert(key, update.size.0)),
            }
            if levels.len() > capacity {
                levels.pop_last();
            }
        }
        levels
            .into_iter()
            .map(|(key, size)| (-key * side.sign(), size))
            .collect()
    }

    fn updates() -> impl proptest::strategy::Strategy<Value = Vec<BookUpdate>> {
        let one =
            (0..60u8, any::<bool>(), 1..40i64, 0..4i64).prop_map(|(change, buy, price, size)| {
                let change = if change == 0 {
                    BookChange::Clear
                } else {
                    BookChange::Delta
                };
                update(
                    change,
                    if buy { Side::Buy } else { Side::Sell },
                    price,
                    size,
                )
            });
        proptest::collection::vec(one, 0..300)
    }

    proptest! {
        #[test]
        fn the_book_is_a_sorted_map_of_bounded_size(updates in updates(), capacity in 1..50u32) {
            let mut book = Book::new(capacity);
            for update in &updates {
                book.apply(update);
            }
            for side in [Side::Buy, Side::Sell] {
                let levels: Vec<_> = book.levels(side).map(|level| (level.price.0, level.size.0)).collect();
                prop_assert_eq!(&levels, &model(&updates, side, capacity as usize));
                let depth: i64 = levels.iter().take(3).map(|level| level.1).sum();
                prop_assert_eq!(book.depth(side, 3), Size(depth));
            }
        }
    }

    #[test]
    fn an_empty_side_has_no_best_price() {
        let mut book = Book::new(10);
        assert_eq!(
            (book.mid(), book.spread(), book.imbalance(1)),
            (None, None, None)
        );
        book.apply(&update(BookChange::Delta, Side::Buy, 99, 5));
        assert_eq!(
            (book.best_bid().map(|level| level.price), book.best_ask()),
            (Some(Price(99)), None)
        );
        assert_eq!(book.imbalance(1), Some(1.0));
        book.apply(&update(BookChange::Clear, Side::Buy, 0, 0));
        assert_eq!(book.best_bid(), None);
    }
}
