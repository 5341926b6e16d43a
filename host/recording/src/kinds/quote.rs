//! Best bids and asks.

use super::columns::{INSTRUMENT, event_table, maybe};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, price, size};
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{Pad, Price, Quote, Size};
use tickdeck_tables::{Kind, Table, Value};

impl Recorded for Quote {
    const TABLE: &'static Table = event_table!(
        "quotes",
        INSTRUMENT,
        maybe("bid", Kind::Decimal),
        maybe("bid_size", Kind::Decimal),
        maybe("ask", Kind::Decimal),
        maybe("ask_size", Kind::Decimal),
    );
    const HAS_NAMES: bool = false;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let terms = names.instrument(self.instrument)?;
        row.push(Value::text(&terms.symbol));
        for (level, amount) in [(self.bid, self.bid_size), (self.ask, self.ask_size)] {
            // A side without orders.
            let none = level.0 == 0 && amount.0 == 0;
            let level = [price(terms, level), size(terms, amount)];
            row.extend(if none {
                [Value::Null, Value::Null]
            } else {
                level
            });
        }
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (instrument, price, size) = fields.terms()?;
        Ok(Self {
            reserved: Pad::ZERO,
            instrument,
            pad: Pad::ZERO,
            bid: Price(fields.units(price)?),
            bid_size: Size(fields.units(size)?),
            ask: Price(fields.units(price)?),
            ask_size: Size(fields.units(size)?),
        })
    }

    /// `61000.10 x 0.5 bid, 61000.20 x 1.2 asked`
    fn describe(&self, names: &Names) -> String {
        let side = |level: Price, amount: Size, what: &str| match (level.0, amount.0) {
            (0, 0) => format!("nothing {what}"),
            _ => format!(
                "{} x {} {what}",
                names.price(self.instrument, level),
                names.size(self.instrument, amount)
            ),
        };
        format!(
            "{}, {}",
            side(self.bid, self.bid_size, "bid"),
            side(self.ask, self.ask_size, "asked")
        )
    }
}
