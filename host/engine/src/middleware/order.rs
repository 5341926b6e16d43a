//! A middleware between the strategies and the venues: a check of orders.

use crate::config::OrderLimits;
use crate::handle::Mode;
use tickdeck_model::{
    Instrument, OrderFormError, OrderType, Price, Quote, Reason, Side, Size, StrategyId, Submit,
    Timestamp, TrailBasis,
};

/// A check between the strategies and the venues. The limits of [`RiskConfig`](crate::RiskConfig) are the first one.
///
/// Also a pure fold: it sees every order and change in one fixed sequence, with what was known as of its cause, and nothing
/// else.
pub trait OrderMiddleware: Send {
    /// Sets the limits of a strategy from its next order or change on: it was swapped, or an operator changed them.
    fn set_limits(&mut self, _strategy: StrategyId, _limits: &OrderLimits) {}

    /// Checks a new order. The first middleware that refuses it denies it; later ones do not see it.
    ///
    /// # Errors
    /// The deny code and the values.
    fn check(&mut self, order: &Submit, at: &OrderContext<'_>) -> Result<(), Denial>;

    /// Checks a change of a working order, which is not counted among the context's open orders.
    ///
    /// # Errors
    /// The deny code and the values.
    fn check_change(&mut self, change: &OrderChange, at: &OrderContext<'_>) -> Result<(), Denial>;
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The deny code.
    pub reason: Reason,
    /// The values that violated the limit: `notional=31000.00, limit=25000`.
    pub values: String,
}

impl From<OrderFormError> for Denial {
    fn from(error: OrderFormError) -> Self {
        Self {
            reason: error.reason,
            values: error.values,
        }
    }
}

pub(crate) fn deny(reason: Reason, values: String) -> Result<(), Denial> {
    Err(Denial { reason, values })
}

/// A change of a working order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderChange {
    /// The order's side.
    pub side: Side,
    /// The order type.
    pub kind: OrderType,
    /// Its stop price, 0 where the type has none.
    pub stop_price: Price,
    /// The new distance of a trailing stop; 0 if it stays.
    pub trail: i64,
    /// The unit of that distance.
    pub trail_basis: TrailBasis,
    /// What is at work on the order's side beside it.
    pub beside: Size,
    /// Whether the stop was met: the order works as what it becomes.
    pub triggered: bool,
    /// The new limit price, 0 where the type has none.
    pub price: Price,
    /// The new total size.
    pub size: Size,
    /// The part of it that is not filled yet.
    pub left: Size,
    /// Whether the order may only reduce a position.
    pub reduce_only: bool,
    /// Whether the host holds the order: it has not left.
    pub is_held: bool,
}

/// What is known when an order is checked: the state as of the event that caused it.
#[derive(Debug)]
pub struct OrderContext<'a> {
    /// Host time of the cause.
    pub now: Timestamp,
    /// When the order leaves: later than its cause where the kernel runs freely, and never earlier.
    pub leaves_at: Timestamp,
    /// The strategy that sends it.
    pub strategy: StrategyId,
    /// What it trades.
    pub instrument: &'a Instrument,
    /// The last quote and when it arrived.
    pub quote: Option<(Quote, Timestamp)>,
    /// The venue has reported its data as outdated or wrong.
    pub stale: bool,
    /// The kill switch is on.
    pub killed: bool,
    /// What the strategy may do, the deck's mode included.
    pub mode: Mode,
    /// The strategy's position.
    pub position: Size,
    /// What its working orders would buy if all were filled.
    pub open_buys: Size,
    /// What its working orders would sell if all were filled.
    pub open_sells: Size,
}

impl OrderContext<'_> {
    /// Whether an order only reduces the position even if every working order on its side is filled first.
    pub fn only_reduces(&self, side: Side, size: Size) -> bool {
        let (held, open) = match side {
            Side::Buy => (self.position.0.checked_neg(), self.open_buys),
            Side::Sell => (Some(self.position.0), self.open_sells),
        };
        match (held, open.checked_add(size)) {
            (Some(held), Some(wanted)) => wanted.0 <= held,
            _ => false,
        }
    }

    /// Whether an order is no larger than the position on the other side, whatever else works: one that is reduce-only then leaves
    /// when there is room for it.
    pub fn fits_position(&self, side: Side, size: Size) -> bool {
        let held = i128::from(self.position.0) * -i128::from(side.sign());
        i128::from(size.0) <= held
    }

    /// The price at which an order would trade, if known.
    pub fn price_of(&self, order: &Submit) -> Option<Price> {
        if order.kind.has_price() {
            Some(order.price)
        } else {
            self.price_without_limit(order.side, order.stop_price)
        }
    }

    /// The price that values an order without a limit: it may trade at once, whatever its stop price says.
    pub(crate) fn price_without_limit(&self, side: Side, stop_price: Price) -> Option<Price> {
        let stop = (stop_price.0 > 0).then_some(stop_price);
        stop.max(self.far_side(side))
    }

    /// The price at which the market would take the other side.
    pub fn far_side(&self, side: Side) -> Option<Price> {
        let (quote, _) = self.quote?;
        let price = if side == Side::Buy {
            quote.ask
        } else {
            quote.bid
        };
        (price.0 > 0).then_some(price)
    }
}
