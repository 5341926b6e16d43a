//! The tables of an export; those of events are in `kinds/`. `docs/JOURNAL.md` and `docs/LAYOUT.md` show them to users; a test
//! compares the two.

use crate::kinds::EVENT_TABLES;
use crate::kinds::columns::{INSTRUMENT, ORDER, STRATEGY, decimal, integer, maybe, text};
use tickdeck_tables::{Column, Kind, Table};

const POSITION: Column = integer("position");

macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $name:literal [$($column:expr),+ $(,)?];)+) => {$(
        $(#[$doc])*
        pub(super) static $table: Table = Table { name: $name, columns: &[$($column),+] };
    )+};
}

tables! {
    /// Actions of the strategies.
    ACTIONS = "actions" [
        POSITION, maybe("cause", Kind::Integer), Column::new("ts_cause", Kind::Time), Column::new("ts_leaves", Kind::Time),
        STRATEGY, integer("ordinal"), Column::new("late", Kind::Bool), text("action"), maybe("order", Kind::Integer),
        maybe("instrument", Kind::Text), maybe("side", Kind::Text), maybe("type", Kind::Text),
        maybe("time_in_force", Kind::Text), maybe("post_only", Kind::Bool), maybe("reduce_only", Kind::Bool),
        maybe("price", Kind::Decimal), maybe("stop_price", Kind::Decimal), maybe("size", Kind::Decimal),
        maybe("expires", Kind::Time), maybe("after", Kind::Integer), maybe("group", Kind::Integer),
        maybe("trail", Kind::Integer),
        maybe("timer", Kind::Integer), maybe("due", Kind::Time), maybe("message", Kind::Integer),
        maybe("severity", Kind::Text), maybe("value", Kind::Float), maybe("feed", Kind::Text),
    ];
    /// Commands that were sent to the venues.
    COMMANDS = "commands" [
        POSITION, Column::new("ts", Kind::Time), Column::new("ts_wall", Kind::Time), STRATEGY, ORDER, text("command"),
    ];
    /// Other effects of the host.
    EFFECTS = "deeds" [POSITION, maybe("ts", Kind::Time), maybe("strategy", Kind::Text), text("deed"), text("words")];

    /// Terms of the instruments.
    INSTRUMENTS = "instruments" [
        INSTRUMENT, text("venue"), text("base"), text("quote"), integer("price_scale"), integer("size_scale"),
        integer("quote_scale"), decimal("tick"), decimal("lot"), decimal("min_notional"),
    ];
    /// Currencies of amounts.
    CURRENCIES = "currencies" [text("currency"), integer("scale")];
}

/// Returns all tables of an export.
pub fn all() -> impl Iterator<Item = &'static Table> {
    let others: [&'static Table; 5] = [&ACTIONS, &COMMANDS, &EFFECTS, &INSTRUMENTS, &CURRENCIES];
    EVENT_TABLES.into_iter().chain(others)
}
