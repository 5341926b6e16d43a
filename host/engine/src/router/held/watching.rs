//! Watching the prices of the orders that the host holds.

use super::reach::{executed, is_watched, reaches, trailed};
use super::{DAY_NS, Group};
use crate::router::Router;
use crate::router::orders::{Held, update_of};
use tickdeck_model::{
    ClientOrderId, InstrumentId, OrderStatus, OrderUpdate, Price, Reason, TimeInForce, Timestamp,
};

impl Router {
    /// Looks at the orders held in an instrument, whose price has moved.
    pub(in crate::router) fn watch_instrument(&mut self, instrument: InstrumentId, at: Timestamp) {
        let mut groups: Vec<Group> = Vec::new();
        for id in self.orders.held_in(instrument) {
            let held = self.orders.get(id).and_then(|live| live.held);
            let is_over = |held: Held| {
                let day_ended = at.div_euclid(DAY_NS) > held.since.div_euclid(DAY_NS);
                held.order.time_in_force == TimeInForce::Day && day_ended
            };
            if held.is_some_and(is_over) {
                self.end_held(id, OrderStatus::Expired, Reason::DayEnd, at);
            } else if let Some(group) = self.mark_reached(id, at)
                && !groups.contains(&group)
            {
                groups.push(group);
            }
        }
        for group in groups {
            self.settle(group, at);
        }
    }

    /// Lets a held exit go if the market has reached it.
    pub(super) fn watch(&mut self, id: ClientOrderId, at: Timestamp) {
        if let Some(group) = self.mark_reached(id, at) {
            self.settle(group, at);
        }
    }

    /// Notes that the market has reached the price of a held order; returns its group if it just has.
    fn mark_reached(&mut self, id: ClientOrderId, at: Timestamp) -> Option<Group> {
        self.follow(id);
        let live = self.orders.get(id)?;
        let held = live.held?;
        let market = self.markets.get(live.instrument);
        let is_awaited = live.reduce_only || is_watched(&held.order);
        if !is_awaited || held.reached || self.gate.is_stopping() || !reaches(market, &held.order) {
            return None;
        }
        let group = Group::of(id, live);
        let has_stop = (live.kind.has_stop() || live.kind.trails()) && !live.triggered;
        let (met, tick) = (live.stop_price, self.tick_of(live.instrument));
        self.orders.change(id, |live| {
            live.triggered |= has_stop;
            if let Some(held) = &mut live.held {
                held.reached = true;
                held.order = executed(&held.order, tick);
                live.price = held.order.price;
            }
        });
        if has_stop && let Some(live) = self.orders.get(id) {
            let update = OrderUpdate {
                stop_price: met,
                ..update_of(id, live, OrderStatus::Triggered, Reason::Normal)
            };
            self.answers.push(at, update);
        }
        Some(group)
    }

    /// Moves the stop price of a trailing stop behind the market.
    fn follow(&mut self, id: ClientOrderId) {
        let Some((live, held)) = self
            .orders
            .get(id)
            .and_then(|live| Some((live, live.held?)))
        else {
            return;
        };
        let tick = self.tick_of(live.instrument);
        let market = self.markets.get(live.instrument);
        if let Some(stop) = trailed(market, &held.order, tick) {
            self.orders.change(id, |live| {
                live.stop_price = stop;
                if let Some(held) = &mut live.held {
                    held.order.stop_price = stop;
                }
            });
        }
    }

    fn tick_of(&self, instrument: InstrumentId) -> Price {
        let terms = self.instruments.get(instrument.index());
        terms.map_or(Price(1), |terms| terms.tick)
    }
}
