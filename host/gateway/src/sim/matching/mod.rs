//! The order book of one instrument: price-time priority, real matching among all resting orders.
//!
//! Pure and without a clock. Outcomes are appended to a vector that the caller reuses, so nothing is allocated in steady
//! state except an occasional tree node. Every operation costs O(log levels) plus the orders that it fills.
//!
//! Rules in which venues differ, as this book has them:
//! - Orders of the same account never trade with each other. When an incoming order meets one of its own account, the resting
//!   one expires and the incoming goes on (Binance's `EXPIRE_MAKER`): an exit is not kept from closing a position.
//! - A stop order triggers on trades, not quotes; one whose stop price the last trade already reached triggers at once.
//!   Stops triggered by one incoming order run after it, buys before sells, nearest stop price first, then oldest.
//! - A modify that only lowers the size keeps the place in the queue; any other sends the order to the back of its new
//!   level, trading first with what it crosses. A post-only order is never modified into a trade.

mod queue;
mod terms;
#[cfg(test)]
mod tests;

pub use terms::{BookOrder, LevelView, Match, MatchOutcome, Reach, RestingOrder};

use queue::{Ladder, Place, Queues};
use std::collections::BTreeMap;
use tickdeck_engine::port::NewTerms;
use tickdeck_model::{OrderType, Price, Reason, Side, Size, TimeInForce};

/// The order book of one instrument.
#[derive(Debug, Default)]
pub struct OrderBook {
    queues: Queues,
    bids: Ladder,
    asks: Ladder,
    buy_stops: Stops,
    sell_stops: Stops,
    last_trade: Option<Price>,
    /// Lowest and highest trade of the current operation.
    traded: Option<(Price, Price)>,
    changed: Vec<(Side, Price)>,
}

/// Stops that wait, first to trigger first: by rank of stop price, then by arrival.
type Stops = BTreeMap<(i64, u64), u32>;

/// An order on its way through the book.
struct Incoming {
    working: RestingOrder,
    left: i64,
}

impl OrderBook {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Processes a new order and appends the outcomes.
    pub fn submit(&mut self, order: BookOrder, out: &mut Vec<MatchOutcome>) {
        if let Some(reason) = self.refusal(&order) {
            out.push(MatchOutcome::Rejected {
                id: order.id,
                reason,
            });
            return;
        }
        out.push(MatchOutcome::Accepted { id: order.id });
        let working = RestingOrder {
            order,
            filled: Size::ZERO,
        };
        if order.kind.has_stop() {
            return self.start_stop(working, out);
        }
        self.traded = None;
        self.execute(working, out);
        self.run_stops(out);
    }

    /// Has an order wait for its stop price, or work if the last trade has reached it.
    fn start_stop(&mut self, working: RestingOrder, out: &mut Vec<MatchOutcome>) {
        if !self.stop_is_reached(&working.order) {
            return self.wait(working);
        }
        out.push(MatchOutcome::Triggered {
            id: working.order.id,
        });
        self.traded = None;
        self.execute(working, out);
        self.run_stops(out);
    }

    /// Returns why [`OrderBook::submit`] would reject an order now.
    pub fn refusal(&self, order: &BookOrder) -> Option<Reason> {
        let fits = |wanted: bool, price: Price| if wanted { price.0 > 0 } else { price.0 == 0 };
        let immediate = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if self.queues.find(order.id).is_some() {
            Some(Reason::Duplicate)
        } else if order.size.0 <= 0 {
            Some(Reason::InvalidSize)
        } else if !fits(order.kind.has_price(), order.price)
            || !fits(order.kind.has_stop(), order.stop_price)
        {
            Some(Reason::InvalidPrice)
        } else if order.post_only && (immediate || order.kind != OrderType::Limit) {
            Some(Reason::Unsupported)
        } else if order.post_only && self.crosses(order.side, order.price) {
            Some(Reason::WouldCross)
        } else {
            None
        }
    }

    /// Cancels an order.
    pub fn cancel(&mut self, id: u64, out: &mut Vec<MatchOutcome>) {
        match self.queues.find(id) {
            Some(slot) => {
                self.remove(slot);
                out.push(MatchOutcome::Canceled { id });
            }
            None => out.push(MatchOutcome::CancelRejected {
                id,
                reason: Reason::UnknownOrder,
            }),
        }
    }

    /// Gives a working order new prices and a new total size, fills included.
    pub fn modify(&mut self, id: u64, terms: &NewTerms, out: &mut Vec<MatchOutcome>) {
        let NewTerms {
            price,
            size,
            stop_price,
        } = *terms;
        let Some(slot) = self.queues.find(id) else {
            out.push(MatchOutcome::ModifyRejected {
                id,
                reason: Reason::UnknownOrder,
            });
            return;
        };
        let working = *self.queues.working(slot);
        if let Some(reason) = self.modify_refusal(&working, price, size) {
            out.push(MatchOutcome::ModifyRejected { id, reason });
            return;
        }
        let waits = matches!(self.queues.place(slot), Place::Waiting);
        let moves_stop = waits && stop_price.0 > 0 && stop_price != working.order.stop_price;
        out.push(MatchOutcome::Replaced { id, terms: *terms });
        if moves_stop {
            self.remove(slot);
            let order = BookOrder {
                price,
                size,
                stop_price,
                ..working.order
            };
            return self.start_stop(RestingOrder { order, ..working }, out);
        }
        let resting = matches!(self.queues.place(slot), Place::Resting { .. });
        let keeps_place = price == working.order.price && size <= working.order.size;
        if keeps_place || !resting {
            self.restate(slot, price, size);
            return;
        }
        self.remove(slot);
        self.traded = None;
        self.execute(
            RestingOrder {
                order: BookOrder {
                    price,
                    size,
                    ..working.order
                },
                ..working
            },
            out,
        );
        self.run_stops(out);
    }

    /// Ends the trading day: every order with time in force DAY expires, oldest first.
    pub fn end_day(&mut self, out: &mut Vec<MatchOutcome>) {
        let mut ending = self.queues.slots_of(TimeInForce::Day);
        ending.sort_unstable_by_key(|slot| self.queues.arrival(*slot));
        for slot in ending {
            let id = self.queues.working(slot).order.id;
            self.remove(slot);
            out.push(MatchOutcome::Expired {
                id,
                reason: Reason::DayEnd,
            });
        }
    }

    /// The order with this id, if it is working.
    pub fn order(&self, id: u64) -> Option<&RestingOrder> {
        self.queues.find(id).map(|slot| self.queues.working(slot))
    }

    /// Number of orders that rest or wait for their stop price.
    pub fn order_count(&self) -> usize {
        self.queues.len()
    }

    /// The best level of a side.
    pub fn best(&self, side: Side) -> Option<LevelView> {
        self.ladder(side)
            .best()
            .map(|level| self.queues.view(level))
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelView> + '_ {
        self.ladder(side)
            .iter()
            .map(|level| self.queues.view(level))
    }

    /// The size at a price, zero where there is no level.
    pub fn size_at(&self, side: Side, price: Price) -> Size {
        self.ladder(side)
            .find(side, price)
            .map_or(Size::ZERO, |level| self.queues.view(level).size)
    }

    /// The price of the last trade.
    pub fn last_trade(&self) -> Option<Price> {
        self.last_trade
    }

    /// Returns the liquidity that an order of `account` on `side` would find at `limit` or better, up to `wanted`.
    pub fn reach(
        &self,
        account: Option<u32>,
        side: Side,
        limit: Option<Price>,
        wanted: Size,
    ) -> Reach {
        let mut reach = Reach {
            size: Size::ZERO,
            worst: None,
        };
        for level in self.ladder(side.opposite()).iter() {
            let price = self.queues.price(level);
            if reach.size >= wanted || limit.is_some_and(|limit| beyond(side, limit, price)) {
                break;
            }
            let size = self
                .queues
                .offered_to(account, level, wanted.0 - reach.size.0);
            if size > 0 {
                reach = Reach {
                    size: Size(reach.size.0 + size),
                    worst: Some(price),
                };
            }
        }
        reach
    }

    /// Moves the levels that changed since the last call into `out`, each once, with the size it has now.
    pub fn take_changes(&mut self, out: &mut Vec<(Side, LevelView)>) {
        for index in 0..self.changed.len() {
            let (side, price) = self.changed[index];
            let empty = LevelView {
                price,
                size: Size::ZERO,
                orders: 0,
            };
            let view = self
                .ladder(side)
                .find(side, price)
                .map_or(empty, |level| self.queues.view(level));
            out.push((side, view));
        }
        self.changed.clear();
    }

    fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn stops_mut(&mut self, side: Side) -> &mut Stops {
        match side {
            Side::Buy => &mut self.buy_stops,
            Side::Sell => &mut self.sell_stops,
        }
    }

    fn modify_refusal(&self, working: &RestingOrder, price: Price, size: Size) -> Option<Reason> {
        let order = &working.order;
        let fits = if order.kind.has_price() {
            price.0 > 0
        } else {
            price.0 == 0
        };
        if size <= working.filled {
            Some(Reason::InvalidSize)
        } else if !fits {
            Some(Reason::InvalidPrice)
        } else if order.post_only && self.crosses(order.side, price) {
            Some(Reason::WouldCross)
        } else {
            None
        }
    }

    /// Whether a limit at `price` would trade at once.
    fn crosses(&self, side: Side, price: Price) -> bool {
        self.best(side.opposite())
            .is_some_and(|best| !beyond(side, price, best.price))
    }

    /// Trades as much as possible; the remainder rests or expires.
    fn execute(&mut self, working: RestingOrder, out: &mut Vec<MatchOutcome>) {
        let order = working.order;
        let mut incoming = Incoming {
            working,
            left: working.left().0,
        };
        let limit = order.kind.has_price().then_some(order.price);
        if order.time_in_force == TimeInForce::Fok
            && self
                .reach(order.account, order.side, limit, Size(incoming.left))
                .size
                .0
                < incoming.left
        {
            out.push(MatchOutcome::Expired {
                id: order.id,
                reason: Reason::FokUnfilled,
            });
            return;
        }
        self.trade(&mut incoming, limit, out);
        if incoming.left == 0 {
            return;
        }
        let reason = if !order.kind.has_price() {
            Reason::NoLiquidity
        } else if order.time_in_force == TimeInForce::Ioc {
            Reason::IocRemainder
        } else {
            self.rest(incoming.working);
            return;
        };
        out.push(MatchOutcome::Expired {
            id: order.id,
            reason,
        });
    }

    /// Trades with the other side, best price and oldest order first. Orders of its own account that it meets end.
    fn trade(
        &mut self,
        incoming: &mut Incoming,
        limit: Option<Price>,
        out: &mut Vec<MatchOutcome>,
    ) {
        let BookOrder {
            id, account, side, ..
        } = incoming.working.order;
        let other = side.opposite();
        while incoming.left > 0 {
            let Some(level) = self.ladder(other).best() else {
                break;
            };
            let price = self.queues.price(level);
            if limit.is_some_and(|limit| beyond(side, limit, price)) {
                break;
            }
            let slot = self.queues.front(level);
            let maker = *self.queues.working(slot);
            if account.is_some() && maker.order.account == account {
                self.remove(slot);
                out.push(MatchOutcome::Expired {
                    id: maker.order.id,
                    reason: Reason::SelfTrade,
                });
                continue;
            }
            let size = incoming.left.min(maker.left().0);
            incoming.left -= size;
            incoming.working.filled.0 += size;
            out.push(MatchOutcome::Traded(Match {
                maker: maker.order.id,
                taker: id,
                side,
                price,
                size: Size(size),
            }));
            self.note_trade(price);
            if size == maker.left().0 {
                self.remove(slot);
            } else {
                self.queues.fill(slot, size);
                self.mark(other, price);
            }
        }
    }

    fn note_trade(&mut self, price: Price) {
        self.last_trade = Some(price);
        let (low, high) = self.traded.unwrap_or((price, price));
        self.traded = Some((low.min(price), high.max(price)));
    }

    /// Runs the stops that the trades of this operation reached, and those that theirs reach.
    fn run_stops(&mut self, out: &mut Vec<MatchOutcome>) {
        while let Some((low, high)) = self.traded {
            let first = |stops: &Stops, reached: i64| {
                stops
                    .first_key_value()
                    .filter(|((rank, _), _)| *rank <= reached)
                    .map(|(_, slot)| *slot)
            };
            let next = first(&self.buy_stops, stop_rank(Side::Buy, high))
                .or_else(|| first(&self.sell_stops, stop_rank(Side::Sell, low)));
            let Some(slot) = next else { break };
            let working = *self.queues.working(slot);
            self.remove(slot);
            out.push(MatchOutcome::Triggered {
                id: working.order.id,
            });
            self.execute(working, out);
        }
    }

    fn stop_is_reached(&self, order: &BookOrder) -> bool {
        self.last_trade.is_some_and(|last| {
            stop_rank(order.side, order.stop_price) <= stop_rank(order.side, last)
        })
    }

    fn wait(&mut self, working: RestingOrder) {
        let BookOrder {
            side, stop_price, ..
        } = working.order;
        let slot = self.queues.add_waiting(working);
        let key = (stop_rank(side, stop_price), self.queues.arrival(slot));
        self.stops_mut(side).insert(key, slot);
    }

    fn rest(&mut self, working: RestingOrder) {
        let BookOrder { side, price, .. } = working.order;
        let level = match self.ladder(side).find(side, price) {
            Some(level) => level,
            None => {
                let level = self.queues.open_level(price);
                self.ladder_mut(side).insert(side, price, level);
                level
            }
        };
        self.queues.add_resting(working, level);
        self.mark(side, price);
    }

    /// Changes terms in place.
    fn restate(&mut self, slot: u32, price: Price, size: Size) {
        let BookOrder { side, .. } = self.queues.working(slot).order;
        self.queues.restate(slot, price, size);
        if matches!(self.queues.place(slot), Place::Resting { .. }) {
            self.mark(side, price);
        }
    }

    fn remove(&mut self, slot: u32) {
        let BookOrder {
            side,
            price,
            stop_price,
            ..
        } = self.queues.working(slot).order;
        match self.queues.place(slot) {
            Place::Resting { level, .. } => {
                if self.queues.remove_resting(slot, level) {
                    self.ladder_mut(side).remove(side, price);
                }
                self.mark(side, price);
            }
            Place::Waiting => {
                let key = (stop_rank(side, stop_price), self.queues.arrival(slot));
                self.stops_mut(side).remove(&key);
                self.queues.remove_waiting(slot);
            }
        }
    }

    /// Records that a level's size changed.
    fn mark(&mut self, side: Side, price: Price) {
        if !self.changed.contains(&(side, price)) {
            self.changed.push((side, price));
        }
    }
}

/// Whether `price` is worse than `limit` for an order of `side`.
fn beyond(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price > limit,
        Side::Sell => price < limit,
    }
}

/// Ranks stop prices by which triggers first: for buy stops the lower, for sell stops the higher.
fn stop_rank(side: Side, price: Price) -> i64 {
    match side {
        Side::Buy => price.0,
        Side::Sell => -price.0,
    }
}
