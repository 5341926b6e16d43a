//! Actions of a strategy: `action` of `wit/actions.wit`.

use crate::fixed::{Price, Size};
use crate::ids::{InstrumentId, OrderNumber, TextId, Timestamp};
use crate::terms::{BarBasis, Feed, OrderType, Severity, Side, TimeInForce};

/// An action of a strategy. Strategies create actions through [`Context`](crate::Context); tests inspect them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Sends a new order.
    Submit(Submit),
    /// Changes a working order.
    Modify(Modify),
    /// Cancels an order.
    Cancel(OrderNumber),
    /// Cancels all orders, or all orders in one instrument.
    CancelAll(Option<InstrumentId>),
    /// Sets a timer.
    SetTimer(SetTimer),
    /// Clears a timer.
    ClearTimer(u32),
    /// Notifies the operator and the subscribers of a signal.
    Notify(Notify),
    /// Starts a feed.
    Subscribe(Stream),
    /// Ends a feed.
    Unsubscribe(Stream),
}

/// A new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submit {
    /// The strategy's own number of the order.
    pub order: OrderNumber,
    /// The instrument to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// The order type.
    pub kind: OrderType,
    /// The time in force.
    pub time_in_force: TimeInForce,
    /// Whether the venue rejects the order instead of letting it trade at once.
    pub post_only: bool,
    /// Whether the order only closes the position.
    pub reduce_only: bool,
    /// The size, in whole lots.
    pub size: Size,
    /// Limit price, 0 where the type has none.
    pub price: Price,
    /// Stop price, 0 where the type has none.
    pub stop_price: Price,
}

/// A change of a working order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modify {
    /// The strategy's own number of the order.
    pub order: OrderNumber,
    /// The new limit price.
    pub price: Price,
    /// The new total size, including the filled part.
    pub size: Size,
}

/// A timer to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetTimer {
    /// The timer's id, chosen by the strategy.
    pub id: u32,
    /// The time at which the timer fires.
    pub due: Timestamp,
}

/// A notification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notify {
    /// Index into the manifest's messages.
    pub message: u32,
    /// The severity.
    pub severity: Severity,
    /// The value published with the message, never NaN.
    pub value: f64,
}

/// A feed that a strategy starts or ends at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Best bid and ask of an instrument.
    Quotes(InstrumentId),
    /// Public trades of an instrument.
    Trades(InstrumentId),
    /// The order book of an instrument, starting with a snapshot.
    Book(InstrumentId),
    /// Bars of an instrument.
    Bars(InstrumentId, BarSpec),
    /// Values published under a name.
    Signals(TextId),
}

/// A kind of bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarSpec {
    /// The measure that closes a bar.
    pub basis: BarBasis,
    /// The step in the unit of `basis` (milliseconds, trades, lots), above zero.
    pub step: u32,
}

impl BarSpec {
    /// Bars of this many seconds, aligned to 1970-01-01 UTC.
    pub const fn seconds(seconds: u32) -> Self {
        Self {
            basis: BarBasis::Time,
            step: seconds * 1_000,
        }
    }

    /// Bars of this many milliseconds, aligned to 1970-01-01 UTC.
    pub const fn milliseconds(step: u32) -> Self {
        Self {
            basis: BarBasis::Time,
            step,
        }
    }

    /// Bars of this many public trades.
    pub const fn trades(step: u32) -> Self {
        Self {
            basis: BarBasis::Trades,
            step,
        }
    }

    /// Bars of at least this many lots.
    pub const fn volume(step: u32) -> Self {
        Self {
            basis: BarBasis::Volume,
            step,
        }
    }
}

/// An action in the canonical layout: seven little-endian words, composed by arithmetic so that padding is always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct ActionWords([u64; 7]);

const _: () = assert!(size_of::<ActionWords>() == Action::SIZE && align_of::<ActionWords>() == 8);

impl ActionWords {
    /// Returns the 56 bytes.
    pub fn to_bytes(self) -> [u8; Action::SIZE] {
        let mut bytes = [0; Action::SIZE];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// Packs two `u32` fields, or a `u32` and up to four bytes, into one word.
const fn word(low: u32, high: [u8; 4]) -> u64 {
    low as u64 | (u32::from_le_bytes(high) as u64) << 32
}

impl Action {
    /// Size of an action in the canonical layout, in bytes.
    pub const SIZE: usize = 56;

    /// Returns the action in the canonical layout.
    pub fn to_words(&self) -> ActionWords {
        let units = |value: i64| value.cast_unsigned();
        ActionWords(match *self {
            Self::Submit(submit) => submit.to_words(),
            Self::Modify(Modify { order, price, size }) => {
                [1, order.0, units(price.0), units(size.0), 0, 0, 0]
            }
            Self::Cancel(order) => [2, order.0, 0, 0, 0, 0, 0],
            Self::CancelAll(None) => [3, 0, 0, 0, 0, 0, 0],
            Self::CancelAll(Some(instrument)) => {
                [3, word(instrument.0, [1, 0, 0, 0]), 0, 0, 0, 0, 0]
            }
            Self::SetTimer(SetTimer { id, due }) => [4, u64::from(id), units(due), 0, 0, 0, 0],
            Self::ClearTimer(id) => [5, u64::from(id), 0, 0, 0, 0, 0],
            Self::Notify(Notify {
                message,
                severity,
                value,
            }) => [
                6,
                word(message, [severity as u8, 0, 0, 0]),
                value.to_bits(),
                0,
                0,
                0,
                0,
            ],
            Self::Subscribe(stream) => stream.to_words(7),
            Self::Unsubscribe(stream) => stream.to_words(8),
        })
    }
}

impl Submit {
    fn to_words(self) -> [u64; 7] {
        let bytes = [
            self.side as u8,
            self.kind as u8,
            self.time_in_force as u8,
            u8::from(self.post_only),
        ];
        let [size, price, stop_price] =
            [self.size.0, self.price.0, self.stop_price.0].map(|units| units.cast_unsigned());
        let terms = word(self.instrument.0, bytes);
        [
            0,
            self.order.0,
            terms,
            u64::from(self.reduce_only),
            size,
            price,
            stop_price,
        ]
    }
}

impl Stream {
    fn to_words(self, discriminant: u64) -> [u64; 7] {
        let none = BarSpec {
            basis: BarBasis::Time,
            step: 0,
        };
        let (feed, target, bars) = match self {
            Self::Quotes(instrument) => (Feed::Quotes, instrument.0, none),
            Self::Trades(instrument) => (Feed::Trades, instrument.0, none),
            Self::Book(instrument) => (Feed::Book, instrument.0, none),
            Self::Bars(instrument, bars) => (Feed::Bars, instrument.0, bars),
            Self::Signals(name) => (Feed::Signals, name.0, none),
        };
        let head = u64::from(target) | u64::from(bars.step) << 32;
        [
            discriminant,
            head,
            u64::from(feed as u8) | u64::from(bars.basis as u8) << 8,
            0,
            0,
            0,
            0,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_submit_at_the_offsets_of_the_contract() {
        let bytes = Action::Submit(Submit {
            order: OrderNumber(0x0102),
            instrument: InstrumentId(7),
            side: Side::Sell,
            kind: OrderType::StopLimit,
            time_in_force: TimeInForce::Day,
            post_only: true,
            reduce_only: true,
            size: Size(3),
            price: Price(-1),
            stop_price: Price(5),
        })
        .to_words()
        .to_bytes();
        assert_eq!(bytes[..8], [0; 8]);
        assert_eq!(bytes[8..16], [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            bytes[16..32],
            [7, 0, 0, 0, 1, 3, 3, 1, 1, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(bytes[32..40], 3u64.to_le_bytes());
        assert_eq!(bytes[40..48], [0xff; 8]);
        assert_eq!(bytes[48..], 5u64.to_le_bytes());
    }

    #[test]
    fn pads_small_actions_with_zeros() {
        let bars = Stream::Bars(InstrumentId(9), BarSpec::volume(4));
        let bytes = Action::Unsubscribe(bars).to_words().to_bytes();
        assert_eq!(
            bytes[..24],
            [
                8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 3, 2, 0, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(bytes[24..], [0; 32]);
        let bytes = Action::CancelAll(Some(InstrumentId(6)))
            .to_words()
            .to_bytes();
        assert_eq!(
            bytes[..16],
            [3, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0]
        );
        let notify = Notify {
            message: 2,
            severity: Severity::Critical,
            value: -0.5,
        };
        let bytes = Action::Notify(notify).to_words().to_bytes();
        assert_eq!(
            bytes[..16],
            [6, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]
        );
        assert_eq!(bytes[16..24], (-0.5f64).to_bits().to_le_bytes());
    }
}
