//! Orders at work at the venues, as the router knows them: from the moment they leave until they are done.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use tickdeck_model::{
    ClientOrderId, InstrumentId, OrderNumber, OrderStatus, OrderType, OrderUpdate, Price, Side,
    Size, StrategyId,
};

/// An order at work.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) kind: OrderType,
    pub(crate) stop_price: Price,
    pub(crate) price: Price,
    /// The size in force.
    pub(crate) size: Size,
    /// The sizes that modifies under way would make it, in the order they left; a venue answers in that order.
    pub(crate) asked: VecDeque<Size>,
    /// Refusals of ours that are on their way to the tape: they answer no modify that left.
    pub(crate) own_refusals: u32,
    pub(crate) filled: Size,
    pub(crate) reduce_only: bool,
    pub(crate) cancel_sent: bool,
}

impl Live {
    /// What may still fill, at worst.
    pub(crate) fn left(&self) -> Size {
        let size = self.asked.iter().copied().fold(self.size, Size::max);
        Size((size.0 - self.filled.0).max(0))
    }
}

/// All orders at work, in the order of their ids, so that what is done to all of them is done in one order.
#[derive(Debug, Default)]
pub(crate) struct Orders(BTreeMap<ClientOrderId, Live>);

impl Orders {
    pub(crate) fn add(&mut self, id: ClientOrderId, live: Live) {
        self.0.insert(id, live);
    }

    pub(crate) fn get_mut(&mut self, id: ClientOrderId) -> Option<&mut Live> {
        self.0.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ClientOrderId, &Live)> {
        self.0.iter().map(|(id, live)| (*id, live))
    }

    pub(crate) fn of(&self, strategy: StrategyId) -> impl Iterator<Item = (ClientOrderId, &Live)> {
        let first = ClientOrderId {
            strategy,
            number: OrderNumber::MIN,
        };
        let last = ClientOrderId {
            strategy,
            number: OrderNumber::MAX,
        };
        self.0
            .range((Bound::Included(first), Bound::Included(last)))
            .map(|(id, live)| (*id, live))
    }

    /// What a strategy's orders in an instrument would buy and sell, were all filled; `except` is left out.
    pub(crate) fn exposure(
        &self,
        strategy: StrategyId,
        instrument: InstrumentId,
        except: Option<ClientOrderId>,
    ) -> (Size, Size) {
        let (mut buys, mut sells) = (Size::ZERO, Size::ZERO);
        for (id, live) in self.of(strategy) {
            if live.instrument == instrument && Some(id) != except {
                let sum = if live.side == Side::Buy {
                    &mut buys
                } else {
                    &mut sells
                };
                *sum = Size(sum.0.saturating_add(live.left().0));
            }
        }
        (buys, sells)
    }

    /// Takes in what became of an order. `own`: it may be an answer of ours, which has no venue time of its own.
    pub(crate) fn update(&mut self, update: &OrderUpdate, own: bool) {
        let id = ClientOrderId {
            strategy: update.strategy,
            number: update.order,
        };
        let Some(live) = self.0.get_mut(&id) else {
            return;
        };
        match update.status {
            OrderStatus::Denied
            | OrderStatus::Rejected
            | OrderStatus::Canceled
            | OrderStatus::Expired => drop(self.0.remove(&id)),
            OrderStatus::Replaced => {
                live.price = update.price;
                live.size = update.size;
                live.asked.pop_front();
            }
            OrderStatus::ModifyRejected if live.own_refusals > 0 && own => live.own_refusals -= 1,
            OrderStatus::ModifyRejected => drop(live.asked.pop_front()),
            OrderStatus::CancelRejected => live.cancel_sent = false,
            OrderStatus::Submitted
            | OrderStatus::Accepted
            | OrderStatus::Triggered
            | OrderStatus::PendingModify
            | OrderStatus::PendingCancel
            | OrderStatus::Unknown => {}
        }
    }

    /// Takes in a fill.
    pub(crate) fn fill(&mut self, id: ClientOrderId, size: Size) {
        if let Some(live) = self.0.get_mut(&id) {
            live.filled = Size(live.filled.0.saturating_add(size.0));
            if live.filled >= live.size {
                self.0.remove(&id);
            }
        }
    }
}
