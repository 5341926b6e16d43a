//! Public trades.

use super::columns::{INSTRUMENT, PRICE, SIZE, event_table, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, price, size};
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{Aggressor, Pad, Price, Size, Trade};
use tickdeck_tables::{Column, Kind, Table, Value};

impl Recorded for Trade {
    const TABLE: &'static Table = event_table!(
        "trades",
        INSTRUMENT,
        text("aggressor"),
        PRICE,
        SIZE,
        Column::new("trade_id", Kind::Number),
    );
    const HAS_NAMES: bool = false;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let terms = names.instrument(self.instrument)?;
        row.extend([
            Value::text(&terms.symbol),
            Value::text(self.aggressor.as_str()),
            price(terms, self.price),
            size(terms, self.size),
            Value::Number(self.trade_id),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (instrument, price, size) = fields.terms()?;
        Ok(Self {
            reserved: Pad::ZERO,
            instrument,
            aggressor: fields.word(Aggressor::from_name)?,
            pad: Pad::ZERO,
            price: Price(fields.units(price)?),
            size: Size(fields.units(size)?),
            trade_id: fields.number()?,
        })
    }

    fn describe(&self, names: &Names) -> String {
        format!(
            "{} at {}, {}, number {}",
            names.size(self.instrument, self.size),
            names.price(self.instrument, self.price),
            self.aggressor,
            self.trade_id
        )
    }
}
