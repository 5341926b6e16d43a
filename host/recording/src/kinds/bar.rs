//! Bars.

use super::columns::{INSTRUMENT, decimal, event_table, integer, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, price, size};
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{Bar, BarBasis, Pad, Price, Size};
use tickdeck_tables::{Table, Value};

impl Recorded for Bar {
    const TABLE: &'static Table = event_table!(
        "bars",
        INSTRUMENT,
        text("basis"),
        integer("step"),
        decimal("open"),
        decimal("high"),
        decimal("low"),
        decimal("close"),
        decimal("volume"),
        integer("trades"),
    );
    const HAS_NAMES: bool = false;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let terms = names.instrument(self.instrument)?;
        row.extend([
            Value::text(&terms.symbol),
            Value::text(self.basis.as_str()),
            Value::Integer(i64::from(self.step)),
        ]);
        row.extend([self.open, self.high, self.low, self.close].map(|level| price(terms, level)));
        row.extend([
            size(terms, self.volume),
            Value::Integer(i64::from(self.trades)),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (instrument, price, size) = fields.terms()?;
        Ok(Self {
            reserved: Pad::ZERO,
            instrument,
            basis: fields.word(BarBasis::from_name)?,
            step: fields.small()?,
            open: Price(fields.units(price)?),
            high: Price(fields.units(price)?),
            low: Price(fields.units(price)?),
            close: Price(fields.units(price)?),
            volume: Size(fields.units(size)?),
            trades: fields.small()?,
            pad: Pad::ZERO,
        })
    }

    fn describe(&self, names: &Names) -> String {
        let levels = [self.open, self.high, self.low, self.close]
            .map(|level| names.price(self.instrument, level));
        format!(
            "{} {}: {}, volume {} in {} trades",
            self.basis,
            self.step,
            levels.join(" "),
            names.size(self.instrument, self.volume),
            self.trades
        )
    }
}
