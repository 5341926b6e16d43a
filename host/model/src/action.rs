//! The actions of a strategy: `action` of `wit/actions.wit`, as an enum and as 128 bytes in the canonical layout.

use crate::fixed::{Price, Size};
use crate::ids::{AccountId, InstrumentId, OrderNumber, StrategyId, TextId, Timestamp};
use crate::layout::{Pad, Reserved, closed_set};
use crate::money::Amount;
use crate::terms::{
    BarBasis, MarginMode, OrderType, SelfTrade, Severity, Side, TimeInForce, TrailBasis, Trigger,
};
use std::mem::offset_of;
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// An action as it crosses the boundary.
pub type ActionBytes = [u8; Action::SIZE];

/// An action of a strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Send a new order.
    Submit(Submit),
    /// Change a working order.
    Modify(Modify),
    /// Cancel an order.
    Cancel(OrderNumber),
    /// Cancel all orders, or all of one instrument.
    CancelAll(CancelAll),
    /// Ask for a timer event.
    SetTimer(TimerRequest),
    /// Clear a timer.
    ClearTimer(u32),
    /// Notify the operator and the subscribers of a signal.
    Notify(Notify),
    /// Start a feed.
    Subscribe(FeedRequest),
    /// End a feed.
    Unsubscribe(FeedRequest),
}

closed_set! {
    /// The scope of `cancel-all`.
    CancelScope { Everything = "everything", Instrument = "instrument", }
}

closed_set! {
    /// A stream of events about one instrument, or of one signal.
    Feed { Quotes = "quotes", Trades = "trades", Book = "book", Bars = "bars", Signals = "signals", }
}

/// Options of an order, a sum of bits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct OrderFlags(u16);

impl OrderFlags {
    /// Reject rather than trade at once.
    pub const POST_ONLY: Self = Self(1);
    /// It only closes the position.
    pub const REDUCE_ONLY: Self = Self(2);
    /// It may trade outside the regular session.
    pub const EXTENDED_HOURS: Self = Self(4);
    /// A partial fill of it cancels the rest of its group.
    pub const GROUP_CANCELS: Self = Self(8);

    const ALL: u16 = 15;

    /// No option.
    pub const fn none() -> Self {
        Self(0)
    }

    /// These options and another.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These options, with another set or cleared.
    #[must_use]
    pub const fn set(self, other: Self, to: bool) -> Self {
        match to {
            true => Self(self.0 | other.0),
            false => Self(self.0 & !other.0),
        }
    }

    /// Whether an option is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The number in the contract.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A new order.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Submit {
    /// The strategy's own number for it.
    pub order: OrderNumber,
    /// The order that it waits for, 0 for none.
    pub after: OrderNumber,
    /// The size; 0 where `notional` is given.
    pub size: Size,
    /// What to spend or to receive in the quote currency; 0 where `size` is given.
    pub notional: Amount,
    /// Limit price, 0 where the type has none; of a trailing stop-limit its distance from the stop price.
    pub price: Price,
    /// Stop price, 0 where the type has none.
    pub stop_price: Price,
    /// The distance of a trailing stop, in the unit of `trail_basis`.
    pub trail: i64,
    /// The part that the book shows; 0 for all of it.
    pub display: Size,
    /// When a GTD order expires.
    pub expires: Timestamp,
    /// Zero.
    pub reserved: [Reserved; 2],
    /// The instrument.
    pub instrument: InstrumentId,
    /// The account; 0 is the strategy's own.
    pub account: AccountId,
    /// Orders of the same group are alternatives; 0 for none.
    pub group: u32,
    /// In hundredths; 0 for the account's.
    pub leverage: u32,
    /// The order type.
    pub kind: OrderType,
    /// The time in force.
    pub time_in_force: TimeInForce,
    /// What moves the trigger of a stop price.
    pub trigger: Trigger,
    /// The unit of `trail`.
    pub trail_basis: TrailBasis,
    /// The options.
    pub flags: OrderFlags,
    /// Which order yields where it would trade with one of its own account.
    pub self_trade: SelfTrade,
    /// How its position is margined.
    pub margin: MarginMode,
    /// Buy or sell.
    pub side: Side,
    /// Zero.
    pub pad: Pad<1>,
}

impl Submit {
    /// An order of which nothing is said, for the fields that a caller leaves out.
    pub const EMPTY: Self = Self {
        order: 0,
        after: 0,
        size: Size::ZERO,
        notional: Amount(0),
        price: Price::ZERO,
        stop_price: Price::ZERO,
        trail: 0,
        display: Size::ZERO,
        expires: 0,
        reserved: [Pad::ZERO; 2],
        instrument: InstrumentId(0),
        account: AccountId(0),
        group: 0,
        leverage: 0,
        kind: OrderType::Other,
        time_in_force: TimeInForce::Gtc,
        trigger: Trigger::Default,
        trail_basis: TrailBasis::Price,
        flags: OrderFlags::none(),
        self_trade: SelfTrade::Default,
        margin: MarginMode::Default,
        side: Side::Buy,
        pad: Pad::ZERO,
    };

    /// Whether the venue rejects it rather than let it trade at once.
    pub const fn post_only(&self) -> bool {
        self.flags.has(OrderFlags::POST_ONLY)
    }

    /// Whether it only closes the position.
    pub const fn reduce_only(&self) -> bool {
        self.flags.has(OrderFlags::REDUCE_ONLY)
    }
}

/// A change of a working order. A field that is zero keeps its value.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Modify {
    /// The strategy's own number for it.
    pub order: OrderNumber,
    /// The new limit price.
    pub price: Price,
    /// The new total size.
    pub size: Size,
    /// The new stop price.
    pub stop_price: Price,
    /// The new distance of a trailing stop.
    pub trail: i64,
    /// Zero.
    pub reserved: Reserved,
}

/// The orders to cancel.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CancelAll {
    /// The instrument, for that scope.
    pub instrument: InstrumentId,
    /// The scope.
    pub scope: CancelScope,
    /// Zero.
    pub pad: Pad<3>,
}

/// A timer to set.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TimerRequest {
    /// The strategy's own number for it.
    pub id: u32,
    /// Zero.
    pub pad: Pad<4>,
    /// When to fire.
    pub due: Timestamp,
}

/// A notification.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Notify {
    /// Index into the manifest's messages.
    pub message: u32,
    /// The severity.
    pub severity: Severity,
    /// Zero.
    pub pad: Pad<3>,
    /// The accompanying number, never NaN.
    pub value: f64,
}

/// A feed to start or end.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, TryFromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct FeedRequest {
    /// An instrument, or for signals a text.
    pub target: u32,
    /// For bars, in the unit of `basis`. For signals, 0 for any publisher, or the id of the required publisher plus one. 0
    /// otherwise.
    pub step: u32,
    /// The feed.
    pub feed: Feed,
    /// For bars.
    pub basis: BarBasis,
    /// Zero.
    pub pad: Pad<2>,
}

impl FeedRequest {
    /// Requests a signal: that of one strategy, or of everyone who publishes under this name.
    pub const fn signal(name: TextId, publisher: Option<StrategyId>) -> Self {
        Self {
            target: name.0,
            step: match publisher {
                None => 0,
                Some(publisher) => publisher.0.saturating_add(1),
            },
            feed: Feed::Signals,
            basis: BarBasis::Time,
            pad: Pad::ZERO,
        }
    }

    /// Returns the strategy whose signal it requests; `None` for everyone's.
    pub fn publisher(&self) -> Option<StrategyId> {
        let number = self.step.checked_sub(1)?;
        (self.feed == Feed::Signals).then_some(StrategyId(number))
    }
}

/// Why bytes are not an action. The strategy broke the contract and must be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The first byte names no action.
    #[error("discriminant {got} is not an action (0 submit to 8 unsubscribe)")]
    Discriminant {
        /// The byte found.
        got: u8,
    },
    /// A field of the record has a value outside its set.
    #[error("a field of `{action}` has a value outside the contract")]
    Field {
        /// The action's name.
        action: &'static str,
    },
    /// A notification's value is not a number.
    #[error("`notify` carries a value that is not a number")]
    NotANumber,
}

/// Offset of the record after the discriminant.
const RECORD_AT: usize = 8;

#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct TimerId(u32);

/// A record that one of the actions carries.
pub trait ActionRecord: TryFromBytes + IntoBytes + Immutable + KnownLayout {}
impl<T: TryFromBytes + IntoBytes + Immutable + KnownLayout> ActionRecord for T {}

fn record<T: ActionRecord>(bytes: &ActionBytes, action: &'static str) -> Result<T, ActionError> {
    T::try_read_from_prefix(&bytes[RECORD_AT..])
        .map(|(record, _)| record)
        .map_err(|_| ActionError::Field { action })
}

impl Action {
    /// Bytes of an action.
    pub const SIZE: usize = 128;

    /// Reads an action that a guest wrote. Padding and fields in reserve are ignored and taken as zero, because generated code of some
    /// languages leaves padding undefined. An order with a code that this version does not know is one of [`OrderType::Other`].
    ///
    /// # Errors
    /// The discriminant or a field is outside the contract.
    pub fn from_bytes(bytes: &ActionBytes) -> Result<Self, ActionError> {
        let mut clean = *bytes;
        zero_padding(&mut clean);
        replace_unknown_codes(&mut clean);
        let bytes = &clean;
        Ok(match bytes[0] {
            0 => Self::Submit(record(bytes, "submit")?),
            1 => Self::Modify(record(bytes, "modify")?),
            2 => Self::Cancel(record(bytes, "cancel")?),
            3 => Self::CancelAll(record(bytes, "cancel-all")?),
            4 => Self::SetTimer(record(bytes, "set-timer")?),
            5 => Self::ClearTimer(record::<TimerId>(bytes, "clear-timer")?.0),
            6 => Self::Notify(checked(record(bytes, "notify")?)?),
            7 => Self::Subscribe(record(bytes, "subscribe")?),
            8 => Self::Unsubscribe(record(bytes, "unsubscribe")?),
            got => return Err(ActionError::Discriminant { got }),
        })
    }

    /// The action's bytes, padding zero.
    pub fn to_bytes(&self) -> ActionBytes {
        let mut bytes = [0; Self::SIZE];
        let (discriminant, record): (u8, &[u8]) = match self {
            Self::Submit(submit) => (0, submit.as_bytes()),
            Self::Modify(modify) => (1, modify.as_bytes()),
            Self::Cancel(order) => (2, order.as_bytes()),
            Self::CancelAll(which) => (3, which.as_bytes()),
            Self::SetTimer(timer) => (4, timer.as_bytes()),
            Self::ClearTimer(id) => (5, id.as_bytes()),
            Self::Notify(notify) => (6, notify.as_bytes()),
            Self::Subscribe(feed) => (7, feed.as_bytes()),
            Self::Unsubscribe(feed) => (8, feed.as_bytes()),
        };
        bytes[0] = discriminant;
        bytes[RECORD_AT..RECORD_AT + record.len()].copy_from_slice(record);
        bytes
    }

    /// The name as the contract spells it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submit(_) => "submit",
            Self::Modify(_) => "modify",
            Self::Cancel(_) => "cancel",
            Self::CancelAll(_) => "cancel-all",
            Self::SetTimer(_) => "set-timer",
            Self::ClearTimer(_) => "clear-timer",
            Self::Notify(_) => "notify",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
        }
    }
}

fn checked(notify: Notify) -> Result<Notify, ActionError> {
    if notify.value.is_nan() {
        Err(ActionError::NotANumber)
    } else {
        Ok(notify)
    }
}

/// Zeroes the bytes that no field of the record covers, and those in reserve.
fn zero_padding(bytes: &mut ActionBytes) {
    let (first, second) = match bytes[0] {
        0 => (8..80, 96..127),
        1 => (8..48, 0..0),
        2 => (8..16, 0..0),
        3 => (8..13, 0..0),
        4 => (8..12, 16..24),
        5 => (8..12, 0..0),
        6 => (8..13, 16..24),
        7 | 8 => (8..18, 0..0),
        _ => (0..0, 0..0),
    };
    for (at, byte) in bytes.iter_mut().enumerate().skip(1) {
        if !first.contains(&at) && !second.contains(&at) {
            *byte = 0;
        }
    }
}

/// Whether a code is one of a set.
type IsKnown = fn(u16) -> bool;

/// The offset of each code of a submit within the action, and the codes that this version knows.
const SUBMIT_CODES: [(usize, IsKnown); 7] = {
    const fn at(offset: usize) -> usize {
        RECORD_AT + offset
    }
    [
        (at(offset_of!(Submit, kind)), |code| {
            OrderType::from_number(code).is_some()
        }),
        (at(offset_of!(Submit, time_in_force)), |code| {
            TimeInForce::from_number(code).is_some()
        }),
        (at(offset_of!(Submit, trigger)), |code| {
            Trigger::from_number(code).is_some()
        }),
        (at(offset_of!(Submit, trail_basis)), |code| {
            TrailBasis::from_number(code).is_some()
        }),
        (at(offset_of!(Submit, flags)), |code| {
            code & !OrderFlags::ALL == 0
        }),
        (at(offset_of!(Submit, self_trade)), |code| {
            SelfTrade::from_number(code).is_some()
        }),
        (at(offset_of!(Submit, margin)), |code| {
            MarginMode::from_number(code).is_some()
        }),
    ]
};

/// Turns an order that says something this version does not know into one of another type, which is denied and not guessed at.
fn replace_unknown_codes(bytes: &mut ActionBytes) {
    if bytes[0] != 0 {
        return;
    }
    let mut knows_all = true;
    for (at, is_known) in SUBMIT_CODES {
        if !is_known(u16::from_le_bytes([bytes[at], bytes[at + 1]])) {
            bytes[at..at + 2].fill(0);
            knows_all = false;
        }
    }
    if !knows_all {
        let (kind_at, _) = SUBMIT_CODES[0];
        bytes[kind_at..kind_at + 2].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn submit() -> Submit {
        Submit {
            order: 1,
            after: 6,
            size: Size(3),
            notional: Amount(7),
            price: Price(4),
            stop_price: Price(5),
            trail: 8,
            display: Size(9),
            expires: 10,
            reserved: [Pad::ZERO; 2],
            instrument: InstrumentId(2),
            account: AccountId(11),
            group: 12,
            leverage: 13,
            kind: OrderType::StopLimit,
            time_in_force: TimeInForce::Gtd,
            trigger: Trigger::Quote,
            trail_basis: TrailBasis::BasisPoints,
            flags: OrderFlags::POST_ONLY.with(OrderFlags::GROUP_CANCELS),
            self_trade: SelfTrade::ExpireBoth,
            margin: MarginMode::Isolated,
            side: Side::Sell,
            pad: Pad::ZERO,
        }
    }

    fn samples() -> Vec<Action> {
        let feed = FeedRequest {
            target: 1,
            step: 60_000,
            feed: Feed::Bars,
            basis: BarBasis::Volume,
            pad: Pad::ZERO,
        };
        vec![
            Action::Submit(submit()),
            Action::Modify(Modify {
                order: 1,
                price: Price(-1),
                size: Size(2),
                stop_price: Price(3),
                trail: 4,
                reserved: Pad::ZERO,
            }),
            Action::Cancel(u64::MAX),
            Action::CancelAll(CancelAll {
                instrument: InstrumentId(3),
                scope: CancelScope::Instrument,
                pad: Pad::ZERO,
            }),
            Action::SetTimer(TimerRequest {
                id: 1,
                pad: Pad::ZERO,
                due: -5,
            }),
            Action::ClearTimer(7),
            Action::Notify(Notify {
                message: 1,
                severity: Severity::Critical,
                pad: Pad::ZERO,
                value: -0.5,
            }),
            Action::Subscribe(feed),
            Action::Unsubscribe(feed),
        ]
    }

    #[test]
    fn every_action_reads_back_as_it_was_written() {
        for action in samples() {
            assert_eq!(Action::from_bytes(&action.to_bytes()), Ok(action));
        }
    }

    #[test]
    fn undefined_padding_of_a_guest_changes_nothing() {
        for action in samples() {
            let clean = action.to_bytes();
            let mut dirty = clean;
            zero_padding(&mut dirty);
            assert_eq!(
                dirty,
                clean,
                "a field of {} was taken for padding",
                action.name()
            );
            dirty[1..8].fill(0xaa);
            assert_eq!(Action::from_bytes(&dirty), Ok(action));
        }
    }

    #[test]
    fn an_order_with_a_code_of_a_later_version_is_of_another_type_and_what_is_in_reserve_is_ignored()
     {
        for (at, _) in SUBMIT_CODES {
            let mut bytes = Action::Submit(submit()).to_bytes();
            bytes[at + 1] = 0x7f;
            let Ok(Action::Submit(read)) = Action::from_bytes(&bytes) else {
                panic!("a submit with a later code at {at} is one");
            };
            assert_eq!(read.kind, OrderType::Other, "byte {at}");
            assert_eq!((read.order, read.size, read.side), (1, Size(3), Side::Sell));
        }
        let mut bytes = Action::Submit(submit()).to_bytes();
        bytes[80..96].fill(0xff);
        assert_eq!(Action::from_bytes(&bytes), Ok(Action::Submit(submit())));
    }

    #[test]
    fn a_value_outside_the_contract_is_named() {
        let mut bytes = Action::Submit(submit()).to_bytes();
        let side_at = RECORD_AT + offset_of!(Submit, side);
        bytes[side_at] = 9;
        let error = Action::from_bytes(&bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a field of `submit` has a value outside the contract"
        );
        bytes[0] = 200;
        assert_eq!(
            Action::from_bytes(&bytes),
            Err(ActionError::Discriminant { got: 200 })
        );
        let nan = Notify {
            message: 0,
            severity: Severity::Info,
            pad: Pad::ZERO,
            value: f64::NAN,
        };
        assert_eq!(
            Action::from_bytes(&Action::Notify(nan).to_bytes()),
            Err(ActionError::NotANumber)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_an_action_or_an_error(
            head in 0u8..12, tail in proptest::collection::vec(any::<u8>(), Action::SIZE - 8),
        ) {
            let mut bytes = [0; Action::SIZE];
            bytes[0] = head;
            bytes[8..].copy_from_slice(&tail);
            if let Ok(action) = Action::from_bytes(&bytes) {
                prop_assert_eq!(Action::from_bytes(&action.to_bytes()), Ok(action));
            }
        }
    }
}
