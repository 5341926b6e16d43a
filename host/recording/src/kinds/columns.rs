//! The columns that tables share.

use tickdeck_tables::{Column, Kind};

pub(crate) const SEQUENCE: Column = integer("sequence");
pub(crate) const TS_VENUE: Column = Column::new("ts_venue", Kind::Time);
pub(crate) const TS_HOST: Column = Column::new("ts_host", Kind::Time);
pub(crate) const INSTRUMENT: Column = text("instrument");
pub(crate) const STRATEGY: Column = text("strategy");
pub(crate) const ORDER: Column = integer("order");
pub(crate) const SIDE: Column = text("side");
pub(crate) const PRICE: Column = decimal("price");
pub(crate) const SIZE: Column = decimal("size");

pub(crate) const fn text(name: &'static str) -> Column {
    Column::new(name, Kind::Text)
}

pub(crate) const fn decimal(name: &'static str) -> Column {
    Column::new(name, Kind::Decimal)
}

pub(crate) const fn integer(name: &'static str) -> Column {
    Column::new(name, Kind::Integer)
}

pub(crate) const fn maybe(name: &'static str, kind: Kind) -> Column {
    Column::optional(name, kind)
}

/// A table of events: its name, and its columns after those of every event.
macro_rules! event_table {
    ($name:literal, $($column:expr),+ $(,)?) => {
        &tickdeck_tables::Table {
            name: $name,
            columns: &[
                $crate::kinds::columns::SEQUENCE,
                $crate::kinds::columns::TS_VENUE,
                $crate::kinds::columns::TS_HOST,
                $($column),+
            ],
        }
    };
}
pub(super) use event_table;
