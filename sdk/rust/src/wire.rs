//! Reads events from bytes in the canonical layout, for programs that run a strategy natively on a recorded tape.

use crate::event::{
    Account, Bar, Body, BookUpdate, Event, Fill, Lagged, OrderUpdate, Quote, Signal, Timer, Trade,
    VenueStatus,
};
use crate::fixed::{Amount, Price, Size};
use crate::ids::{CurrencyId, InstrumentId, OrderNumber, StrategyId, TextId, VenueId};
use crate::terms::{
    Aggressor, BarBasis, BookChange, Liquidity, OrderStatus, Reason, Side, VenueScope, VenueState,
};
use core::mem::offset_of;

/// Offsets of the body's discriminant and record in an event.
const KIND_AT: usize = 24;
const RECORD_AT: usize = 32;

/// A value read from the start of a slice; `None` if the value is outside the contract.
trait Field: Sized {
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

/// Reads each field of a record at its own offset, which is that of the contract (asserted in `event.rs`).
macro_rules! records {
    ($($record:ident { $($field:ident),+ })+) => {$(
        impl Field for $record {
            fn read(bytes: &[u8]) -> Option<Self> {
                Some(Self { $($field: Field::read(bytes.get(offset_of!(Self, $field)..)?)?,)+ })
            }
        }
    )+};
}

numbers!(u32, u64, i64, f64);
wrapped!(
    Price,
    Size,
    Amount,
    InstrumentId,
    VenueId,
    CurrencyId,
    StrategyId,
    TextId,
    OrderNumber
);
enums!(
    Aggressor,
    BarBasis,
    BookChange,
    Liquidity,
    OrderStatus,
    Reason,
    Side,
    VenueScope,
    VenueState
);
records! {
    Quote { instrument, bid, bid_size, ask, ask_size }
    Trade { instrument, aggressor, price, size, trade_id }
    BookUpdate { instrument, change, side, last, price, size, update_id }
    Bar { instrument, step, open, high, low, close, volume, trades, basis }
    OrderUpdate { instrument, strategy, order, price, size, filled, status, reason, side }
    Fill { instrument, strategy, order, trade_id, price, size, fee, fee_currency, side, liquidity }
    Signal { source, name, value }
    Timer { strategy, id, due }
    VenueStatus { venue, instrument, scope, state }
    Account { venue, currency, total, free }
    Lagged { first, last, dropped }
}

impl Field for bool {
    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Event {
    /// Reads an event in the canonical layout, as stored in the host's ring and reels; returns `None` if a value is
    /// outside the contract.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let record = &bytes[RECORD_AT..];
        let body = match bytes[KIND_AT] {
            0 => Quote::read(record)?.into(),
            1 => Trade::read(record)?.into(),
            2 => BookUpdate::read(record)?.into(),
            3 => Bar::read(record)?.into(),
            4 => OrderUpdate::read(record)?.into(),
            5 => Fill::read(record)?.into(),
            6 => Signal::read(record)?.into(),
            7 => Timer::read(record)?.into(),
            8 => VenueStatus::read(record)?.into(),
            9 => Account::read(record)?.into(),
            10 => Lagged::read(record)?.into(),
            _ => return None,
        };
        Self::with_body(bytes, body)
    }

    fn with_body(bytes: &[u8; Self::SIZE], body: Body) -> Option<Self> {
        Some(Self {
            sequence: Field::read(&bytes[offset_of!(Self, sequence)..])?,
            ts_venue: Field::read(&bytes[offset_of!(Self, ts_venue)..])?,
            ts_host: Field::read(&bytes[offset_of!(Self, ts_host)..])?,
            body,
        })
    }
}

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
        };
        assert_eq!(event.body, Body::Trade(trade));
    }

    #[test]
    fn refuses_values_outside_the_contract() {
        assert_eq!(Event::from_bytes(&bytes(11)), None, "there is no such kind");
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
