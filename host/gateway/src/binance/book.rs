//! The local copy of an exchange's book: a [`Ladder`] a side. `examples/capture_profile.rs` measures it on the depth
//! streams of the real captures.

use super::ladder::Ladder;
use tickdeck_model::{Price, Side, Size};

/// A price and the size resting there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Price of the level.
    pub price: Price,
    /// Its total size, above zero.
    pub size: Size,
}

/// One instrument's book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalBook {
    bids: Ladder,
    asks: Ladder,
}

impl LocalBook {
    /// Forgets every level.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Sets the total size at a price; zero removes the level.
    #[inline]
    pub fn set(&mut self, side: Side, price: Price, size: Size) {
        match side {
            Side::Buy => self.bids.set(price.0, size.0),
            Side::Sell => self.asks.set(-price.0, size.0),
        }
    }

    /// The highest bid.
    #[inline]
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.best().map(|best| level(Side::Buy, best))
    }

    /// The lowest ask.
    #[inline]
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.best().map(|best| level(Side::Sell, best))
    }

    /// The best level of a side.
    pub fn best(&self, side: Side) -> Option<Level> {
        match side {
            Side::Buy => self.best_bid(),
            Side::Sell => self.best_ask(),
        }
    }

    /// The size at a price, zero if there is no level.
    pub fn size_at(&self, side: Side, price: Price) -> Size {
        Size(match side {
            Side::Buy => self.bids.get(price.0),
            Side::Sell => self.asks.get(-price.0),
        })
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl DoubleEndedIterator<Item = Level> + '_ {
        let ladder = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        ladder.iter().rev().map(move |one| level(side, one))
    }

    /// Levels on both sides.
    pub fn len(&self) -> usize {
        self.bids.len() + self.asks.len()
    }

    /// Whether there is no level at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A level of its rank, which is highest for the best on both sides. Prices are above zero, so the negative is no
/// overflow.
#[inline]
fn level(side: Side, (rank, size): (i64, i64)) -> Level {
    let price = match side {
        Side::Buy => rank,
        Side::Sell => -rank,
    };
    Level {
        price: Price(price),
        size: Size(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_book_is_the_map_it_stands_for(
            changes in prop::collection::vec((any::<bool>(), 1i64..60, 0i64..4), 0..400)
        ) {
            let mut book = LocalBook::default();
            let mut model: BTreeMap<(Side, Price), Size> = BTreeMap::new();
            for (buy, price, size) in changes {
                let (side, price, size) = (if buy { Side::Buy } else { Side::Sell }, Price(price), Size(size));
                book.set(side, price, size);
                if size == Size::ZERO { model.remove(&(side, price)); } else { model.insert((side, price), size); }

                let of = |side: Side| -> Vec<Level> {
                    let levels = model.iter().filter(|((of, _), _)| *of == side);
                    levels.map(|((_, price), size)| Level { price: *price, size: *size }).collect()
                };
                prop_assert_eq!(book.levels(Side::Buy).rev().collect::<Vec<_>>(), of(Side::Buy));
                prop_assert_eq!(book.levels(Side::Sell).collect::<Vec<_>>(), of(Side::Sell));
                prop_assert_eq!(book.best_bid(), of(Side::Buy).last().copied());
                prop_assert_eq!(book.best_ask(), of(Side::Sell).first().copied());
                prop_assert_eq!(book.size_at(side, price), size);
                prop_assert_eq!(book.len(), model.len());
                prop_assert_eq!(book.is_empty(), model.is_empty());
            }
        }
    }
}
