//! Orders as they arrive, change, or are triggered: what they take at once and how the rest goes on.

use super::market::Resting;
use super::{DAY_NS, FillSimulator};
use crate::broker::Modified;
use tickdeck_model::{
    ClientOrderId, InstrumentId, Liquidity, OrderType, Price, Reason, Side, Size, Submit,
    TimeInForce, Timestamp,
};

impl FillSimulator {
    pub(super) fn submit(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit) {
        let Some(pit) = self.pits.get(order.instrument) else {
            return self.desk.reject(at, id, order, Reason::UnknownInstrument);
        };
        let reference = pit
            .market
            .top(order.side.opposite())
            .map(|level| level.price);
        let worst = if order.kind == OrderType::Market {
            self.worst_price(order)
        } else {
            None
        };
        if let Err(reason) = self.desk.check(id, order, reference, worst) {
            return self.desk.reject(at, id, order, reason);
        }
        if order.post_only && pit.market.crosses(order.side, order.price) {
            return self.desk.reject(at, id, order, Reason::WouldCross);
        }
        self.desk.accept(at, id, order, worst);
        if order.time_in_force == TimeInForce::Day {
            self.day_orders.push_back((next_midnight(at), id));
        }
        if order.kind.has_stop() {
            if let Some(pit) = self.pits.get_mut(order.instrument) {
                pit.stops.push(id);
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
        price: Price,
        size: Size,
    ) {
        let modified = match self.desk.check_modify(id, price, size) {
            Ok(modified) => modified,
            Err(reason) => return self.desk.reject_modify(at, id, instrument, reason),
        };
        let Some(order) = self.desk.order(id).copied() else {
            return;
        };
        let Some(pit) = self.pits.get_mut(order.terms.instrument) else {
            return;
        };
        let moves = modified == Modified::LosesPlace;
        if moves && order.terms.post_only && pit.market.crosses(order.terms.side, price) {
            return self
                .desk
                .reject_modify(at, id, instrument, Reason::WouldCross);
        }
        self.desk.modify(at, id, price, size);
        if moves && !order.waits_for_stop() {
            pit.resting.retain(|resting| resting.id != id);
            self.execute(at, id);
        }
    }

    /// Triggers the stop orders that the last trade's price has reached.
    pub(super) fn trigger_stops(&mut self, at: Timestamp, instrument: InstrumentId) {
        let Some(pit) = self.pits.get_mut(instrument) else {
            return;
        };
        let Some(last) = pit.market.last_trade().filter(|_| !pit.stops.is_empty()) else {
            return;
        };
        let desk = &self.desk;
        let is_met = |id: &mut ClientOrderId| match desk.order(*id) {
            Some(order) if order.terms.side == Side::Buy => last >= order.terms.stop_price,
            Some(order) => last <= order.terms.stop_price,
            None => false,
        };
        let met: Vec<ClientOrderId> = pit.stops.extract_if(.., is_met).collect();
        for id in met {
            let Some(order) = self.desk.order(id).copied() else {
                continue;
            };
            let worst = if order.terms.kind == OrderType::Stop {
                self.worst_price(&order.terms)
            } else {
                None
            };
            if self.desk.trigger(at, id, worst).is_ok() {
                self.execute(at, id);
            }
        }
    }

    /// The worst price that all of an order would trade at now.
    fn worst_price(&self, order: &Submit) -> Option<Price> {
        let market = &self.pits.get(order.instrument)?.market;
        market
            .walk(order.side, None, order.size)
            .last()
            .map(|level| level.price)
    }

    /// Takes what the book offers the order now, then rests or ends it.
    fn execute(&mut self, at: Timestamp, id: ClientOrderId) {
        let Some(order) = self.desk.order(id).copied() else {
            return;
        };
        let Some(pit) = self.pits.get_mut(order.terms.instrument) else {
            return;
        };
        let fills = pit
            .market
            .walk(order.terms.side, order.limit(), order.remaining());
        let filled: i64 = fills.iter().map(|fill| fill.size.0).sum();
        if order.terms.time_in_force == TimeInForce::Fok && filled < order.remaining().0 {
            return self.desk.expire(at, id, Reason::FokUnfilled);
        }
        for fill in fills {
            pit.market.take(order.terms.side, fill);
            if self
                .desk
                .fill(at, id, fill.price, fill.size, Liquidity::Taker)
            {
                return;
            }
        }
        match (order.limit(), order.terms.time_in_force) {
            (None, _) => self.desk.cancel(at, id, Reason::NoLiquidity),
            (Some(_), TimeInForce::Ioc | TimeInForce::Fok) => {
                self.desk.expire(at, id, Reason::IocRemainder)
            }
            (Some(price), TimeInForce::Gtc | TimeInForce::Day) => {
                let side = order.terms.side;
                let ahead = pit.market.size_ahead(side, price);
                let locked = pit.market.crosses(side, price);
                pit.resting.push(Resting {
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
