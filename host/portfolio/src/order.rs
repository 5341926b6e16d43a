//! A strategy's orders: those that are not done, and for a while those that are.

use crate::error::PortfolioError;
use crate::table::{Row, Table};
use std::collections::VecDeque;
use tickdeck_model::{
    ClientOrderId, Fill, InstrumentId, InvalidTransition, OrderEvent, OrderNumber, OrderState,
    OrderStatus, OrderUpdate, Price, Side, Size, Submit,
};

/// Maximum number of orders of one strategy that are not done.
pub const MAX_ORDERS: usize = 16_384;

/// How many ended orders a book remembers, so that a fill that crossed a cancel on the wire finds its order. A fill of an
/// older order is still folded, and reported.
pub const ENDED_REMEMBERED: usize = 256;

/// An order of a strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// The strategy's own number for it.
    pub number: OrderNumber,
    /// The order as it was sent.
    pub submit: Submit,
    /// The limit price in force, 0 where the type has none. In units of the instrument's price scale.
    pub price: Price,
    /// The stop price in force, 0 where the type has none. In units of the instrument's price scale.
    pub stop_price: Price,
    /// The total size in force, in units of the instrument's size scale.
    pub size: Size,
    /// Filled so far by the fills received, in units of the instrument's size scale.
    pub filled: Size,
    /// The state.
    pub state: OrderState,
}

impl Order {
    pub(crate) const fn new(submit: &Submit) -> Self {
        Self {
            number: submit.order,
            submit: *submit,
            price: submit.price,
            stop_price: submit.stop_price,
            size: submit.size,
            filled: Size::ZERO,
            state: OrderState::Initialised,
        }
    }

    /// The size that may still be filled, never below zero: zero once the order is finished. In units of the instrument's size
    /// scale.
    pub const fn remaining(&self) -> Size {
        if self.state.is_done() || self.size.0 <= self.filled.0 {
            return Size::ZERO;
        }
        Size(self.size.0.saturating_sub(self.filled.0))
    }

    fn is_about(&self, instrument: InstrumentId, side: Side) -> bool {
        self.submit.instrument == instrument && self.submit.side == side
    }

    /// Applies an update; if the transition is illegal, the order is left unchanged.
    fn take_update(&mut self, update: &OrderUpdate) -> Result<(), InvalidTransition> {
        let next = self.state.next(OrderEvent::Update(update.status))?;
        let was_unknown = self.state == OrderState::Unknown;
        let is_evidence = matches!(
            update.status,
            OrderStatus::Accepted | OrderStatus::Triggered
        );
        // Evidence that resolves an unknown state may follow a modify of which nobody knew whether it was carried out.
        if update.status == OrderStatus::Replaced || (was_unknown && is_evidence) {
            self.price = update.price;
            self.size = update.size;
        }
        let moves_stop = matches!(
            update.status,
            OrderStatus::Replaced | OrderStatus::Triggered
        );
        if moves_stop && update.stop_price.0 > 0 {
            self.stop_price = update.stop_price;
        }
        // The limit of a trailing one is known once it was triggered.
        if update.status == OrderStatus::Triggered && self.submit.kind.trails() {
            self.price = update.price;
        }
        self.state = next;
        Ok(())
    }

    /// Applies a fill; if it is not the order's or the transition is illegal, the order is left unchanged.
    fn take_fill(&mut self, fill: &Fill, order: ClientOrderId) -> Result<(), PortfolioError> {
        if !self.is_about(fill.instrument, fill.side) {
            let (instrument, side) = (fill.instrument, fill.side);
            return Err(PortfolioError::Mismatch {
                order,
                instrument,
                side,
            });
        }
        // Saturates only when overfilled many times over, which is reported below.
        let filled = Size(self.filled.0.saturating_add(fill.size.0));
        let event = OrderEvent::Fill {
            last: filled >= self.size,
        };
        self.state = self
            .state
            .next(event)
            .map_err(|source| PortfolioError::InvalidTransition { order, source })?;
        self.filled = filled;
        if filled > self.size {
            return Err(PortfolioError::Overfilled {
                order,
                filled,
                size: self.size,
            });
        }
        Ok(())
    }
}

/// The orders of a strategy, and the size of them that may still be filled on each side of each instrument.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Orders {
    /// Orders that are not done, by ascending number. Mostly the oldest ones end first, which is cheap with a deque.
    working: VecDeque<Order>,
    /// The last that ended, oldest first. Those that the host denied are left out: nothing can follow for them.
    ended: VecDeque<Order>,
    open: Table<Open>,
}

impl Clone for Orders {
    fn clone(&self) -> Self {
        Self {
            working: self.working.clone(),
            ended: self.ended.clone(),
            open: self.open.clone(),
        }
    }

    fn clone_from(&mut self, other: &Self) {
        let Self {
            working,
            ended,
            open,
        } = self;
        working.clone_from(&other.working);
        ended.clone_from(&other.ended);
        open.clone_from(&other.open);
    }
}

/// The sizes that working orders may still buy and sell of an instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    instrument: InstrumentId,
    /// Wide enough for any number of orders of any size, so that keeping it cannot fail.
    buy: i128,
    sell: i128,
}

impl Row for Open {
    type Key = InstrumentId;

    fn key(&self) -> InstrumentId {
        self.instrument
    }
}

impl Orders {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.working.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.working.len()
    }

    pub(crate) fn get(&self, number: OrderNumber) -> Option<&Order> {
        self.find(number).map(|at| &self.working[at])
    }

    pub(crate) fn ended(&self, number: OrderNumber) -> Option<&Order> {
        self.ended.iter().rev().find(|order| order.number == number)
    }

    /// The sizes that may still be bought and sold, capped at the largest size.
    pub(crate) fn open(&self, instrument: InstrumentId) -> (Size, Size) {
        let size = |sum: i128| Size(i64::try_from(sum).unwrap_or(i64::MAX));
        self.open
            .get(instrument)
            .map_or((Size::ZERO, Size::ZERO), |open| {
                (size(open.buy), size(open.sell))
            })
    }

    /// Adds an order whose number is above every other's.
    pub(crate) fn add(&mut self, order: Order) {
        debug_assert!(
            self.working
                .back()
                .is_none_or(|last| last.number < order.number)
        );
        let Submit {
            instrument, side, ..
        } = order.submit;
        self.adjust(instrument, side, i128::from(order.remaining().0));
        self.working.push_back(order);
    }

    pub(crate) fn update(&mut self, update: &OrderUpdate) -> Result<(), PortfolioError> {
        let id = ClientOrderId {
            strategy: update.strategy,
            number: update.order,
        };
        let invalid = |source| PortfolioError::InvalidTransition { order: id, source };
        let Some(at) = self.find(update.order) else {
            let ended = self
                .ended(update.order)
                .ok_or(PortfolioError::UnknownOrder { order: id })?;
            // An order that is done takes no update.
            return ended
                .state
                .next(OrderEvent::Update(update.status))
                .map(drop)
                .map_err(invalid);
        };
        if !self.working[at].is_about(update.instrument, update.side) {
            let (instrument, side) = (update.instrument, update.side);
            return Err(PortfolioError::Mismatch {
                order: id,
                instrument,
                side,
            });
        }
        self.change(at, |order| order.take_update(update))
            .map_err(invalid)
    }

    pub(crate) fn fill(&mut self, fill: &Fill) -> Result<(), PortfolioError> {
        let id = ClientOrderId {
            strategy: fill.strategy,
            number: fill.order,
        };
        if let Some(at) = self.find(fill.order) {
            return self.change(at, |order| order.take_fill(fill, id));
        }
        match self
            .ended
            .iter_mut()
            .rev()
            .find(|order| order.number == fill.order)
        {
            Some(order) => order.take_fill(fill, id),
            None => Err(PortfolioError::UnknownOrder { order: id }),
        }
    }

    fn find(&self, number: OrderNumber) -> Option<usize> {
        // Numbers increase by at least one, so an order's index is at most its number's distance from the first; without gaps
        // it is exactly that.
        let above = number.checked_sub(self.working.front()?.number)?;
        let at = usize::try_from(above)
            .unwrap_or(usize::MAX)
            .min(self.working.len() - 1);
        if self.working[at].number == number {
            return Some(at);
        }
        self.working
            .binary_search_by_key(&number, |order| order.number)
            .ok()
    }

    /// Changes a working order, and the sums that depend on it.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Order) -> R) -> R {
        let order = &mut self.working[at];
        let before = order.remaining();
        let result = change(order);
        let change = i128::from(order.remaining().0) - i128::from(before.0);
        let (
            is_done,
            Submit {
                instrument, side, ..
            },
        ) = (order.state.is_done(), order.submit);
        self.adjust(instrument, side, change);
        if is_done {
            self.end(at);
        }
        result
    }

    fn end(&mut self, at: usize) {
        // Mostly the oldest ends first, and a deque removes that without moving any other.
        let order = if at == 0 {
            self.working.pop_front()
        } else {
            self.working.remove(at)
        };
        let Some(order) = order else {
            return;
        };
        if order.state == OrderState::Denied {
            return;
        }
        if self.ended.len() == ENDED_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(order);
    }

    fn adjust(&mut self, instrument: InstrumentId, side: Side, change: i128) {
        if change == 0 {
            return;
        }
        let open = self.open.row(instrument, || Open {
            instrument,
            buy: 0,
            sell: 0,
        });
        match side {
            Side::Buy => open.buy += change,
            Side::Sell => open.sell += change,
        }
        // Zero rows are removed, so that a strategy that names instruments at random cannot grow the table.
        if open.buy == 0 && open.sell == 0 {
            self.open.remove(instrument);
        }
    }
}
