//! Published values.

use super::columns::{event_table, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::RowNames;
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{Pad, Signal};
use tickdeck_tables::{Column, Kind, Table, Value};

impl Recorded for Signal {
    const TABLE: &'static Table = event_table!(
        "signals",
        text("source"),
        text("name"),
        Column::new("value", Kind::Float),
    );
    const HAS_NAMES: bool = true;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        row.extend([
            names.strategy(self.source)?,
            names.text(self.name)?,
            Value::Float(self.value),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (source, name) = (fields.publisher()?, fields.text()?);
        let name = fields.registry.add_text(&name);
        match fields.next()? {
            Value::Float(value) if !value.is_nan() => Ok(Self {
                reserved: Pad::ZERO,
                source,
                name,
                value,
            }),
            _ => Err(fields.invalid()),
        }
    }

    fn describe(&self, names: &Names) -> String {
        format!(
            "{} of {} is {}",
            names.text(self.name),
            names.strategy(self.source),
            self.value
        )
    }
}
