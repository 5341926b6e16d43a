//! Events: `event` of `wit/events.wit`, laid out so that a batch is read in place.
//!
//! [`Event`] has exactly the component model's canonical layout (`docs/LAYOUT.md`), as the assertions below the records
//! prove. Every record is therefore `repr(C)` and keeps the field order of the WIT.
//!
//! A new kind is a line of `bodies!`, a record of `records!` and a line of `assert_layout!`; its handler is in
//! `strategy.rs`.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{
    AccountId, CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, Timestamp, VenueId,
};
use crate::terms::{
    Aggressor, BarBasis, BookChange, Liquidity, OrderStatus, Reason, Side, VenueScope, VenueState,
};
use crate::wire::Field;
use core::mem::offset_of;

/// Offsets of the body's discriminant and record in an event.
const KIND_AT: usize = 24;
const RECORD_AT: usize = 32;

/// An event.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Event {
    /// The number of the event. It increases by one with every event of the deck, so a strategy that receives only some
    /// of them sees gaps.
    pub sequence: u64,
    /// The time of the event by the venue's clock; equal to `ts_host` if the venue does not report one.
    pub ts_venue: Timestamp,
    /// The time at which the host received the event. Never decreases from one event to the next.
    pub ts_host: Timestamp,
    /// The kind of event, with its record.
    pub body: Body,
}

macro_rules! bodies {
    ($($(#[$doc:meta])* $case:ident($record:ident),)+) => {
        /// The body of an event.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[repr(C, u8)]
        pub enum Body { $($(#[$doc])* $case($record),)+ }

        impl Body {
            /// Reads the record of each kind, in the order of their discriminants.
            const READERS: &[fn(&[u8]) -> Option<Self>] =
                &[$(|record| Field::read(record).map(Self::$case),)+];
        }

        $(impl From<$record> for Body {
            fn from(record: $record) -> Self { Self::$case(record) }
        })+
    };
}

bodies! {
    /// The best bid and ask.
    Quote(Quote),
    /// A public trade.
    Trade(Trade),
    /// One level of the order book.
    Book(BookUpdate),
    /// A bar closed.
    Bar(Bar),
    /// A change of one of the strategy's own orders.
    Order(OrderUpdate),
    /// A fill of one of the strategy's own orders.
    Fill(Fill),
    /// A published value.
    Signal(Signal),
    /// One of the strategy's own timers fired.
    Timer(Timer),
    /// The state of a venue.
    Venue(VenueStatus),
    /// The account's balance in one currency.
    Account(Account),
    /// Events were skipped.
    Lagged(Lagged),
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }

        impl Field for $name {
            // Each field has the offset of the contract, as `assert_layout!` proves.
            fn read(bytes: &[u8]) -> Option<Self> {
                Some(Self { $($field: Field::read(bytes.get(offset_of!(Self, $field)..)?)?,)+ })
            }
        }
    )+};
}

records! {
    /// The venue's best bid and ask. A side without orders has price and size zero.
    Quote {
        /// The instrument.
        instrument: InstrumentId,
        /// Best bid.
        bid: Price,
        /// Size at the best bid.
        bid_size: Size,
        /// Best ask.
        ask: Price,
        /// Size at the best ask.
        ask_size: Size,
        #[doc(hidden)]
        reserved: u64,
    }

    /// A public trade.
    Trade {
        /// The instrument.
        instrument: InstrumentId,
        /// The side that crossed the spread.
        aggressor: Aggressor,
        /// Price of the trade.
        price: Price,
        /// Size of the trade.
        size: Size,
        /// The venue's number of the trade, increasing within the instrument.
        trade_id: u64,
        #[doc(hidden)]
        reserved: u64,
    }

    /// One level of the order book. A venue message with many levels becomes many events, of which the last has `last`
    /// set. Only after that one does the book show a state that the venue published. [`Book`](crate::Book) applies them.
    BookUpdate {
        /// The instrument.
        instrument: InstrumentId,
        /// The kind of change.
        change: BookChange,
        /// The level's side.
        side: Side,
        /// Set on the last level of a venue message.
        last: bool,
        /// The level's price.
        price: Price,
        /// The level's total size; zero if the level was removed.
        size: Size,
        /// The venue's number of the message.
        update_id: u64,
        #[doc(hidden)]
        reserved: u64,
    }

    /// A bar of aggregated trades. Bars without a trade are not sent.
    Bar {
        /// The instrument.
        instrument: InstrumentId,
        /// The step in the unit of `basis`: milliseconds, trades, lots.
        step: u32,
        /// First price.
        open: Price,
        /// Highest price.
        high: Price,
        /// Lowest price.
        low: Price,
        /// Last price.
        close: Price,
        /// Sum of the trade sizes.
        volume: Size,
        #[doc(hidden)]
        reserved: u64,
        /// Number of trades.
        trades: u32,
        /// The measure that closed the bar.
        basis: BarBasis,
    }

    /// A change of one of the strategy's own orders. The store already reflects it.
    OrderUpdate {
        /// The instrument.
        instrument: InstrumentId,
        /// The strategy that owns the order.
        strategy: StrategyId,
        /// The strategy's own number of the order.
        order: OrderNumber,
        /// The limit price now in force, 0 if the order type has none.
        price: Price,
        /// The total size now in force.
        size: Size,
        /// The size filled so far.
        filled: Size,
        /// The stop price now in force, 0 if the order type has none or the stop was triggered.
        stop_price: Price,
        #[doc(hidden)]
        reserved: u64,
        /// The account; 0 is the strategy's own.
        account: AccountId,
        /// The new status.
        status: OrderStatus,
        /// The reason for the change.
        reason: Reason,
        /// Side of the order.
        side: Side,
    }

    /// A fill of one of the strategy's own orders. The store already reflects it.
    Fill {
        /// The instrument.
        instrument: InstrumentId,
        /// The strategy that owns the order.
        strategy: StrategyId,
        /// The strategy's own number of the order.
        order: OrderNumber,
        /// The venue's number of the trade.
        trade_id: u64,
        /// Price of the fill.
        price: Price,
        /// Size of the fill.
        size: Size,
        /// Positive if a fee was paid, negative for a rebate.
        fee: Amount,
        #[doc(hidden)]
        reserved: u64,
        /// The currency of the fee.
        fee_currency: CurrencyId,
        /// The account; 0 is the strategy's own.
        account: AccountId,
        /// Whether the fill provided or took liquidity.
        liquidity: Liquidity,
        /// Side of the order.
        side: Side,
    }

    /// A value published under a name, by a collector or by another strategy's `notify`.
    Signal {
        /// The strategy that published it; 0 for a collector of the host.
        source: StrategyId,
        /// The name under which it was published.
        name: TextId,
        /// The value, never NaN.
        value: f64,
        #[doc(hidden)]
        reserved: u64,
    }

    /// One of the strategy's own timers fired.
    Timer {
        /// The strategy that owns the timer.
        strategy: StrategyId,
        /// The timer's id, chosen by the strategy.
        id: u32,
        /// The time for which it was set; it fired at the event's `ts_host`, never earlier.
        due: Timestamp,
        #[doc(hidden)]
        reserved: u64,
    }

    /// The state of a venue, or of its data for an instrument.
    VenueStatus {
        /// The venue.
        venue: VenueId,
        /// The instrument, if `scope` is `Instrument`.
        instrument: InstrumentId,
        #[doc(hidden)]
        reserved: u64,
        /// The new state.
        state: VenueState,
        /// The scope of the status.
        scope: VenueScope,
    }

    /// The account's balance in one currency, as reported by the venue.
    Account {
        /// The venue.
        venue: VenueId,
        /// The currency.
        currency: CurrencyId,
        /// The total balance.
        total: Amount,
        /// The part that no working order reserves.
        free: Amount,
        #[doc(hidden)]
        reserved: u64,
        /// The account; 0 is the only one of the venue.
        account: AccountId,
    }

    /// Events of this strategy's subscriptions were skipped because it was too slow.
    Lagged {
        /// First sequence of the skipped range.
        first: u64,
        /// Last sequence of the skipped range.
        last: u64,
        /// The number of events of the ring in that range.
        dropped: u64,
        #[doc(hidden)]
        reserved: u64,
    }
}

impl Quote {
    /// Returns the mid price in price units, or `None` if a side is empty.
    pub fn mid(&self) -> Option<f64> {
        let both = self.bid_size.0 > 0 && self.ask_size.0 > 0;
        both.then_some((self.bid.0 + self.ask.0) as f64 / 2.0)
    }
}

impl VenueStatus {
    /// Returns whether quotes can be trusted and orders sent after this status.
    pub const fn is_good(&self) -> bool {
        matches!(self.state, VenueState::Connected | VenueState::Live)
    }

    /// Returns whether the status concerns this instrument or its whole venue.
    pub fn concerns(&self, instrument: &crate::Instrument) -> bool {
        match self.scope {
            VenueScope::Venue => self.venue == instrument.venue,
            VenueScope::Instrument => self.instrument == instrument.id,
        }
    }
}

impl Event {
    /// Size of an event in the canonical layout, in bytes.
    pub const SIZE: usize = 104;

    /// Reads an event in the canonical layout, as stored in the host's ring and reels; returns `None` if a value is
    /// outside the contract.
    ///
    /// This is for programs that run a strategy natively on a recorded tape. In the sandbox, events are read in place.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let read_body = Body::READERS.get(usize::from(bytes[KIND_AT]))?;
        Some(Self {
            sequence: Field::read(&bytes[offset_of!(Self, sequence)..])?,
            ts_venue: Field::read(&bytes[offset_of!(Self, ts_venue)..])?,
            ts_host: Field::read(&bytes[offset_of!(Self, ts_host)..])?,
            body: read_body(&bytes[RECORD_AT..])?,
        })
    }
}

/// Asserts that a record has the layout of the canonical ABI: its size, then the offset of each field.
macro_rules! assert_layout {
    ($record:ident, $size:literal, $($field:ident: $at:literal),+) => {
        const _: () = {
            assert!(size_of::<$record>() == $size && align_of::<$record>() <= 8);
            $(assert!(offset_of!($record, $field) == $at);)+
        };
    };
}

assert_layout!(Event, 104, sequence: 0, ts_venue: 8, ts_host: 16, body: 24);
assert_layout!(Quote, 48, instrument: 0, bid: 8, bid_size: 16, ask: 24, ask_size: 32, reserved: 40);
assert_layout!(Trade, 40, instrument: 0, aggressor: 4, price: 8, size: 16, trade_id: 24, reserved: 32);
assert_layout!(
    BookUpdate, 40, instrument: 0, change: 4, side: 5, last: 6, price: 8, size: 16, update_id: 24,
    reserved: 32
);
assert_layout!(
    Bar, 64, instrument: 0, step: 4, open: 8, high: 16, low: 24, close: 32, volume: 40,
    reserved: 48, trades: 56, basis: 60
);
assert_layout!(
    OrderUpdate, 72, instrument: 0, strategy: 4, order: 8, price: 16, size: 24, filled: 32,
    stop_price: 40, reserved: 48, account: 56, status: 60, reason: 62, side: 64
);
assert_layout!(
    Fill, 72, instrument: 0, strategy: 4, order: 8, trade_id: 16, price: 24, size: 32, fee: 40,
    reserved: 48, fee_currency: 56, account: 60, liquidity: 64, side: 66
);
assert_layout!(Signal, 24, source: 0, name: 4, value: 8, reserved: 16);
assert_layout!(Timer, 24, strategy: 0, id: 4, due: 8, reserved: 16);
assert_layout!(VenueStatus, 24, venue: 0, instrument: 4, reserved: 8, state: 16, scope: 18);
assert_layout!(Account, 40, venue: 0, currency: 4, total: 8, free: 16, reserved: 24, account: 32);
assert_layout!(Lagged, 32, first: 0, last: 8, dropped: 16, reserved: 24);
// `repr(C, u8)`: the one-byte discriminant first (24 in the event), then the union at the records' alignment (32).
const _: () =
    assert!(size_of::<Body>() == 80 && align_of::<Body>() == 8 && align_of::<Event>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of a kind, its record filled with the bytes 1, 2, 3 ...
    fn bytes(kind: u8) -> [u8; Event::SIZE] {
        let mut bytes = [0; Event::SIZE];
        bytes[0] = 7;
        bytes[8] = 8;
        bytes[16] = 9;
        bytes[KIND_AT] = kind;
        for (at, byte) in bytes[RECORD_AT..].iter_mut().enumerate() {
            *byte = at as u8 + 1;
        }
        bytes
    }

    #[test]
    fn reads_fields_at_the_offsets_of_the_contract() {
        let mut bytes = bytes(1);
        bytes[RECORD_AT + 4] = 1;
        let event = Event::from_bytes(&bytes).unwrap();
        assert_eq!((event.sequence, event.ts_venue, event.ts_host), (7, 8, 9));
        let trade = Trade {
            instrument: InstrumentId(0x0403_0201),
            aggressor: Aggressor::Seller,
            price: Price(0x100f_0e0d_0c0b_0a09),
            size: Size(0x1817_1615_1413_1211),
            trade_id: 0x201f_1e1d_1c1b_1a19,
            reserved: 0x2827_2625_2423_2221,
        };
        assert_eq!(event.body, Body::Trade(trade));
    }

    #[test]
    fn refuses_values_outside_the_contract() {
        let unknown = bytes(Body::READERS.len() as u8);
        assert_eq!(Event::from_bytes(&unknown), None, "there is no such kind");
        assert_eq!(Event::from_bytes(&bytes(1)), None, "5 is no aggressor");
        let mut book = bytes(2);
        (book[RECORD_AT + 4], book[RECORD_AT + 5]) = (0, 1);
        assert_eq!(Event::from_bytes(&book), None, "7 is no bool");
        book[RECORD_AT + 6] = 1;
        assert!(
            matches!(Event::from_bytes(&book), Some(Event { body: Body::Book(update), .. }) if update.last)
        );
    }
}
