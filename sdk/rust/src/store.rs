//! Records of the portfolio store: `wit/store.wit`.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{AccountId, CurrencyId, InstrumentId, OrderNumber, Timestamp};
use crate::terms::{OrderStatus, OrderType, Side, TimeInForce};

/// The strategy's capital and results in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capital {
    /// The currency.
    pub currency: CurrencyId,
    /// Allocation plus realised profit minus fees.
    pub balance: Amount,
    /// Realised profit of closed positions, before fees.
    pub realised: Amount,
    /// Fees paid minus rebates.
    pub fees: Amount,
}

/// An open position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The account; 0 is the strategy's own.
    pub account: AccountId,
    /// The signed size: positive if long, negative if short.
    pub size: Size,
    /// The cost of the open part in the quote currency, with the sign of `size`.
    pub cost: Amount,
    /// The average entry price.
    pub average_price: Price,
    /// Realised profit of the closed part, before fees.
    pub realised: Amount,
}

/// An order that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkingOrder {
    /// The strategy's own number of the order.
    pub order: OrderNumber,
    /// The instrument.
    pub instrument: InstrumentId,
    /// The side.
    pub side: Side,
    /// The order type.
    pub kind: OrderType,
    /// The time in force.
    pub time_in_force: TimeInForce,
    /// The status; `None` for an order just sent, to which the host has not responded yet.
    pub status: Option<OrderStatus>,
    /// The limit price in force, 0 if the order type has none.
    pub price: Price,
    /// The stop price, 0 if the order type has none.
    pub stop_price: Price,
    /// The total size in force.
    pub size: Size,
    /// The size filled so far.
    pub filled: Size,
    /// The order that this one waits for.
    pub after: Option<OrderNumber>,
    /// Orders of the same group are alternatives; 0 for none.
    pub group: u32,
    /// The distance of a trailing stop, 0 for other types.
    pub trail: i64,
    /// When a GTD order expires, 0 for others.
    pub expires: Timestamp,
    /// Whether the order only closes the position.
    pub reduce_only: bool,
    /// The account; 0 is the strategy's own.
    pub account: AccountId,
}

impl WorkingOrder {
    /// Returns the size that is not filled yet.
    pub fn remaining(&self) -> Size {
        self.size - self.filled
    }

    /// Returns whether a response to the order, or to an earlier modify or cancel of it, is outstanding. A cancel may
    /// still be sent; a modify should wait.
    pub const fn is_pending(&self) -> bool {
        matches!(
            self.status,
            None | Some(
                OrderStatus::Submitted
                    | OrderStatus::PendingModify
                    | OrderStatus::PendingCancel
                    | OrderStatus::Unknown
            )
        )
    }

    /// Returns whether the host holds the order.
    pub const fn is_held(&self) -> bool {
        matches!(self.status, Some(OrderStatus::Held))
    }
}
