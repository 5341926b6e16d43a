//! Orders in the book: the queue ahead of them, and what fills them.

use super::FillSimulator;
use super::market::Market;
use crate::playback::book::meets;
use tickdeck_model::{
    Aggressor, BookChange, BookUpdate, InstrumentId, Liquidity, Quote, Side, Size, Timestamp, Trade,
};

impl Market {
    /// Shortens the queue ahead if a reported level is now smaller.
    pub(super) fn on_level(&mut self, update: &BookUpdate) {
        if !self.book.is_live() || update.change == BookChange::Clear {
            return;
        }
        for resting in &mut self.resting {
            if resting.side == update.side && resting.price == update.price {
                resting.ahead = resting.ahead.min(update.size);
            }
        }
        if update.change == BookChange::Snapshot && update.last {
            let book = &self.book;
            for resting in &mut self.resting {
                resting.ahead = resting
                    .ahead
                    .min(book.depth().size_at(resting.side, resting.price));
            }
        }
    }

    /// Shortens the queue ahead by a reported top; nothing is ahead once the top is behind our price.
    pub(super) fn on_quote(&mut self, quote: &Quote) {
        for resting in &mut self.resting {
            let (top, size) = match resting.side {
                Side::Buy => (quote.bid, quote.bid_size),
                Side::Sell => (quote.ask, quote.ask_size),
            };
            let top_is_behind = size == Size::ZERO
                || match resting.side {
                    Side::Buy => top < resting.price,
                    Side::Sell => top > resting.price,
                };
            if top_is_behind {
                resting.ahead = Size::ZERO;
            } else if top == resting.price {
                resting.ahead = resting.ahead.min(size);
            }
        }
    }
}

impl FillSimulator {
    /// Fills the orders that the opposite top has reached.
    pub(super) fn fill_crossed(&mut self, at: Timestamp, instrument: InstrumentId) {
        let Some(market) = self.markets.get_mut(instrument) else {
            return;
        };
        let mut any_done = false;
        for resting in &mut market.resting {
            if !market.book.crosses(resting.side, resting.price) {
                resting.locked = false;
                continue;
            }
            let Some(order) = self.broker.order(resting.id) else {
                continue;
            };
            let left = order.remaining();
            let fills = if resting.locked {
                market.book.walk(resting.side, Some(resting.price), left)
            } else {
                Vec::new()
            };
            let size = if resting.locked {
                Size(fills.iter().map(|fill| fill.size.0).sum())
            } else {
                left
            };
            for fill in fills {
                market.book.take(resting.side, fill);
            }
            if size > Size::ZERO {
                any_done |= self
                    .broker
                    .fill(at, resting.id, resting.price, size, Liquidity::Maker);
            }
        }
        if any_done {
            market
                .resting
                .retain(|resting| self.broker.order(resting.id).is_some());
        }
    }

    /// Fills our orders from a public trade. At one price, size that fills an earlier order of ours is used up for the next.
    pub(super) fn trade_with_resting(&mut self, at: Timestamp, trade: &Trade) {
        let Some(market) = self.markets.get_mut(trade.instrument) else {
            return;
        };
        let mut left = trade.size;
        let mut any_done = false;
        for resting in &mut market.resting {
            if !meets(resting.side, Some(resting.price), trade.price) {
                continue;
            }
            let Some(order) = self.broker.order(resting.id) else {
                continue;
            };
            let took_our_side = trade.aggressor
                != match resting.side {
                    Side::Buy => Aggressor::Buyer,
                    Side::Sell => Aggressor::Seller,
                };
            let size = match (resting.locked, took_our_side, trade.price == resting.price) {
                (true, false, _) => Size::ZERO,
                (true, true, _) | (false, true, true) => {
                    let passed = resting.ahead.min(left);
                    resting.ahead = Size(resting.ahead.0 - passed.0);
                    order.remaining().min(Size(left.0 - passed.0))
                }
                // Through our price, or against the other side at our price: everything before it has traded.
                (false, _, false) | (false, false, true) => order.remaining(),
            };
            if size == Size::ZERO {
                continue;
            }
            if trade.price == resting.price || resting.locked {
                left = Size((left.0 - size.0).max(0));
            }
            any_done |= self
                .broker
                .fill(at, resting.id, resting.price, size, Liquidity::Maker);
        }
        if any_done {
            market
                .resting
                .retain(|resting| self.broker.order(resting.id).is_some());
        }
    }
}
