//! What can happen: `event` of `wit/events.wit`, laid out so that a batch is read where the host put it.
//!
//! [`Event`] has, byte for byte, the component model's canonical layout (`docs/LAYOUT.md`), which the assertions at
//! the end of this file pin down. That is why every record is `repr(C)` and keeps the order of the WIT.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, Timestamp, VenueId};
use crate::terms::{
    Aggressor, BarBasis, BookChange, Liquidity, OrderStatus, Reason, Side, VenueScope, VenueState,
};

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Event {
    /// Rises by one with every event of the deck, so a strategy that sees a part of them sees gaps.
    pub sequence: u64,
    /// When it happened, by the venue's clock; equal to `ts_host` where the venue does not say.
    pub ts_venue: Timestamp,
    /// When the host received it. Never falls from one event to the next.
    pub ts_host: Timestamp,
    /// What happened.
    pub body: Body,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, u8)]
pub enum Body {
    /// The best bid and ask.
    Quote(Quote),
    /// A public trade.
    Trade(Trade),
    /// One level of the book.
    Book(BookUpdate),
    /// A bar closed.
    Bar(Bar),
    /// A change of an own order.
    Order(OrderUpdate),
    /// A fill of an own order.
    Fill(Fill),
    /// A published value.
    Signal(Signal),
    /// An own timer came due.
    Timer(Timer),
    /// How a venue is.
    Venue(VenueStatus),
    /// The account's balance in one currency.
    Account(Account),
    /// Events were left out.
    Lagged(Lagged),
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident in $case:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }

        impl From<$name> for Body {
            fn from(record: $name) -> Self { Self::$case(record) }
        }
    )+};
}

records! {
    /// The venue's best bid and ask. A side without orders has price and size zero.
    Quote in Quote {
        /// What it is about.
        instrument: InstrumentId,
        /// Best bid.
        bid: Price,
        /// Size at the best bid.
        bid_size: Size,
        /// Best ask.
        ask: Price,
        /// Size at the best ask.
        ask_size: Size,
    }

    /// A public trade.
    Trade in Trade {
        /// What it is about.
        instrument: InstrumentId,
        /// Who crossed the spread.
        aggressor: Aggressor,
        /// Price of the trade.
        price: Price,
        /// Size of the trade.
        size: Size,
        /// The venue's number for it, rising within the instrument.
        trade_id: u64,
    }

    /// One level of the book. A venue message of many levels is many events; the last one has `last` set, and only
    /// then is the book one the venue ever showed. [`Book`](crate::Book) applies them.
    BookUpdate in Book {
        /// What it is about.
        instrument: InstrumentId,
        /// How to apply it.
        change: BookChange,
        /// The level's side.
        side: Side,
        /// Set on the last level of a venue's message.
        last: bool,
        /// The level's price.
        price: Price,
        /// The level's whole size; zero: the level is gone.
        size: Size,
        /// The venue's number for the message.
        update_id: u64,
    }

    /// Trades gathered into a bar. Bars without a trade are not sent.
    Bar in Bar {
        /// What it is about.
        instrument: InstrumentId,
        /// In the unit that `basis` names: milliseconds, trades, lots.
        step: u32,
        /// First price.
        open: Price,
        /// Highest price.
        high: Price,
        /// Lowest price.
        low: Price,
        /// Last price.
        close: Price,
        /// Sum of the trades' sizes.
        volume: Size,
        /// Number of trades.
        trades: u32,
        /// What closed it.
        basis: BarBasis,
    }

    /// A change of one of the strategy's own orders; the store has taken it in already.
    OrderUpdate in Order {
        /// What it is about.
        instrument: InstrumentId,
        /// Whose order.
        strategy: StrategyId,
        /// The strategy's number for it.
        order: OrderNumber,
        /// The limit price now in force, 0 where the type has none.
        price: Price,
        /// The whole size now in force.
        size: Size,
        /// Filled so far.
        filled: Size,
        /// What happened.
        status: OrderStatus,
        /// Why.
        reason: Reason,
        /// Side of the order.
        side: Side,
    }

    /// A fill of one of the strategy's own orders; the store has taken it in already.
    Fill in Fill {
        /// What it is about.
        instrument: InstrumentId,
        /// Whose order.
        strategy: StrategyId,
        /// The strategy's number for it.
        order: OrderNumber,
        /// The venue's number for the trade.
        trade_id: u64,
        /// Price of the fill.
        price: Price,
        /// Size of the fill.
        size: Size,
        /// Above zero: paid. Below zero: a rebate.
        fee: Amount,
        /// What the fee is paid in.
        fee_currency: CurrencyId,
        /// Side of the order.
        side: Side,
        /// Whether it took or gave liquidity.
        liquidity: Liquidity,
    }

    /// A value published under a name, by a collector or by another strategy's `notify`.
    Signal in Signal {
        /// The strategy that published it; 0 for a collector of the host.
        source: StrategyId,
        /// The name it was published under.
        name: TextId,
        /// Never NaN.
        value: f64,
    }

    /// A timer of the strategy's own came due.
    Timer in Timer {
        /// Whose timer.
        strategy: StrategyId,
        /// The strategy's number for it.
        id: u32,
        /// When it was due; the event's `ts_host` is when it fired, never before.
        due: Timestamp,
    }

    /// How a venue, or its data for an instrument, is.
    VenueStatus in Venue {
        /// The venue.
        venue: VenueId,
        /// The instrument, for that scope.
        instrument: InstrumentId,
        /// What it is about.
        scope: VenueScope,
        /// How it is.
        state: VenueState,
    }

    /// The account's balance in one currency, as the venue states it.
    Account in Account {
        /// The venue.
        venue: VenueId,
        /// The currency.
        currency: CurrencyId,
        /// The whole balance.
        total: Amount,
        /// What no working order holds.
        free: Amount,
    }

    /// Events of this strategy's subscriptions were left out because it was too slow.
    Lagged in Lagged {
        /// First sequence of the stretch.
        first: u64,
        /// Last sequence of the stretch.
        last: u64,
        /// How many events of the ring the stretch held.
        dropped: u64,
    }
}

impl Quote {
    /// The middle between bid and ask in price units, or `None` if a side is empty.
    pub fn mid(&self) -> Option<f64> {
        let both = self.bid_size.0 > 0 && self.ask_size.0 > 0;
        both.then_some((self.bid.0 + self.ask.0) as f64 / 2.0)
    }
}

impl VenueStatus {
    /// Whether quotes can be trusted and orders sent after this status.
    pub const fn is_good(&self) -> bool {
        matches!(self.state, VenueState::Connected | VenueState::Live)
    }

    /// Whether the status is about this instrument, or about the whole of its venue.
    pub fn concerns(&self, instrument: &crate::Instrument) -> bool {
        match self.scope {
            VenueScope::Venue => self.venue == instrument.venue,
            VenueScope::Instrument => self.instrument == instrument.id,
        }
    }
}

impl Event {
    /// Bytes of an event in the canonical layout.
    pub const SIZE: usize = 88;
}

/// Asserts that a record is laid out as the canonical ABI lays it out: size, then each field's offset.
macro_rules! assert_layout {
    ($record:ident, $size:literal, $($field:ident: $at:literal),+) => {
        const _: () = {
            assert!(size_of::<$record>() == $size && align_of::<$record>() <= 8);
            $(assert!(core::mem::offset_of!($record, $field) == $at);)+
        };
    };
}

assert_layout!(Event, 88, sequence: 0, ts_venue: 8, ts_host: 16, body: 24);
assert_layout!(Quote, 40, instrument: 0, bid: 8, bid_size: 16, ask: 24, ask_size: 32);
assert_layout!(Trade, 32, instrument: 0, aggressor: 4, price: 8, size: 16, trade_id: 24);
assert_layout!(
    BookUpdate, 32, instrument: 0, change: 4, side: 5, last: 6, price: 8, size: 16, update_id:
    24
);
assert_layout!(
    Bar, 56, instrument: 0, step: 4, open: 8, high: 16, low: 24, close: 32, volume: 40, trades:
    48, basis: 52
);
assert_layout!(
    OrderUpdate, 48, instrument: 0, strategy: 4, order: 8, price: 16, size: 24, filled: 32,
    status: 40, reason: 41, side: 42
);
assert_layout!(
    Fill, 56, instrument: 0, strategy: 4, order: 8, trade_id: 16, price: 24, size: 32, fee: 40,
    fee_currency: 48, side: 52, liquidity: 53
);
assert_layout!(Signal, 16, source: 0, name: 4, value: 8);
assert_layout!(Timer, 16, strategy: 0, id: 4, due: 8);
assert_layout!(VenueStatus, 12, venue: 0, instrument: 4, scope: 8, state: 9);
assert_layout!(Account, 24, venue: 0, currency: 4, total: 8, free: 16);
assert_layout!(Lagged, 24, first: 0, last: 8, dropped: 16);
// `repr(C, u8)`: the one-byte discriminant first (24 in the event), then the union at the records' alignment (32).
const _: () =
    assert!(size_of::<Body>() == 64 && align_of::<Body>() == 8 && align_of::<Event>() == 8);
