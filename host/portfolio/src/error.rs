//! Why an event or an order could not be folded.

use tickdeck_model::{
    ClientOrderId, CurrencyId, InstrumentId, InvalidTransition, MoneyError, OrderNumber, Side,
    Size, StrategyId,
};

/// Why an event or an order could not be folded. [`PortfolioError::is_anomaly`] distinguishes errors after which the fold
/// continues from those that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortfolioError {
    /// No book is kept for the strategy; nothing changed. Open the strategy first, or offer the order to the replica
    /// that keeps its book.
    #[error("no book is kept for strategy {strategy}")]
    UnknownStrategy {
        /// The strategy.
        strategy: StrategyId,
    },
    /// The order's number is not above every earlier one; nothing changed. The strategy broke the contract: refuse the
    /// order.
    #[error("strategy {strategy} numbered an order {got}, its next free number is {next}")]
    OrderNumber {
        /// The strategy.
        strategy: StrategyId,
        /// The number given.
        got: OrderNumber,
        /// The smallest number that it may use.
        next: OrderNumber,
    },
    /// The strategy has as many working orders as a book holds; nothing changed. Refuse the order.
    #[error("strategy {strategy} has {limit} orders that are not done, and no book holds more")]
    TooManyOrders {
        /// The strategy.
        strategy: StrategyId,
        /// The maximum, [`MAX_ORDERS`](crate::MAX_ORDERS).
        limit: usize,
    },
    /// The portfolio does not know the instrument; nothing changed. Add it before its events are folded.
    #[error("instrument {instrument} is not known to the portfolio")]
    UnknownInstrument {
        /// The instrument.
        instrument: InstrumentId,
    },
    /// The portfolio does not know the currency; nothing changed. Add it before its events are folded.
    #[error("currency {currency} is not known to the portfolio")]
    UnknownCurrency {
        /// The currency.
        currency: CurrencyId,
    },
    /// The fill's size is not above zero; nothing changed. The gateway misread the venue.
    #[error("a fill of order {order} on instrument {instrument} has size {}", size.0)]
    FillSize {
        /// The order.
        order: ClientOrderId,
        /// The instrument.
        instrument: InstrumentId,
        /// The size, in units of the instrument's size scale.
        size: Size,
    },
    /// A sum left the range of its type; nothing changed. The books no longer tell what is held: stop trading the
    /// instrument.
    #[error("the books of instrument {instrument} would leave their range")]
    OutOfRange {
        /// The instrument.
        instrument: InstrumentId,
        /// The calculation that failed.
        source: MoneyError,
    },
    /// An anomaly: the book knows no such order, or ended it too long ago to remember. A fill was folded into the
    /// position, an update changed nothing. Look for the order at the venue.
    #[error("order {order} is not in the strategy's book")]
    UnknownOrder {
        /// The order.
        order: ClientOrderId,
    },
    /// An anomaly: the order cannot take this event in its state and is unchanged. A fill was folded into the
    /// position. Query the order's state at the venue.
    #[error("order {order} is unchanged")]
    InvalidTransition {
        /// The order.
        order: ClientOrderId,
        /// The state and the event.
        source: InvalidTransition,
    },
    /// An anomaly: the event is about another instrument or side than the order, which is unchanged. A fill was
    /// folded into the position of the instrument that it names. The gateway mixed up two orders.
    #[error(
        "an event of order {order} is about {side} of instrument {instrument}, the order is not"
    )]
    Mismatch {
        /// The order.
        order: ClientOrderId,
        /// The instrument the event names.
        instrument: InstrumentId,
        /// The side the event names.
        side: Side,
    },
    /// An anomaly: more was filled than the order's size. The fill was folded into the position and the order is
    /// filled. Compare the position with the venue's.
    #[error("order {order} of size {} was filled {}", size.0, filled.0)]
    Overfilled {
        /// The order.
        order: ClientOrderId,
        /// Total filled size, in units of the instrument's size scale.
        filled: Size,
        /// The total size in force, in units of the instrument's size scale.
        size: Size,
    },
}

impl PortfolioError {
    /// Whether the venue or the host lost track of an order: a fill was still folded into positions, capital and account, and
    /// folding may continue. After any other error nothing has changed.
    pub const fn is_anomaly(&self) -> bool {
        matches!(
            self,
            Self::UnknownOrder { .. }
                | Self::InvalidTransition { .. }
                | Self::Mismatch { .. }
                | Self::Overfilled { .. }
        )
    }
}
