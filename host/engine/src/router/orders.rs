//! Working orders, as the router knows them: from the moment they leave until they are done.

use crate::port::NewTerms;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use tickdeck_model::{
    AccountId, ClientOrderId, InstrumentId, OrderNumber, OrderStatus, OrderType, OrderUpdate, Pad,
    Price, Reason, Side, Size, StrategyId, Submit, Timestamp,
};

/// Reduce-only orders that are remembered after their end.
const MOST_ENDED: usize = 256;

/// What the host needs to send an order that it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// As it leaves.
    pub(crate) order: Submit,
    /// When it was submitted.
    pub(crate) since: Timestamp,
    /// Whether its price was reached: it leaves as soon as there is room for any part of it.
    pub(crate) reached: bool,
}

/// A working order.
#[derive(Debug, Clone)]
pub(crate) struct OpenOrder {
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) kind: OrderType,
    pub(crate) stop_price: Price,
    /// Whether the stop was met.
    pub(crate) triggered: bool,
    pub(crate) price: Price,
    /// The size in force.
    pub(crate) size: Size,
    /// The terms requested by modifies in flight, in the order in which they left; a venue answers in that order.
    pub(crate) asked: VecDeque<NewTerms>,
    /// Denials of the host that are on their way to the tape: they do not answer a modify in flight.
    pub(crate) own_refusals: u32,
    pub(crate) filled: Size,
    pub(crate) reduce_only: bool,
    /// Set while the host holds it.
    pub(crate) held: Option<Held>,
    /// Changes that the host made while it held the order, on their way to the tape: they do not answer a modify in flight.
    pub(crate) own_changes: u32,
    pub(crate) cancel_sent: bool,
    /// The host wants it gone, for this reason: a venue that refuses the cancel is asked again.
    pub(crate) host_cancel: Option<Reason>,
    /// Cancels and cuts that the host asked for.
    pub(crate) host_cancels: u32,
}

impl OpenOrder {
    /// Creates the entry of an order that is sent.
    pub(crate) fn of(order: &Submit) -> Self {
        Self {
            instrument: order.instrument,
            side: order.side,
            kind: order.kind,
            stop_price: order.stop_price,
            triggered: false,
            price: order.price,
            size: order.size,
            asked: VecDeque::new(),
            own_refusals: 0,
            reduce_only: order.reduce_only(),
            filled: Size::ZERO,
            held: None,
            own_changes: 0,
            cancel_sent: false,
            host_cancel: None,
            host_cancels: 0,
        }
    }

    /// The size that may still be filled, at worst.
    pub(crate) fn left(&self) -> Size {
        let asked = self.asked.iter().map(|terms| terms.size);
        let size = asked.fold(self.size, Size::max);
        Size((size.0 - self.filled.0).max(0))
    }

    /// The limit price and the size once the venue has answered what it was asked.
    pub(crate) fn expected(&self) -> (Price, Size) {
        let asked = self.asked.back();
        asked.map_or((self.price, self.size), |terms| (terms.price, terms.size))
    }

    /// Whether the host holds it although its price was reached.
    pub(crate) fn is_reached(&self) -> bool {
        self.held.is_some_and(|held| held.reached)
    }

    /// Whether it executes at whatever price there is.
    pub(crate) fn takes_any_price(&self) -> bool {
        self.kind == OrderType::Market || (self.kind.takes_any_price() && self.triggered)
    }

    /// The size that may still be filled once the venue has answered what it was asked.
    pub(crate) fn expected_left(&self) -> Size {
        let size = self.asked.back().map_or(self.size, |terms| terms.size);
        match self.cancel_sent {
            true => Size::ZERO,
            false => Size((size.0 - self.filled.0).max(0)),
        }
    }

    /// Applies an update that does not end the order. `own`: it may be an answer of the host.
    fn update(&mut self, update: &OrderUpdate, own: bool) {
        match update.status {
            OrderStatus::Replaced if self.own_changes > 0 && own => self.own_changes -= 1,
            OrderStatus::Replaced => {
                self.price = update.price;
                self.size = update.size;
                if update.stop_price.0 > 0 {
                    self.stop_price = update.stop_price;
                }
                self.asked.pop_front();
            }
            OrderStatus::ModifyRejected if self.own_refusals > 0 && own => self.own_refusals -= 1,
            OrderStatus::ModifyRejected => drop(self.asked.pop_front()),
            OrderStatus::CancelRejected => self.cancel_sent = false,
            OrderStatus::Triggered => self.triggered = true,
            OrderStatus::Denied
            | OrderStatus::Rejected
            | OrderStatus::Canceled
            | OrderStatus::Expired
            | OrderStatus::Submitted
            | OrderStatus::Accepted
            | OrderStatus::PendingModify
            | OrderStatus::PendingCancel
            | OrderStatus::Unknown
            | OrderStatus::Held
            | OrderStatus::Other => {}
        }
    }
}

/// Creates the update that reports an order's current state.
pub(super) fn update_of(
    id: ClientOrderId,
    live: &OpenOrder,
    status: OrderStatus,
    reason: Reason,
) -> OrderUpdate {
    OrderUpdate {
        instrument: live.instrument,
        strategy: id.strategy,
        order: id.number,
        price: live.price,
        size: live.size,
        filled: live.filled,
        stop_price: match live.triggered {
            true => Price::ZERO,
            false => live.stop_price,
        },
        reserved: Pad::ZERO,
        account: AccountId(0),
        status,
        reason,
        side: live.side,
        pad: Pad::ZERO,
    }
}

/// What an order counts for in the sums over all orders.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Share {
    /// What it may still fill beside other orders: of a held exit nothing, it leaves only where it can do no more than they do.
    open: i128,
    exits: u32,
    is_held: bool,
}

impl Share {
    fn of(live: &OpenOrder) -> Self {
        let is_held = live.held.is_some();
        let open = match is_held && live.reduce_only {
            true => 0,
            false => i128::from(live.left().0),
        };
        Self {
            open,
            exits: u32::from(live.reduce_only),
            is_held,
        }
    }
}

/// All working orders, in the order of their ids, so that iterating over them is deterministic.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    live: BTreeMap<ClientOrderId, OpenOrder>,
    /// What they would buy and sell if all were filled: maintained incrementally, because every order check needs it. Empty
    /// rows are removed.
    open: BTreeMap<(StrategyId, InstrumentId), StrategyOrders>,
    /// Those that the host holds.
    held: BTreeMap<InstrumentId, BTreeSet<ClientOrderId>>,
    /// The reduce-only orders that ended last: a fill of one may be on its way.
    ended_exits: VecDeque<ClientOrderId>,
}

/// What a strategy's orders in an instrument may still buy and sell. Wide enough for any number of orders of any size.
#[derive(Debug, Default, PartialEq)]
struct StrategyOrders {
    buys: i128,
    sells: i128,
    /// The number of reduce-only orders, held ones included.
    exits: u32,
}

impl Orders {
    pub(crate) fn add(&mut self, id: ClientOrderId, live: OpenOrder) {
        self.end(id);
        let share = Share::of(&live);
        self.count(id, (live.instrument, live.side), Share::default(), share);
        self.live.insert(id, live);
    }

    pub(crate) fn get(&self, id: ClientOrderId) -> Option<&OpenOrder> {
        self.live.get(&id)
    }

    /// Changes an order, if it is working, and the sums that depend on it.
    pub(crate) fn change(&mut self, id: ClientOrderId, change: impl FnOnce(&mut OpenOrder)) {
        let Some(live) = self.live.get_mut(&id) else {
            return;
        };
        let before = Share::of(live);
        change(live);
        let (instrument, side, after) = (live.instrument, live.side, Share::of(live));
        if before != after {
            self.count(id, (instrument, side), before, after);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ClientOrderId, &OpenOrder)> {
        self.live.iter().map(|(id, live)| (*id, live))
    }

    pub(crate) fn of(
        &self,
        strategy: StrategyId,
    ) -> impl Iterator<Item = (ClientOrderId, &OpenOrder)> {
        let first = ClientOrderId {
            strategy,
            number: OrderNumber::MIN,
        };
        let last = ClientOrderId {
            strategy,
            number: OrderNumber::MAX,
        };
        self.live
            .range((Bound::Included(first), Bound::Included(last)))
            .map(|(id, live)| (*id, live))
    }

    /// What a strategy's orders in an instrument would buy and sell if all were filled; `except` is left out.
    pub(crate) fn exposure(
        &self,
        strategy: StrategyId,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
    ) -> (Size, Size) {
        let Some(open) = self.open.get(&(strategy, instrument)) else {
            return (Size::ZERO, Size::ZERO);
        };
        let left_out = except
            .and_then(|id| self.live.get(&id))
            .filter(|live| live.instrument == instrument);
        let of_it = |side| {
            let live = left_out.filter(|live| live.side == side);
            live.map_or(0, |live| Share::of(live).open)
        };
        let size = |sum: i128| Size(i64::try_from(sum).unwrap_or(i64::MAX));
        (
            size(open.buys - of_it(Side::Buy)),
            size(open.sells - of_it(Side::Sell)),
        )
    }

    /// Whether an order that ended lately was reduce-only.
    pub(crate) fn was_exit(&self, id: ClientOrderId) -> bool {
        self.ended_exits.contains(&id)
    }

    /// Whether a strategy has reduce-only orders in an instrument.
    pub(crate) fn has_exits(&self, strategy: StrategyId, instrument: InstrumentId) -> bool {
        let open = self.open.get(&(strategy, instrument));
        open.is_some_and(|open| open.exits > 0)
    }

    /// Whether the host holds orders in an instrument.
    pub(crate) fn is_holding(&self, instrument: InstrumentId) -> bool {
        self.held.contains_key(&instrument)
    }

    /// The instruments in which the host holds orders.
    pub(crate) fn holding(&self) -> impl Iterator<Item = InstrumentId> {
        self.held.keys().copied()
    }

    /// The orders that the host holds in an instrument.
    pub(crate) fn held_in(&self, instrument: InstrumentId) -> Vec<ClientOrderId> {
        let held = self.held.get(&instrument).into_iter().flatten();
        held.copied().collect()
    }

    /// Applies an update of an order. `own`: it may be an answer of the host, which has no venue time of its own.
    pub(crate) fn update(&mut self, update: &OrderUpdate, own: bool) {
        let id = ClientOrderId {
            strategy: update.strategy,
            number: update.order,
        };
        match update.status {
            OrderStatus::Denied
            | OrderStatus::Rejected
            | OrderStatus::Canceled
            | OrderStatus::Expired => self.end(id),
            _ => {
                self.change(id, |live| live.update(update, own));
                self.remove_filled(id);
            }
        }
    }

    /// Applies a fill.
    pub(crate) fn fill(&mut self, id: ClientOrderId, size: Size) {
        self.change(id, |live| {
            live.filled = Size(live.filled.0.saturating_add(size.0));
        });
        self.remove_filled(id);
    }

    /// Removes an order of which nothing more can fill. While a modify is under way that makes it larger, something can.
    fn remove_filled(&mut self, id: ClientOrderId) {
        if self.get(id).is_some_and(|live| live.left() == Size::ZERO) {
            self.end(id);
        }
    }

    /// Removes an order that is done.
    pub(crate) fn end(&mut self, id: ClientOrderId) {
        if let Some(live) = self.live.remove(&id) {
            if live.reduce_only {
                self.ended_exits.truncate(MOST_ENDED - 1);
                self.ended_exits.push_front(id);
            }
            let share = Share::of(&live);
            self.count(id, (live.instrument, live.side), share, Share::default());
        }
    }

    /// Takes in that the share of an order changed.
    fn count(
        &mut self,
        id: ClientOrderId,
        (instrument, side): (InstrumentId, Side),
        before: Share,
        after: Share,
    ) {
        let row = (id.strategy, instrument);
        let sums = self.open.entry(row).or_default();
        let open = match side {
            Side::Buy => &mut sums.buys,
            Side::Sell => &mut sums.sells,
        };
        *open += after.open - before.open;
        sums.exits = sums.exits + after.exits - before.exits;
        if *sums == StrategyOrders::default() {
            self.open.remove(&row);
        }
        if after.is_held != before.is_held {
            let held = self.held.entry(instrument).or_default();
            match after.is_held {
                true => held.insert(id),
                false => held.remove(&id),
            };
            if held.is_empty() {
                self.held.remove(&instrument);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickdeck_model::{AccountId, Pad};

    /// The sum over all orders, one by one.
    fn walked(
        orders: &Orders,
        strategy: StrategyId,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
    ) -> (Size, Size) {
        let sum = |side| {
            let wanted = |(id, live): &(ClientOrderId, &OpenOrder)| {
                live.instrument == instrument && live.side == side && Some(*id) != except
            };
            let lefts = orders.of(strategy).filter(wanted);
            lefts.fold(Size::ZERO, |sum, (_, live)| {
                Size(sum.0.saturating_add(live.left().0))
            })
        };
        (sum(Side::Buy), sum(Side::Sell))
    }

    fn side(drawn: u8) -> Side {
        if drawn & 4 == 0 {
            Side::Buy
        } else {
            Side::Sell
        }
    }

    fn live(drawn: u8, size: i64) -> OpenOrder {
        OpenOrder {
            instrument: InstrumentId(u32::from(drawn % 3)),
            side: side(drawn),
            kind: OrderType::Limit,
            stop_price: Price(0),
            triggered: false,
            price: Price(1),
            size: Size(size),
            asked: VecDeque::new(),
            own_refusals: 0,
            filled: Size::ZERO,
            reduce_only: drawn & 8 != 0,
            held: None,
            own_changes: 0,
            cancel_sent: false,
            host_cancel: None,
            host_cancels: 0,
        }
    }

    fn asked(size: i64) -> NewTerms {
        NewTerms {
            price: Price(1),
            stop_price: Price::ZERO,
            size: Size(size),
        }
    }

    fn update(id: ClientOrderId, status: OrderStatus, size: i64) -> OrderUpdate {
        OrderUpdate {
            account: AccountId(0),
            reserved: Pad::ZERO,
            stop_price: Price::ZERO,
            instrument: InstrumentId(0),
            strategy: id.strategy,
            order: id.number,
            price: Price(2),
            size: Size(size),
            filled: Size::ZERO,
            status,
            reason: Reason::Normal,
            side: Side::Buy,
            pad: Pad::ZERO,
        }
    }

    const STATUSES: [OrderStatus; 8] = [
        OrderStatus::Accepted,
        OrderStatus::Replaced,
        OrderStatus::ModifyRejected,
        OrderStatus::CancelRejected,
        OrderStatus::Rejected,
        OrderStatus::Canceled,
        OrderStatus::Expired,
        OrderStatus::Denied,
    ];

    fn sizes() -> impl Strategy<Value = i64> {
        prop_oneof![1i64..100, 1i64..100, Just(i64::MAX), Just(i64::MAX - 7)]
    }

    #[test]
    fn an_order_that_filled_at_its_old_size_stays_until_the_larger_one_is_refused() {
        let id = ClientOrderId {
            strategy: StrategyId(1),
            number: 7,
        };
        let mut orders = Orders::default();
        orders.add(id, live(0, 10));
        orders.change(id, |live| live.asked.push_back(asked(20)));
        orders.fill(id, Size(10));
        assert_eq!(orders.get(id).map(OpenOrder::left), Some(Size(10)));
        orders.update(&update(id, OrderStatus::ModifyRejected, 10), false);
        assert!(orders.get(id).is_none());
    }

    proptest! {
        /// Whatever arrives, even in an order that no venue would send: the maintained sums equal those of a full walk, no row
        /// is left behind, and `except` leaves out exactly one order.
        #[test]
        fn what_is_kept_is_what_a_walk_gives(
            steps in prop::collection::vec((0u8..5, 0u32..3, 1u64..6, any::<u8>(), sizes()), 1..200),
        ) {
            let mut orders = Orders::default();
            for (effect, strategy, number, drawn, size) in steps {
                let id = ClientOrderId { strategy: StrategyId(strategy), number };
                match effect {
                    0 => orders.add(id, live(drawn, size)),
                    1 => orders.fill(id, Size(size)),
                    2 => orders.change(id, |live| live.asked.push_back(asked(size))),
                    3 => orders.change(id, |live| live.own_refusals += 1),
                    _ => {
                        let status = STATUSES[usize::from(drawn) % STATUSES.len()];
                        orders.update(&update(id, status, size), drawn & 64 == 0);
                    }
                }
                for instrument in (0..3).map(InstrumentId) {
                    for except in [None, Some(id)] {
                        let kept = orders.exposure(id.strategy, instrument, except);
                        prop_assert_eq!(kept, walked(&orders, id.strategy, instrument, except));
                    }
                }
                let at_work = orders.iter().filter(|(_, live)| live.left() > Size::ZERO);
                let mut rows: Vec<_> = at_work.map(|(id, live)| (id.strategy, live.instrument)).collect();
                rows.sort_unstable();
                rows.dedup();
                prop_assert!(orders.open.keys().copied().eq(rows));
            }
        }
    }
}
