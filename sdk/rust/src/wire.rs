//! Reads single values from bytes in the canonical layout. Records are read field by field, in `event.rs`.

use crate::fixed::{Amount, Price, Size};
use crate::ids::{AccountId, CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, VenueId};
use crate::terms::{
    Aggressor, BarBasis, BookChange, Liquidity, OrderStatus, Reason, Side, VenueScope, VenueState,
};

/// A value of the contract.
pub(crate) trait Field: Sized {
    /// Reads the value at the start of a slice; returns `None` if it is outside the contract.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Field for $number {
            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|bytes| Self::from_le_bytes(*bytes))
            }
        }
    )+};
}

macro_rules! wrapped {
    ($($name:ident),+) => {$(
        impl Field for $name {
            fn read(bytes: &[u8]) -> Option<Self> {
                Field::read(bytes).map(Self)
            }
        }
    )+};
}

macro_rules! enums {
    ($($name:ident),+) => {$(
        impl Field for $name {
            fn read(bytes: &[u8]) -> Option<Self> {
                Self::from_u8(*bytes.first()?)
            }
        }
    )+};
}

numbers!(u16, u32, u64, i64, f64);
wrapped!(
    Price,
    Size,
    Amount,
    InstrumentId,
    VenueId,
    CurrencyId,
    StrategyId,
    TextId,
    OrderNumber,
    AccountId,
    Liquidity,
    OrderStatus,
    Reason,
    VenueState
);
enums!(Aggressor, BarBasis, BookChange, Side, VenueScope);

impl Field for bool {
    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}
