//! What the strategy sees of the portfolio store: `wit/store.wit`.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{CurrencyId, InstrumentId, OrderNumber};
use crate::terms::{OrderStatus, OrderType, Side, TimeInForce};

/// What the strategy made in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capital {
    /// The currency.
    pub currency: CurrencyId,
    /// Allocated, plus realised, less fees.
    pub balance: Amount,
    /// Profit of closed positions before fees.
    pub realised: Amount,
    /// Fees paid, less rebates.
    pub fees: Amount,
}

/// An open position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// In what.
    pub instrument: InstrumentId,
    /// Above zero: long. Below: short.
    pub size: Size,
    /// What the open part cost in the quote currency, with the sign of `size`.
    pub cost: Amount,
    /// Mean entry price.
    pub average_price: Price,
    /// Profit of what was closed, before fees.
    pub realised: Amount,
}

/// An order that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkingOrder {
    /// The strategy's number for it.
    pub order: OrderNumber,
    /// In what.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// How it is priced.
    pub kind: OrderType,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// `None` for one just sent, which the host has not yet answered.
    pub status: Option<OrderStatus>,
    /// The limit price in force, 0 where the type has none.
    pub price: Price,
    /// The stop price, 0 where the type has none.
    pub stop_price: Price,
    /// The whole size in force.
    pub size: Size,
    /// Filled so far.
    pub filled: Size,
}

impl WorkingOrder {
    /// What is still to be filled.
    pub fn remaining(&self) -> Size {
        self.size - self.filled
    }

    /// Whether an answer to the order, or to an earlier modify or cancel of it, is outstanding. A cancel may be sent
    /// all the same; a modify had better wait.
    pub const fn is_pending(&self) -> bool {
        use OrderStatus::{PendingCancel, PendingModify, Submitted, Unknown};
        matches!(
            self.status,
            None | Some(Submitted | PendingModify | PendingCancel | Unknown)
        )
    }
}
