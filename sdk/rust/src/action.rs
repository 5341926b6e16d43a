//! Actions of a strategy: `action` of `wit/actions.wit`.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{AccountId, InstrumentId, OrderNumber, TextId, Timestamp};
use crate::terms::{
    BarBasis, Feed, MarginMode, OrderType, SelfTrade, Severity, Side, TimeInForce, TrailBasis,
    Trigger,
};

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
    /// The order that this one waits for.
    pub after: Option<OrderNumber>,
    /// The instrument to trade.
    pub instrument: InstrumentId,
    /// The account; 0 is the strategy's own.
    pub account: AccountId,
    /// Buy or sell.
    pub side: Side,
    /// The order type.
    pub kind: OrderType,
    /// The time in force.
    pub time_in_force: TimeInForce,
    /// When a GTD order expires, 0 for others.
    pub expires: Timestamp,
    /// Whether the venue rejects the order instead of letting it trade at once.
    pub post_only: bool,
    /// Whether the order only closes the position.
    pub reduce_only: bool,
    /// Whether it may also trade outside the regular session.
    pub extended_hours: bool,
    /// Whether a partial fill cancels the rest of its group, instead of reducing it.
    pub group_cancels: bool,
    /// Orders of the same group are alternatives; 0 for none.
    pub group: u32,
    /// The size, in whole lots; 0 where `notional` is given.
    pub size: Size,
    /// What to spend or to receive in the quote currency, for market orders; 0 where `size` is given.
    pub notional: Amount,
    /// The part that the book shows; 0 for all of it.
    pub display: Size,
    /// Limit price, 0 where the type has none; of a trailing stop-limit its distance from the stop price.
    pub price: Price,
    /// Stop price, 0 where the type has none.
    pub stop_price: Price,
    /// What moves the trigger of the stop price.
    pub trigger: Trigger,
    /// The distance of a trailing stop, in the unit of `trail_basis`; 0 for other types.
    pub trail: i64,
    /// The unit of `trail`.
    pub trail_basis: TrailBasis,
    /// Which order yields where this one would trade with another of its account.
    pub self_trade: SelfTrade,
    /// How the position is margined.
    pub margin: MarginMode,
    /// In hundredths; 0 for the account's.
    pub leverage: u32,
}

impl Submit {
    /// Returns a market order.
    pub const fn market(
        order: OrderNumber,
        instrument: InstrumentId,
        side: Side,
        size: Size,
    ) -> Self {
        Self {
            order,
            after: None,
            instrument,
            account: AccountId(0),
            side,
            kind: OrderType::Market,
            time_in_force: TimeInForce::Gtc,
            expires: 0,
            post_only: false,
            reduce_only: false,
            extended_hours: false,
            group_cancels: false,
            group: 0,
            size,
            notional: Amount(0),
            display: Size::ZERO,
            price: Price::ZERO,
            stop_price: Price::ZERO,
            trigger: Trigger::Default,
            trail: 0,
            trail_basis: TrailBasis::Price,
            self_trade: SelfTrade::Default,
            margin: MarginMode::Default,
            leverage: 0,
        }
    }
}

/// A change of a working order. A field that is zero keeps its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modify {
    /// The strategy's own number of the order.
    pub order: OrderNumber,
    /// The new limit price.
    pub price: Price,
    /// The new total size, including the filled part.
    pub size: Size,
    /// The new stop price.
    pub stop_price: Price,
    /// The new distance of a trailing stop.
    pub trail: i64,
}

impl Modify {
    /// Returns a change of nothing.
    pub const fn of(order: OrderNumber) -> Self {
        Self {
            order,
            price: Price::ZERO,
            size: Size::ZERO,
            stop_price: Price::ZERO,
            trail: 0,
        }
    }
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

/// Words of an action.
const WORDS: usize = Action::SIZE / 8;

/// An action in the canonical layout: sixteen little-endian words, composed by arithmetic so that padding is always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct ActionWords([u64; WORDS]);

const _: () = assert!(size_of::<ActionWords>() == Action::SIZE && align_of::<ActionWords>() == 8);

impl ActionWords {
    /// An action whose record has only these words.
    fn of(discriminant: u64, record: &[u64]) -> Self {
        let mut words = [0; WORDS];
        words[0] = discriminant;
        words[1..=record.len()].copy_from_slice(record);
        Self(words)
    }

    /// Returns the bytes.
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

/// Packs four codes into one word.
fn codes(codes: [u16; 4]) -> u64 {
    codes
        .iter()
        .rev()
        .fold(0, |word, code| word << 16 | u64::from(*code))
}

impl Action {
    /// Size of an action in the canonical layout, in bytes.
    pub const SIZE: usize = 128;

    /// Returns the action in the canonical layout.
    pub fn to_words(&self) -> ActionWords {
        let units = |value: i64| value.cast_unsigned();
        let of = ActionWords::of;
        match *self {
            Self::Submit(submit) => of(0, &submit.to_record()),
            Self::Modify(modify) => {
                let (price, size) = (units(modify.price.0), units(modify.size.0));
                let (stop, trail) = (units(modify.stop_price.0), units(modify.trail));
                of(1, &[modify.order.0, price, size, stop, trail])
            }
            Self::Cancel(order) => of(2, &[order.0]),
            Self::CancelAll(None) => of(3, &[]),
            Self::CancelAll(Some(instrument)) => of(3, &[word(instrument.0, [1, 0, 0, 0])]),
            Self::SetTimer(SetTimer { id, due }) => of(4, &[u64::from(id), units(due)]),
            Self::ClearTimer(id) => of(5, &[u64::from(id)]),
            Self::Notify(Notify {
                message,
                severity,
                value,
            }) => of(
                6,
                &[word(message, [severity as u8, 0, 0, 0]), value.to_bits()],
            ),
            Self::Subscribe(stream) => of(7, &stream.to_record()),
            Self::Unsubscribe(stream) => of(8, &stream.to_record()),
        }
    }
}

impl Submit {
    fn to_record(self) -> [u64; WORDS - 1] {
        let units = |value: i64| value.cast_unsigned();
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let options = [
            self.post_only,
            self.reduce_only,
            self.extended_hours,
            self.group_cancels,
        ];
        let bits = options.iter().enumerate();
        let flags = bits.fold(0, |flags, (bit, is_set)| flags | u16::from(*is_set) << bit);
        [
            self.order.0,
            self.after.map_or(0, |order| order.0),
            units(self.size.0),
            units(self.notional.0),
            units(self.price.0),
            units(self.stop_price.0),
            units(self.trail),
            units(self.display.0),
            units(self.expires),
            0,
            0,
            pair(self.instrument.0, self.account.0),
            pair(self.group, self.leverage),
            codes([
                self.kind.0,
                self.time_in_force.0,
                self.trigger.0,
                self.trail_basis.0,
            ]),
            codes([flags, self.self_trade.0, self.margin.0, self.side as u16]),
        ]
    }
}

impl Stream {
    fn to_record(self) -> [u64; 2] {
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
            head,
            u64::from(feed as u8) | u64::from(bars.basis as u8) << 8,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_submit_at_the_offsets_of_the_contract() {
        let submit = Submit {
            after: Some(OrderNumber(4)),
            account: AccountId(8),
            kind: OrderType::StopLimit,
            time_in_force: TimeInForce::Gtd,
            expires: 11,
            post_only: true,
            group_cancels: true,
            group: 9,
            notional: Amount(12),
            display: Size(13),
            price: Price(-1),
            stop_price: Price(5),
            trigger: Trigger::Quote,
            trail: 14,
            trail_basis: TrailBasis::BasisPoints,
            self_trade: SelfTrade::ExpireBoth,
            margin: MarginMode::Isolated,
            leverage: 10,
            ..Submit::market(OrderNumber(0x0102), InstrumentId(7), Side::Sell, Size(3))
        };
        let bytes = Action::Submit(submit).to_words().to_bytes();
        assert_eq!(bytes[..8], [0; 8]);
        assert_eq!(bytes[8..16], [2, 1, 0, 0, 0, 0, 0, 0]);
        let longs = [
            (16, 4),
            (24, 3),
            (32, 12),
            (40, -1),
            (48, 5),
            (56, 14),
            (64, 13),
            (72, 11),
        ];
        for (at, value) in longs {
            assert_eq!(bytes[at..at + 8], i64::to_le_bytes(value), "byte {at}");
        }
        assert_eq!(bytes[80..96], [0; 16], "in reserve");
        assert_eq!(
            bytes[96..112],
            [7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 0]
        );
        assert_eq!(
            bytes[112..],
            [4, 0, 5, 0, 2, 0, 1, 0, 9, 0, 3, 0, 2, 0, 1, 0]
        );
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
        assert_eq!(bytes[24..], [0; Action::SIZE - 24]);
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
