//! The kinds of events in recordings, one file each: its table in an export, the conversion to and from a row, its description.
//!
//! A new kind is a file, its `mod` line and its line in the list of `kinds!`; `recorded.rs` says what the file needs. They share
//! `columns.rs`, `values.rs` (into a row) and `fields.rs` (out of a row) with the other tables, those of `rows/`.

mod account;
mod bar;
mod book;
pub(crate) mod columns;
pub(crate) mod fields;
mod fill;
mod lagged;
mod order;
mod quote;
mod recorded;
mod signal;
mod timer;
mod trade;
pub(crate) mod values;
mod venue;

use crate::names::Names;
use anyhow::Result;
use fields::Fields;
use recorded::Recorded;
use tickdeck_model::{
    AccountUpdate, Bar, Body, BookUpdate, Event, Fill, Kind, Lagged, OrderUpdate, Quote, Registry,
    Signal, Timer, Trade, VenueStatus, View,
};
use tickdeck_tables::{Row, Table, Value};
use values::RowNames;

/// Columns of the widest table of events, so that a row is allocated once.
const WIDEST: usize = 13;

macro_rules! kinds {
    ($($case:ident($record:ident),)+) => {
        /// The tables of events, in the order of the contract's kinds. Each event is in one of them.
        pub static EVENT_TABLES: [&Table; Kind::ALL.len()] = [$($record::TABLE),+];

        /// Returns the table of events of this kind.
        pub(crate) const fn table(kind: Kind) -> &'static Table {
            match kind { $(Kind::$case => $record::TABLE,)+ }
        }

        /// Returns whether an import learns names from the rows of this kind.
        pub(crate) const fn has_names(kind: Kind) -> bool {
            match kind { $(Kind::$case => $record::HAS_NAMES,)+ }
        }

        /// Describes the body of an event.
        pub(crate) fn describe(event: &Event, names: &Names) -> String {
            match event.view() { $(View::$case(it) => it.describe(names),)+ }
        }

        fn put<'a>(event: &Event, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
            match event.view() { $(View::$case(it) => it.put(names, row),)+ }
        }

        fn read(kind: Kind, fields: &mut Fields<'_>) -> Result<Body> {
            Ok(match kind { $(Kind::$case => $record::read(fields)?.into(),)+ })
        }
    };
}

kinds! {
    Quote(Quote), Trade(Trade), Book(BookUpdate), Bar(Bar), Order(OrderUpdate), Fill(Fill), Signal(Signal),
    Timer(Timer), Venue(VenueStatus), Account(AccountUpdate), Lagged(Lagged),
}

/// Returns the row of an event in the table of its kind.
pub(crate) fn row<'a>(event: &Event, names: RowNames<'a>) -> Result<Vec<Value<'a>>> {
    let mut row = Vec::with_capacity(WIDEST);
    row.extend([
        Value::Integer(event.sequence.cast_signed()),
        Value::Time(event.ts_venue),
        Value::Time(event.ts_host),
    ]);
    put(event, names, &mut row)?;
    Ok(row)
}

/// Returns the event of a row, with its recorded sequence. New names of strategies, venues and signals are added to the registry.
pub(crate) fn event(kind: Kind, row: Row, registry: &mut Registry) -> Result<Event> {
    let mut fields = Fields::of(table(kind), row, registry);
    let sequence = fields.number()?;
    let (ts_venue, ts_host) = (fields.event_time()?, fields.event_time()?);
    let body = read(kind, &mut fields)?;
    Ok(Event::new(ts_venue, ts_host, body).with_sequence(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value<'static> {
        Value::Text(text.to_owned().into())
    }

    fn row(rest: impl IntoIterator<Item = Value<'static>>) -> Row {
        let head = [Value::Integer(0), Value::Time(1), Value::Time(1)];
        head.into_iter().chain(rest).collect()
    }

    #[test]
    fn only_an_order_names_an_instrument_that_the_run_does_not_have() {
        let decimal = || Value::decimal(1, 0);
        let mut registry = Registry::new();
        let mut read = |kind, rest: Vec<Value<'static>>| {
            let read = event(kind, row(rest), &mut registry);
            read.map(|event| event.instrument())
        };
        let order = |symbol: &str| {
            let of = [text(symbol), text("ema"), Value::Integer(1)];
            let status = ["denied", "unknown-instrument", "buy"].map(text);
            let amounts = [Value::Null, decimal(), decimal()];
            let rest = [Value::Null, Value::Null];
            let row = of.into_iter().chain(status).chain(amounts);
            row.chain(rest).collect()
        };
        let named = Some(tickdeck_model::InstrumentId(7));
        assert_eq!(read(Kind::Order, order("#7")).unwrap(), named);
        read(Kind::Order, order("#x")).unwrap_err();
        let quote = [text("#7"), decimal(), decimal(), decimal(), decimal()];
        let why = read(Kind::Quote, quote.into()).unwrap_err().to_string();
        assert_eq!(why, "instrument `#7` is not in the table `instruments`");
    }

    #[test]
    fn a_table_makes_no_strategy_the_host_and_names_none_by_what_is_not_a_name() {
        let mut registry = Registry::new();
        let mut timer = |name: &str| {
            let row = row([text(name), Value::Integer(1), Value::Time(2)]);
            event(Kind::Timer, row, &mut registry).map(|_| ())
        };
        timer("ema").unwrap();
        for name in ["host", "HOST", "\u{1b}[2J", "ema\u{200b}", ""] {
            let why = timer(name).unwrap_err().to_string();
            assert_eq!(tickdeck_model::untrusted::printable(&why), why);
        }
        let mut signal = |source: &str| {
            let row = row([text(source), text("mood"), Value::Float(1.0)]);
            event(Kind::Signal, row, &mut registry).map(|_| ())
        };
        signal("host").unwrap();
        signal("ema").unwrap();
        for source in ["Host", "a b"] {
            signal(source).unwrap_err();
        }
    }
}
