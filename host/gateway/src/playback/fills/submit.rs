//! Orders that arrive, change or are triggered: the part that trades at once, and the remainder.

use super::market::Resting;
use super::{DAY_NS, FillSimulator};
use crate::broker::Modified;
use crate::playback::book::meets;
use tickdeck_engine::port::NewTerms;
use tickdeck_model::{
    ClientOrderId, InstrumentId, Liquidity, OrderType, Price, Reason, Side, Submit, TimeInForce,
    Timestamp,
};

impl FillSimulator {
    pub(super) fn submit(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit) {
        let Some(market) = self.markets.get(order.instrument) else {
            return self.broker.reject(at, id, order, Reason::UnknownInstrument);
        };
        let reference = market
            .book
            .top(order.side.opposite())
            .map(|level| level.price);
        let worst = if order.kind == OrderType::Market {
            self.worst_price(order)
        } else {
            None
        };
        if let Err(reason) = self.broker.check(id, order, reference, worst) {
            return self.broker.reject(at, id, order, reason);
        }
        if order.post_only() && market.book.crosses(order.side, order.price) {
            return self.broker.reject(at, id, order, Reason::WouldCross);
        }
        self.broker.accept(at, id, order, worst);
        if order.time_in_force == TimeInForce::Day {
            self.day_orders.push_back((next_midnight(at), id));
        }
        if order.kind.has_stop() {
            if let Some(market) = self.markets.get_mut(order.instrument) {
                market.stops.push(id);
            }
            self.trigger_stops(at, order.instrument);
        } else {
            self.execute(at, id);
        }
    }

    pub(super) fn modify(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        instrument: InstrumentId,
        terms: &NewTerms,
    ) {
        let modified = match self.broker.check_modify(id, terms) {
            Ok(modified) => modified,
            Err(reason) => return self.broker.reject_modify(at, id, instrument, reason),
        };
        let Some(order) = self.broker.order(id).copied() else {
            return;
        };
        let Some(market) = self.markets.get_mut(order.terms.instrument) else {
            return;
        };
        let moves = modified == Modified::LosesPriority;
        if moves && order.terms.post_only() && market.book.crosses(order.terms.side, terms.price) {
            return self
                .broker
                .reject_modify(at, id, instrument, Reason::WouldCross);
        }
        self.broker.modify(at, id, terms);
        if order.waits_for_stop() {
            self.trigger_stops(at, instrument);
        } else if moves {
            market.resting.retain(|resting| resting.id != id);
            self.execute(at, id);
        }
    }

    /// Triggers the stop orders that the last trade's price has reached.
    pub(super) fn trigger_stops(&mut self, at: Timestamp, instrument: InstrumentId) {
        let Some(market) = self.markets.get_mut(instrument) else {
            return;
        };
        let Some(last) = market
            .book
            .last_trade()
            .filter(|_| !market.stops.is_empty())
        else {
            return;
        };
        let broker = &self.broker;
        let is_met = |id: &mut ClientOrderId| match broker.order(*id) {
            Some(order) if order.terms.side == Side::Buy => last >= order.terms.stop_price,
            Some(order) => last <= order.terms.stop_price,
            None => false,
        };
        let met: Vec<ClientOrderId> = market.stops.extract_if(.., is_met).collect();
        for id in met {
            let Some(order) = self.broker.order(id).copied() else {
                continue;
            };
            let worst = if order.terms.kind == OrderType::Stop {
                self.worst_price(&order.terms)
            } else {
                None
            };
            if self.broker.trigger(at, id, worst).is_ok() {
                self.execute(at, id);
            }
        }
    }

    /// Returns the worst price at which the whole order would trade now.
    fn worst_price(&self, order: &Submit) -> Option<Price> {
        let book = &self.markets.get(order.instrument)?.book;
        book.walk(order.side, None, order.size)
            .last()
            .map(|level| level.price)
    }

    /// Trades against the book, then rests the order or ends it.
    fn execute(&mut self, at: Timestamp, id: ClientOrderId) {
        let Some(order) = self.broker.order(id).copied() else {
            return;
        };
        let Some(market) = self.markets.get_mut(order.terms.instrument) else {
            return;
        };
        let fills = market
            .book
            .walk(order.terms.side, order.limit(), order.remaining());
        let filled: i64 = fills.iter().map(|fill| fill.size.0).sum();
        if order.terms.time_in_force == TimeInForce::Fok && filled < order.remaining().0 {
            return self.broker.expire(at, id, Reason::FokUnfilled);
        }
        // As on the simulated exchange: orders of ours never trade with each other, and the one that rests yields.
        let side = order.terms.side;
        let last = fills.last().map(|fill| fill.price);
        let is_filled = filled == order.remaining().0;
        let is_met = |resting: &mut Resting| {
            let is_beyond = match is_filled {
                true => last != Some(resting.price) && meets(side, last, resting.price),
                false => meets(side, order.limit(), resting.price),
            };
            resting.side != side && is_beyond
        };
        for own in market.resting.extract_if(.., is_met) {
            self.broker.expire(at, own.id, Reason::SelfTrade);
        }
        for fill in fills {
            market.book.take(order.terms.side, fill);
            if self
                .broker
                .fill(at, id, fill.price, fill.size, Liquidity::Taker)
            {
                return;
            }
        }
        match (order.limit(), order.terms.time_in_force) {
            (None, _) => self.broker.cancel(at, id, Reason::NoLiquidity),
            (Some(_), TimeInForce::Ioc | TimeInForce::Fok) => {
                self.broker.expire(at, id, Reason::IocRemainder)
            }
            (Some(price), _) => {
                let ahead = market.book.size_ahead(side, price);
                let locked = market.book.crosses(side, price);
                market.resting.push(Resting {
                    id,
                    side,
                    price,
                    ahead,
                    locked,
                });
            }
        }
    }
}

fn next_midnight(at: Timestamp) -> Timestamp {
    (at.div_euclid(DAY_NS) + 1).saturating_mul(DAY_NS)
}
