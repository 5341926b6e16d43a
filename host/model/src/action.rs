//! The actions of a strategy: `action` of `wit/actions.wit`, as an enum and as 56 bytes in the canonical layout.

use crate::fixed::{Price, Size};
use crate::ids::{InstrumentId, OrderNumber, StrategyId, TextId, Timestamp};
use crate::layout::{Bool, Pad, closed_set};
use crate::terms::{BarBasis, OrderType, Severity, Side, TimeInForce};
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

/// A new order.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Submit {
    /// The strategy's own number for it.
    pub order: OrderNumber,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// The order type.
    pub kind: OrderType,
    /// The time in force.
    pub time_in_force: TimeInForce,
    /// Reject rather than trade at once.
    pub post_only: Bool,
    /// It only closes the position.
    pub reduce_only: Bool,
    /// Zero.
    pub pad: Pad<7>,
    /// The size.
    pub size: Size,
    /// Limit price, 0 where the type has none.
    pub price: Price,
    /// Stop price, 0 where the type has none.
    pub stop_price: Price,
}

/// A change of a working order.
#[derive(Debug, Clone, Copy, PartialEq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Modify {
    /// The strategy's own number for it.
    pub order: OrderNumber,
    /// The new limit price.
    pub price: Price,
    /// The new total size.
    pub size: Size,
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
    pub const SIZE: usize = 56;

    /// Reads an action that a guest wrote. Padding is ignored and taken as zero, because generated code of some languages
    /// leaves it undefined.
    ///
    /// # Errors
    /// The discriminant or a field is outside the contract.
    pub fn from_bytes(bytes: &ActionBytes) -> Result<Self, ActionError> {
        let mut clean = *bytes;
        zero_padding(&mut clean);
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

/// Zeroes the bytes that no field of the record covers.
fn zero_padding(bytes: &mut ActionBytes) {
    let (first, second) = match bytes[0] {
        0 => (8..25, 32..56),
        1 => (8..32, 0..0),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn submit() -> Submit {
        Submit {
            order: 1,
            instrument: InstrumentId(2),
            side: Side::Sell,
            kind: OrderType::StopLimit,
            time_in_force: TimeInForce::Day,
            post_only: true,
            reduce_only: true,
            pad: Pad::ZERO,
            size: Size(3),
            price: Price(4),
            stop_price: Price(5),
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
    fn a_value_outside_the_contract_is_named() {
        let mut bytes = Action::Submit(submit()).to_bytes();
        bytes[20] = 9;
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
        fn arbitrary_bytes_are_an_action_or_an_error(head in 0u8..12, tail in proptest::array::uniform32(any::<u8>())) {
            let mut bytes = [0; Action::SIZE];
            bytes[0] = head;
            bytes[8..40].copy_from_slice(&tail);
            if let Ok(action) = Action::from_bytes(&bytes) {
                prop_assert_eq!(Action::from_bytes(&action.to_bytes()), Ok(action));
            }
        }
    }
}
