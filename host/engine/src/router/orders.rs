//! Working orders, as the router knows them: from the moment they leave until they are done.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use tickdeck_model::{
    ClientOrderId, InstrumentId, OrderNumber, OrderStatus, OrderType, OrderUpdate, Price, Reason,
    Side, Size, StrategyId, Submit,
};

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
    /// The sizes requested by modifies in flight, in the order in which they left; a venue answers in that order.
    pub(crate) asked: VecDeque<Size>,
    /// Denials of the host that are on their way to the tape: they do not answer a modify in flight.
    pub(crate) own_refusals: u32,
    pub(crate) filled: Size,
    pub(crate) reduce_only: bool,
    pub(crate) cancel_sent: bool,
    /// The host wants it gone, for this reason: a venue that refuses the cancel is asked again.
    pub(crate) host_cancel: Option<Reason>,
    /// Cancels that the host sent for that reason.
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
            reduce_only: order.reduce_only,
            filled: Size::ZERO,
            cancel_sent: false,
            host_cancel: None,
            host_cancels: 0,
        }
    }

    /// The size that may still be filled, at worst.
    pub(crate) fn left(&self) -> Size {
        let size = self.asked.iter().copied().fold(self.size, Size::max);
        Size((size.0 - self.filled.0).max(0))
    }

    /// Applies an update that does not end the order. `own`: it may be an answer of the host.
    fn update(&mut self, update: &OrderUpdate, own: bool) {
        match update.status {
            OrderStatus::Replaced => {
                self.price = update.price;
                self.size = update.size;
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
            | OrderStatus::Unknown => {}
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
}

/// What a strategy's orders in an instrument may still buy and sell. Wide enough for any number of orders of any size.
#[derive(Debug, Default, PartialEq)]
struct StrategyOrders {
    buys: i128,
    sells: i128,
}

impl Orders {
    pub(crate) fn add(&mut self, id: ClientOrderId, live: OpenOrder) {
        self.remove(id);
        let row = (id.strategy, live.instrument, live.side);
        adjust(&mut self.open, row, live.left().0.into());
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
        let before = live.left();
        change(live);
        let by = i128::from(live.left().0) - i128::from(before.0);
        if by != 0 {
            let row = (id.strategy, live.instrument, live.side);
            adjust(&mut self.open, row, by);
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
            live.map_or(0, |live| i128::from(live.left().0))
        };
        let size = |sum: i128| Size(i64::try_from(sum).unwrap_or(i64::MAX));
        (
            size(open.buys - of_it(Side::Buy)),
            size(open.sells - of_it(Side::Sell)),
        )
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
            | OrderStatus::Expired => self.remove(id),
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
            self.remove(id);
        }
    }

    fn remove(&mut self, id: ClientOrderId) {
        if let Some(live) = self.live.remove(&id) {
            let row = (id.strategy, live.instrument, live.side);
            adjust(&mut self.open, row, -i128::from(live.left().0));
        }
    }
}

fn adjust(
    open: &mut BTreeMap<(StrategyId, InstrumentId), StrategyOrders>,
    (strategy, instrument, side): (StrategyId, InstrumentId, Side),
    by: i128,
) {
    let row = (strategy, instrument);
    let sums = open.entry(row).or_default();
    match side {
        Side::Buy => sums.buys += by,
        Side::Sell => sums.sells += by,
    }
    if *sums == StrategyOrders::default() {
        open.remove(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickdeck_model::Pad;

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
            reduce_only: false,
            cancel_sent: false,
            host_cancel: None,
            host_cancels: 0,
        }
    }

    fn update(id: ClientOrderId, status: OrderStatus, size: i64) -> OrderUpdate {
        OrderUpdate {
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
        orders.change(id, |live| live.asked.push_back(Size(20)));
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
                    2 => orders.change(id, |live| live.asked.push_back(Size(size))),
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
