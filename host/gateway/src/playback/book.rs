//! The market that an arriving order meets: depth, the newest top, the last trade, and the liquidity already taken.

use crate::binance::{Level, LocalBook};
use std::collections::BTreeMap;
use tickdeck_model::{BookChange, BookUpdate, Price, Quote, Side, Size};

/// Remembered levels that we took from. Each is forgotten when the exchange reports another size for it; beyond this
/// number the lowest bid is dropped first, which only means that its size can be taken again.
const MAX_TAKEN: usize = 10_000;

/// One instrument's market.
#[derive(Debug, Default)]
pub(super) struct MarketBook {
    depth: LocalBook,
    update_id: u64,
    is_live: bool,
    quote: Option<Quote>,
    last_trade: Option<Price>,
    taken: BTreeMap<(Side, Price), Taken>,
}

/// The size taken from a level while it had size `of`.
#[derive(Debug, Clone, Copy)]
struct Taken {
    of: Size,
    taken: Size,
}

impl MarketBook {
    pub(super) fn set_live(&mut self, is_live: bool) {
        self.is_live = is_live;
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    pub(super) fn depth(&self) -> &LocalBook {
        &self.depth
    }

    /// The exchange's id of the last message applied to the depth.
    pub(super) fn update_id(&self) -> u64 {
        self.update_id
    }

    pub(super) fn set_last_trade(&mut self, price: Price) {
        self.last_trade = Some(price);
    }

    pub(super) fn last_trade(&self) -> Option<Price> {
        self.last_trade
    }

    /// Applies a level.
    pub(super) fn update(&mut self, update: &BookUpdate) {
        apply(&mut self.depth, update);
        self.update_id = update.update_id;
        if update.change != BookChange::Clear {
            self.forget_taken(update.side, update.price, update.size);
        }
    }

    /// Sets the best bid and ask.
    pub(super) fn set_quote(&mut self, quote: &Quote) {
        self.forget_taken(Side::Buy, quote.bid, quote.bid_size);
        self.forget_taken(Side::Sell, quote.ask, quote.ask_size);
        self.quote = Some(*quote);
    }

    /// Whether the top comes from tickers.
    pub(super) fn has_quote(&self) -> bool {
        self.quote.is_some()
    }

    /// The best level of a side, regardless of the size we took.
    pub(super) fn top(&self, side: Side) -> Option<Level> {
        match (&self.quote, side) {
            (Some(quote), Side::Buy) => level(quote.bid, quote.bid_size),
            (Some(quote), Side::Sell) => level(quote.ask, quote.ask_size),
            (None, _) if self.is_live => self.depth.best(side),
            (None, _) => None,
        }
    }

    /// The size that a resting order of `side` at `price` queues behind.
    pub(super) fn size_ahead(&self, side: Side, price: Price) -> Size {
        match self.top(side) {
            Some(top) if top.price == price => top.size,
            Some(top) if is_worse(side, price, top.price) => self.depth.size_at(side, price),
            Some(_) | None => Size::ZERO,
        }
    }

    /// Whether an order of `side` limited to `price` meets the opposite top.
    pub(super) fn crosses(&self, side: Side, price: Price) -> bool {
        self.top(side.opposite())
            .is_some_and(|top| meets(side, Some(price), top.price))
    }

    /// Returns the fills that an order of `side` could take now, best first, up to `size` in total.
    pub(super) fn walk(&self, side: Side, limit: Option<Price>, size: Size) -> Vec<Level> {
        let from = side.opposite();
        let Some(top) = self.top(from) else {
            return Vec::new();
        };
        let deeper = self
            .depth
            .levels(from)
            .filter(|level| self.is_live && is_worse(from, level.price, top.price));
        let mut left = size;
        let mut fills = Vec::new();
        for level in std::iter::once(top).chain(deeper) {
            if left == Size::ZERO || !meets(side, limit, level.price) {
                break;
            }
            let taken = self
                .taken
                .get(&(from, level.price))
                .map_or(Size::ZERO, |taken| taken.taken);
            let size = Size((level.size.0 - taken.0).clamp(0, left.0));
            if size > Size::ZERO {
                fills.push(Level {
                    price: level.price,
                    size,
                });
                left = Size(left.0 - size.0);
            }
        }
        fills
    }

    /// Records a fill of an order of `side`.
    pub(super) fn take(&mut self, side: Side, fill: Level) {
        let from = side.opposite();
        let of = match self.top(from) {
            Some(top) if top.price == fill.price => top.size,
            Some(_) | None => self.depth.size_at(from, fill.price),
        };
        let entry = self.taken.entry((from, fill.price)).or_insert(Taken {
            of,
            taken: Size::ZERO,
        });
        entry.taken = Size(entry.taken.0 + fill.size.0);
        if self.taken.len() > MAX_TAKEN {
            self.taken.pop_first();
        }
    }

    /// A level of another size than the one we took from is a new level.
    fn forget_taken(&mut self, side: Side, price: Price, size: Size) {
        if self.taken.is_empty() {
            return;
        }
        if self
            .taken
            .get(&(side, price))
            .is_some_and(|taken| taken.of != size)
        {
            self.taken.remove(&(side, price));
        }
    }
}

/// Applies a level of the feed to a book.
pub(super) fn apply(book: &mut LocalBook, update: &BookUpdate) {
    match update.change {
        BookChange::Clear => book.clear(),
        BookChange::Snapshot | BookChange::Delta => {
            book.set(update.side, update.price, update.size)
        }
    }
}

fn level(price: Price, size: Size) -> Option<Level> {
    (size > Size::ZERO).then_some(Level { price, size })
}

/// Whether `price` lies behind `than` on the side's own queue.
fn is_worse(side: Side, price: Price, than: Price) -> bool {
    match side {
        Side::Buy => price < than,
        Side::Sell => price > than,
    }
}

/// Whether an order of `side` with this limit may trade at an opposite price.
pub(super) fn meets(side: Side, limit: Option<Price>, opposite: Price) -> bool {
    match (side, limit) {
        (_, None) => true,
        (Side::Buy, Some(limit)) => opposite <= limit,
        (Side::Sell, Some(limit)) => opposite >= limit,
    }
}
