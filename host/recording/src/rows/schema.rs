//! The tables of an export. `docs/JOURNAL.md` shows them to users; a test compares the two.

use tickdeck_model::Kind as EventKind;
use tickdeck_tables::{Column, Kind, Table};

const SEQUENCE: Column = Column::new("sequence", Kind::Integer);
const TS_VENUE: Column = Column::new("ts_venue", Kind::Time);
const TS_HOST: Column = Column::new("ts_host", Kind::Time);
const POSITION: Column = Column::new("position", Kind::Integer);
const INSTRUMENT: Column = text("instrument");
const STRATEGY: Column = text("strategy");
const ORDER: Column = Column::new("order", Kind::Integer);
const SIDE: Column = text("side");
const PRICE: Column = decimal("price");
const SIZE: Column = decimal("size");

const fn text(name: &'static str) -> Column {
    Column::new(name, Kind::Text)
}

const fn decimal(name: &'static str) -> Column {
    Column::new(name, Kind::Decimal)
}

const fn integer(name: &'static str) -> Column {
    Column::new(name, Kind::Integer)
}

const fn maybe(name: &'static str, kind: Kind) -> Column {
    Column::optional(name, kind)
}

macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $name:literal [$($column:expr),+ $(,)?];)+) => {$(
        $(#[$doc])*
        pub(super) static $table: Table = Table { name: $name, columns: &[$($column),+] };
    )+};
}

tables! {
    /// Best bids and asks.
    QUOTES = "quotes" [
        SEQUENCE, TS_VENUE, TS_HOST, INSTRUMENT,
        maybe("bid", Kind::Decimal), maybe("bid_size", Kind::Decimal),
        maybe("ask", Kind::Decimal), maybe("ask_size", Kind::Decimal),
    ];
    /// Public trades.
    TRADES = "trades" [
        SEQUENCE, TS_VENUE, TS_HOST, INSTRUMENT, text("aggressor"), PRICE, SIZE, Column::new("trade_id", Kind::Number),
    ];
    /// Levels of the book.
    BOOK = "book" [
        SEQUENCE, TS_VENUE, TS_HOST, INSTRUMENT, text("change"), SIDE, PRICE, SIZE, Column::new("last", Kind::Bool),
        Column::new("update_id", Kind::Number),
    ];
    /// Bars.
    BARS = "bars" [
        SEQUENCE, TS_VENUE, TS_HOST, INSTRUMENT, text("basis"), integer("step"), decimal("open"), decimal("high"),
        decimal("low"), decimal("close"), decimal("volume"), integer("trades"),
    ];
    /// Changes of the strategies' orders.
    ORDERS = "orders" [
        SEQUENCE, TS_VENUE, TS_HOST, INSTRUMENT, STRATEGY, ORDER, text("status"), text("reason"), SIDE,
        maybe("price", Kind::Decimal), SIZE, decimal("filled"),
    ];
    /// Fills of the strategies' orders.
    FILLS = "fills" [
        SEQUENCE, TS_VENUE, TS_HOST, INSTRUMENT, STRATEGY, ORDER, SIDE, text("liquidity"), PRICE, SIZE, decimal("fee"),
        text("fee_currency"), Column::new("trade_id", Kind::Number),
    ];
    /// Published values.
    SIGNALS = "signals" [
        SEQUENCE, TS_VENUE, TS_HOST, text("source"), text("name"), Column::new("value", Kind::Float),
    ];
    /// Timers that came due.
    TIMERS = "timers" [SEQUENCE, TS_VENUE, TS_HOST, STRATEGY, integer("timer"), Column::new("due", Kind::Time)];
    /// States of venues and of their data.
    VENUES = "venues" [
        SEQUENCE, TS_VENUE, TS_HOST, text("venue"), maybe("instrument", Kind::Text), text("state"),
    ];
    /// The account's balances.
    ACCOUNTS = "accounts" [
        SEQUENCE, TS_VENUE, TS_HOST, text("venue"), text("currency"), decimal("total"), decimal("free"),
    ];
    /// Events that a slow strategy missed.
    LAGGED = "lagged" [SEQUENCE, TS_VENUE, TS_HOST, integer("first"), integer("last_one"), integer("dropped")];

    /// Actions of the strategies.
    ACTIONS = "actions" [
        POSITION, maybe("cause", Kind::Integer), Column::new("ts_cause", Kind::Time), Column::new("ts_leaves", Kind::Time),
        STRATEGY, integer("ordinal"), Column::new("late", Kind::Bool), text("action"), maybe("order", Kind::Integer),
        maybe("instrument", Kind::Text), maybe("side", Kind::Text), maybe("type", Kind::Text),
        maybe("time_in_force", Kind::Text), maybe("post_only", Kind::Bool), maybe("reduce_only", Kind::Bool),
        maybe("price", Kind::Decimal), maybe("stop_price", Kind::Decimal), maybe("size", Kind::Decimal),
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

/// The tables of events. Each event is in one of them.
pub static EVENT_TABLES: [&Table; 11] = [
    &QUOTES, &TRADES, &BOOK, &BARS, &ORDERS, &FILLS, &SIGNALS, &TIMERS, &VENUES, &ACCOUNTS, &LAGGED,
];

/// Returns all tables of an export.
pub fn all() -> impl Iterator<Item = &'static Table> {
    let others: [&'static Table; 5] = [&ACTIONS, &COMMANDS, &EFFECTS, &INSTRUMENTS, &CURRENCIES];
    EVENT_TABLES.into_iter().chain(others)
}

/// Returns the table of events of this kind.
pub(super) const fn table(kind: EventKind) -> &'static Table {
    match kind {
        EventKind::Quote => &QUOTES,
        EventKind::Trade => &TRADES,
        EventKind::Book => &BOOK,
        EventKind::Bar => &BARS,
        EventKind::Order => &ORDERS,
        EventKind::Fill => &FILLS,
        EventKind::Signal => &SIGNALS,
        EventKind::Timer => &TIMERS,
        EventKind::Venue => &VENUES,
        EventKind::Account => &ACCOUNTS,
        EventKind::Lagged => &LAGGED,
    }
}
