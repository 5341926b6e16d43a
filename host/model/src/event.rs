//! The ring's slot: `event` of `wit/events.wit` in the component model's canonical layout.
//!
//! [`Event`] is plain bytes with explicit zero padding; [`Body`] is the same thing as a Rust enum, for matching. A slot
//! is only ever made from a body or from checked bytes, so reading the body back cannot fail.

use crate::action::Feed;
use crate::fixed::{Price, Size};
use crate::ids::{
    AccountId, CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, Timestamp, VenueId,
};
use crate::layout::{Bool, Pad, Reserved, closed_set};
use crate::money::Amount;
use crate::terms::{
    Aggressor, BarBasis, BookChange, Liquidity, OrderStatus, Reason, Side, VenueScope, VenueState,
};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

closed_set! {
    /// The discriminant of a body.
    Kind {
        Quote = "quote",
        Trade = "trade",
        Book = "book",
        Bar = "bar",
        Order = "order",
        Fill = "fill",
        Signal = "signal",
        Timer = "timer",
        Venue = "venue",
        Account = "account",
        Lagged = "lagged",
    }
}

/// The strategies that receive an event. The engine finds its subscribers by this and not by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Those with this feed: of the event's instrument, or of its signal.
    Feed(Feed),
    /// Those that asked for the account's balances.
    Accounts,
    /// All if a whole venue is affected, otherwise those with any feed of the instrument.
    Affected,
    /// A single one: the event's [`owner`](Event::owner), or the one that the host derived it for.
    Single,
}

impl Kind {
    /// Returns the strategies that receive events of this kind.
    #[inline]
    pub const fn audience(self) -> Audience {
        match self {
            Self::Quote => Audience::Feed(Feed::Quotes),
            Self::Trade => Audience::Feed(Feed::Trades),
            Self::Book => Audience::Feed(Feed::Book),
            Self::Bar => Audience::Feed(Feed::Bars),
            Self::Signal => Audience::Feed(Feed::Signals),
            Self::Account => Audience::Accounts,
            Self::Venue => Audience::Affected,
            Self::Order | Self::Fill | Self::Timer | Self::Lagged => Audience::Single,
        }
    }
}

/// Bytes of the largest body record.
const PAYLOAD: usize = 72;

/// An event: 104 bytes, all of them defined.
#[derive(Clone, Copy, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// Rises by one with every event of the deck; the ring's producer stamps it.
    pub sequence: u64,
    /// When it happened, by the venue's clock.
    pub ts_venue: Timestamp,
    /// When the host received it.
    pub ts_host: Timestamp,
    kind: Kind,
    pad: Pad<7>,
    payload: [u64; PAYLOAD / 8],
}

/// Why bytes are not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The length is wrong; the caller cut the input in the wrong place.
    #[error("an event is {} bytes, not {got}", Event::SIZE)]
    Length {
        /// Bytes given.
        got: usize,
    },
    /// A discriminant, a name or padding has a value the contract does not know; the input is damaged or newer.
    #[error(
        "these bytes are not an event: a discriminant or padding has a value outside the contract"
    )]
    Malformed,
}

/// The body of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the records carry the docs")]
pub enum Body {
    Quote(Quote),
    Trade(Trade),
    Book(BookUpdate),
    Bar(Bar),
    Order(OrderUpdate),
    Fill(Fill),
    Signal(Signal),
    Timer(Timer),
    Venue(VenueStatus),
    Account(AccountUpdate),
    Lagged(Lagged),
}

macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        #[allow(missing_docs, reason = "the padding is not documentation")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }

        const _: () = assert!(size_of::<$name>() <= PAYLOAD && align_of::<$name>() <= 8);
    };
}

record! {
    /// The venue's best bid and ask. A side without orders has price and size zero.
    Quote {
        /// The instrument.
        instrument: InstrumentId,
        pad: Pad<4>,
        /// Best bid.
        bid: Price,
        /// Size at the best bid.
        bid_size: Size,
        /// Best ask.
        ask: Price,
        /// Size at the best ask.
        ask_size: Size,
        reserved: Reserved,
    }
}

record! {
    /// A public trade.
    Trade {
        /// The instrument.
        instrument: InstrumentId,
        /// The side that crossed the spread.
        aggressor: Aggressor,
        pad: Pad<3>,
        /// Price of the trade.
        price: Price,
        /// Size of the trade.
        size: Size,
        /// The venue's number for it.
        trade_id: u64,
        reserved: Reserved,
    }
}

record! {
    /// One level of the book.
    BookUpdate {
        /// The instrument.
        instrument: InstrumentId,
        /// The way in which to apply it.
        change: BookChange,
        /// The level's side.
        side: Side,
        /// Set on the last level of a venue's message.
        last: Bool,
        pad: Pad<1>,
        /// The level's price.
        price: Price,
        /// The level's total size; zero removes it.
        size: Size,
        /// The venue's number for the message.
        update_id: u64,
        reserved: Reserved,
    }
}

record! {
    /// Trades aggregated into a bar.
    Bar {
        /// The instrument.
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
        reserved: Reserved,
        /// Number of trades.
        trades: u32,
        /// The condition that closed it.
        basis: BarBasis,
        pad: Pad<3>,
    }
}

record! {
    /// A change of an order of ours.
    OrderUpdate {
        /// The instrument.
        instrument: InstrumentId,
        /// Whose order.
        strategy: StrategyId,
        /// The strategy's number for it.
        order: OrderNumber,
        /// The limit price in force, 0 where the type has none.
        price: Price,
        /// The total size in force.
        size: Size,
        /// Filled so far.
        filled: Size,
        /// The stop price in force, 0 where the type has none.
        stop_price: Price,
        reserved: Reserved,
        /// The account; 0 is the strategy's own.
        account: AccountId,
        /// The new status.
        status: OrderStatus,
        /// Why.
        reason: Reason,
        /// Side of the order.
        side: Side,
        pad: Pad<7>,
    }
}

record! {
    /// A fill of an order of ours.
    Fill {
        /// The instrument.
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
        /// Paid if above zero, a rebate below.
        fee: Amount,
        reserved: Reserved,
        /// The currency of the fee.
        fee_currency: CurrencyId,
        /// The account; 0 is the strategy's own.
        account: AccountId,
        /// Whether it took or provided liquidity.
        liquidity: Liquidity,
        /// Side of the order.
        side: Side,
        pad: Pad<5>,
    }
}

record! {
    /// A value published under a name.
    Signal {
        /// The publisher.
        source: StrategyId,
        /// The name.
        name: TextId,
        /// The value, never NaN.
        value: f64,
        reserved: Reserved,
    }
}

record! {
    /// A timer came due.
    Timer {
        /// Whose timer.
        strategy: StrategyId,
        /// The strategy's number for it.
        id: u32,
        /// When it was due.
        due: Timestamp,
        reserved: Reserved,
    }
}

record! {
    /// The state of a venue, or of its data for an instrument.
    VenueStatus {
        /// The venue.
        venue: VenueId,
        /// The instrument, for that scope.
        instrument: InstrumentId,
        reserved: Reserved,
        /// The state.
        state: VenueState,
        /// The subject.
        scope: VenueScope,
        pad: Pad<5>,
    }
}

record! {
    /// The account's balance in a currency, as the venue states it.
    AccountUpdate {
        /// The venue.
        venue: VenueId,
        /// The currency.
        currency: CurrencyId,
        /// The total balance.
        total: Amount,
        /// The part that no working order reserves.
        free: Amount,
        reserved: Reserved,
        /// The account; 0 is the only one of the venue.
        account: AccountId,
        pad: Pad<4>,
    }
}

record! {
    /// Events were left out for a slow strategy.
    Lagged {
        /// First sequence of the stretch.
        first: u64,
        /// Last sequence of the stretch.
        last: u64,
        /// Events of the ring left out.
        dropped: u64,
        reserved: Reserved,
    }
}

macro_rules! bodies {
    ($($case:ident($record:ident),)+) => {
        /// The body of an event, borrowed: a [`Body`] that is not copied out of its event. Copying a record costs several
        /// times what reading a field of it does.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(missing_docs, reason = "the records carry the docs")]
        pub enum View<'a> { $($case(&'a $record),)+ }

        impl<'a> View<'a> {
            #[inline]
            fn read(kind: Kind, payload: &'a [u64; PAYLOAD / 8]) -> Option<Self> {
                let bytes = payload.as_bytes();
                match kind {
                    $(Kind::$case => $record::try_ref_from_prefix(bytes).ok().map(|(record, _)| Self::$case(record)),)+
                }
            }
        }

        impl Body {
            /// The discriminant.
            #[inline]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$case(_) => Kind::$case,)+ }
            }

            #[inline]
            fn payload(&self) -> [u64; PAYLOAD / 8] {
                let mut payload = [0u64; PAYLOAD / 8];
                match self {
                    $(Self::$case(record) => {
                        let bytes = record.as_bytes();
                        payload.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
                    })+
                }
                payload
            }

            #[inline]
            fn read(kind: Kind, payload: &[u64; PAYLOAD / 8]) -> Option<Self> {
                let bytes = payload.as_bytes();
                match kind {
                    $(Kind::$case => $record::try_read_from_prefix(bytes).ok().map(|(record, _)| Self::$case(record)),)+
                }
            }

            const fn size(kind: Kind) -> usize {
                match kind { $(Kind::$case => size_of::<$record>(),)+ }
            }
        }

        $(impl From<$record> for Body {
            fn from(record: $record) -> Self { Self::$case(record) }
        })+
    };
}

bodies! {
    Quote(Quote), Trade(Trade), Book(BookUpdate), Bar(Bar), Order(OrderUpdate), Fill(Fill), Signal(Signal),
    Timer(Timer), Venue(VenueStatus), Account(AccountUpdate), Lagged(Lagged),
}

const _: () = assert!(size_of::<Event>() == Event::SIZE && align_of::<Event>() == 8);

impl Event {
    /// Bytes of an event.
    pub const SIZE: usize = 104;

    /// An event not yet stamped with its sequence.
    #[inline]
    pub fn new(ts_venue: Timestamp, ts_host: Timestamp, body: impl Into<Body>) -> Self {
        let body = body.into();
        Self {
            sequence: 0,
            ts_venue,
            ts_host,
            kind: body.kind(),
            pad: Pad::ZERO,
            payload: body.payload(),
        }
    }

    /// The same event under another sequence, as a derived event carries its cause's.
    #[inline]
    pub const fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// Reads an event that was kept as bytes.
    ///
    /// # Errors
    /// The length is not [`Event::SIZE`], or a byte has a value outside the contract.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        if bytes.len() != Self::SIZE {
            return Err(EventError::Length { got: bytes.len() });
        }
        let event = Self::try_read_from_bytes(bytes).map_err(|_| EventError::Malformed)?;
        let rest_is_zero = event.payload.as_bytes()[Body::size(event.kind)..]
            .iter()
            .all(|byte| *byte == 0);
        match Body::read(event.kind, &event.payload) {
            Some(_) if rest_is_zero => Ok(event),
            _ => Err(EventError::Malformed),
        }
    }

    /// The discriminant, without reading the body.
    #[inline]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The body.
    #[inline]
    pub fn body(&self) -> Body {
        Body::read(self.kind, &self.payload)
            .expect("a slot is only made from a body or from checked bytes")
    }

    /// The body, borrowed in place.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::read(self.kind, &self.payload)
            .expect("a slot is only made from a body or from checked bytes")
    }

    /// The instrument, for the kinds that are about one; it is the record's first field in each of them.
    #[inline]
    pub const fn instrument(&self) -> Option<InstrumentId> {
        match self.kind {
            Kind::Quote | Kind::Trade | Kind::Book | Kind::Bar | Kind::Order | Kind::Fill => Some(
                InstrumentId(u32::from_le((self.payload[0] & 0xffff_ffff) as u32)),
            ),
            _ => None,
        }
    }

    /// The strategy whose own event this is: an order update, a fill or a timer.
    #[inline]
    pub fn owner(&self) -> Option<StrategyId> {
        match self.kind {
            Kind::Order | Kind::Fill => Some(StrategyId((self.payload[0] >> 32) as u32)),
            Kind::Timer => Some(StrategyId((self.payload[0] & 0xffff_ffff) as u32)),
            _ => None,
        }
    }

    /// Whether the event changes a portfolio, so that it must come first in a batch.
    #[inline]
    pub const fn changes_portfolio(&self) -> bool {
        matches!(self.kind, Kind::Order | Kind::Fill | Kind::Account)
    }
}

// The layout is little-endian, like WebAssembly's memory; the one memcpy needs the host to be the same.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "Tickdeck runs on little-endian machines only"
);

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "#{} venue={} host={} {:?}",
            self.sequence,
            self.ts_venue,
            self.ts_host,
            self.body()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill() -> Fill {
        Fill {
            instrument: InstrumentId(7),
            strategy: StrategyId(3),
            order: 11,
            trade_id: 12,
            price: Price(13),
            size: Size(14),
            fee: Amount(-15),
            reserved: Pad::ZERO,
            fee_currency: CurrencyId(2),
            account: AccountId(1),
            liquidity: Liquidity::Maker,
            side: Side::Sell,
            pad: Pad::ZERO,
        }
    }

    #[test]
    fn a_body_reads_back_as_it_was_written() {
        let event = Event::new(1, 2, fill());
        assert_eq!(event.body(), Body::Fill(fill()));
        assert_eq!(event.view(), View::Fill(&fill()));
        assert_eq!(event.instrument(), Some(InstrumentId(7)));
        assert_eq!(event.owner(), Some(StrategyId(3)));
        let timer = Timer {
            strategy: StrategyId(9),
            id: 4,
            due: 5,
            reserved: Pad::ZERO,
        };
        assert_eq!(Event::new(0, 0, timer).owner(), Some(StrategyId(9)));
    }

    #[test]
    fn bytes_with_a_value_outside_the_contract_are_refused() {
        let good = Event::new(1, 2, fill()).with_sequence(5);
        assert_eq!(Event::from_bytes(good.as_bytes()), Ok(good));
        // The kind, its padding, the side inside the record, and its padding.
        for (at, value) in [(24, 11), (25, 1), (32 + 66, 2), (32 + 71, 1)] {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = value;
            assert_eq!(
                Event::from_bytes(&bytes),
                Err(EventError::Malformed),
                "byte {at}"
            );
        }
        assert_eq!(
            Event::from_bytes(&good.as_bytes()[1..]),
            Err(EventError::Length { got: 103 })
        );
    }
}
