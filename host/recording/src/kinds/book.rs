//! Levels of the book.

use super::columns::{INSTRUMENT, PRICE, SIDE, SIZE, event_table, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, price, size};
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{BookChange, BookUpdate, Pad, Price, Side, Size};
use tickdeck_tables::{Column, Kind, Table, Value};

impl Recorded for BookUpdate {
    const TABLE: &'static Table = event_table!(
        "book",
        INSTRUMENT,
        text("change"),
        SIDE,
        PRICE,
        SIZE,
        Column::new("last", Kind::Bool),
        Column::new("update_id", Kind::Number),
    );
    const HAS_NAMES: bool = false;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let terms = names.instrument(self.instrument)?;
        row.extend([
            Value::text(&terms.symbol),
            Value::text(self.change.as_str()),
            Value::text(self.side.as_str()),
            price(terms, self.price),
            size(terms, self.size),
            Value::Bool(self.last),
            Value::Number(self.update_id),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (instrument, price, size) = fields.terms()?;
        Ok(Self {
            reserved: Pad::ZERO,
            instrument,
            change: fields.word(BookChange::from_name)?,
            side: fields.word(Side::from_name)?,
            pad: Pad::ZERO,
            price: Price(fields.units(price)?),
            size: Size(fields.units(size)?),
            last: fields.bool()?,
            update_id: fields.number()?,
        })
    }

    fn describe(&self, names: &Names) -> String {
        format!(
            "{} {} {} x {}, update {}",
            self.change,
            self.side,
            names.price(self.instrument, self.price),
            names.size(self.instrument, self.size),
            self.update_id
        )
    }
}
