//! Orders in the book: the queue ahead of them, and what fills them.

use super::FillSimulator;
use super::market::Market;
use crate::playback::book::meets;
use tickdeck_model::{
    Aggressor, BookChange, BookUpdate, InstrumentId, Liquidity, Quote, Side, Size, Timestamp, Trade,
};

impl Market {
    /// A reported level shortens the queue ahead, should it now be smaller.
    pub(super) fn on_level(&mut self, update: &BookUpdate) {
        if !self.market.is_live() || update.change == BookChange::Clear {
            return;
        }
        for resting in &mut self.resting {
            if resting.side == update.side && resting.price == update.price {
                resting.ahead = resting.ahead.min(update.size);
            }
        }
        if update.change == BookChange::Snapshot && update.last {
            let market = &self.market;
            for resting in &mut self.resting {
                resting.ahead = resting
                    .ahead
                    .min(market.depth().size_at(resting.side, resting.price));
            }
        }
    }

    /// A reported top shortens the queue ahead; none is left once the top lies behind our price.
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
    /// Fills what the opposite top has reached.
    pub(super) fn meet_opposite(&mut self, at: Timestamp, instrument: InstrumentId) {
        let Some(pit) = self.pits.get_mut(instrument) else {
            return;
        };
        let mut any_done = false;
        for resting in &mut pit.resting {
            if !pit.market.crosses(resting.side, resting.price) {
                resting.locked = false;
                continue;
            }
            let Some(order) = self.desk.order(resting.id) else {
                continue;
            };
            let left = order.remaining();
            let fills = if resting.locked {
                pit.market.walk(resting.side, Some(resting.price), left)
            } else {
                Vec::new()
            };
            let size = if resting.locked {
                Size(fills.iter().map(|fill| fill.size.0).sum())
            } else {
                left
            };
            for fill in fills {
                pit.market.take(resting.side, fill);
            }
            if size > Size::ZERO {
                any_done |= self
                    .desk
                    .fill(at, resting.id, resting.price, size, Liquidity::Maker);
            }
        }
        if any_done {
            pit.resting
                .retain(|resting| self.desk.order(resting.id).is_some());
        }
    }

    /// Lets a public trade pass our orders. At one price what fills an earlier order of ours is gone for the next.
    pub(super) fn trade_with_resting(&mut self, at: Timestamp, trade: &Trade) {
        let Some(pit) = self.pits.get_mut(trade.instrument) else {
            return;
        };
        let mut left = trade.size;
        let mut any_done = false;
        for resting in &mut pit.resting {
            if !meets(resting.side, Some(resting.price), trade.price) {
                continue;
            }
            let Some(order) = self.desk.order(resting.id) else {
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
                .desk
                .fill(at, resting.id, resting.price, size, Liquidity::Maker);
        }
        if any_done {
            pit.resting
                .retain(|resting| self.desk.order(resting.id).is_some());
        }
    }
}
