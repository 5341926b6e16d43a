//! Orders and outcomes of the book.

use tickdeck_engine::port::NewTerms;
use tickdeck_model::{OrderType, Price, Reason, Side, Size, TimeInForce};

/// An order as it reaches the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookOrder {
    /// Unique among the working orders.
    pub id: u64,
    /// Orders of one account never trade with each other; `None` trades with everyone.
    pub account: Option<u32>,
    /// Buy or sell.
    pub side: Side,
    /// The order type.
    pub kind: OrderType,
    /// Its time in force.
    pub time_in_force: TimeInForce,
    /// Rejected rather than traded at once. Only for limit orders that may rest.
    pub post_only: bool,
    /// Total size.
    pub size: Size,
    /// Limit price; 0 where the type has none.
    pub price: Price,
    /// Stop price; 0 where the type has none.
    pub stop_price: Price,
}

/// An order that rests in the book or waits for its stop price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestingOrder {
    /// The order, with the price and total size now in force.
    pub order: BookOrder,
    /// Filled so far.
    pub filled: Size,
}

impl RestingOrder {
    /// The size that is not filled yet.
    pub fn left(&self) -> Size {
        Size(self.order.size.0 - self.filled.0)
    }
}

/// The outcome of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOutcome {
    /// Accepted: the order trades, rests or waits for its stop price. Only a submit has this outcome.
    Accepted {
        /// The order's id.
        id: u64,
    },
    /// Not accepted.
    Rejected {
        /// The order's id.
        id: u64,
        /// Why.
        reason: Reason,
    },
    /// The stop price was reached: the order trades or rests from now on.
    Triggered {
        /// The order's id.
        id: u64,
    },
    /// Two orders traded.
    Traded(Match),
    /// The order now works with these terms.
    Replaced {
        /// The order's id.
        id: u64,
        /// Its new terms.
        terms: NewTerms,
    },
    /// The order works as before.
    ModifyRejected {
        /// The order's id.
        id: u64,
        /// Why.
        reason: Reason,
    },
    /// Taken off the book on request.
    Canceled {
        /// The order's id.
        id: u64,
    },
    /// There is no such order to cancel.
    CancelRejected {
        /// The order's id.
        id: u64,
        /// Why.
        reason: Reason,
    },
    /// The remainder ended by the order's own terms.
    Expired {
        /// The order's id.
        id: u64,
        /// Why; [`Reason::SelfTrade`] where an incoming order of its own account met it.
        reason: Reason,
    },
}

/// A trade between two orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The order that was there first.
    pub maker: u64,
    /// The order that crossed the spread.
    pub taker: u64,
    /// The taker's side.
    pub side: Side,
    /// The maker's price.
    pub price: Price,
    /// The size.
    pub size: Size,
}

/// A price level as the public sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelView {
    /// Its price.
    pub price: Price,
    /// Total remaining size of its orders, capped at the largest `i64`.
    pub size: Size,
    /// Number of orders.
    pub orders: u32,
}

/// The liquidity that an order would find on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The size that it would fill.
    pub size: Size,
    /// The last price it would trade at; `None` if it would not trade.
    pub worst: Option<Price>,
}
