//! Events that a slow strategy missed.

use super::columns::{event_table, integer};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::RowNames;
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{Lagged, Pad};
use tickdeck_tables::{Table, Value};

impl Recorded for Lagged {
    const TABLE: &'static Table = event_table!(
        "lagged",
        integer("first"),
        integer("last_one"),
        integer("dropped"),
    );
    const HAS_NAMES: bool = false;

    fn put<'a>(&self, _: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let numbers = [self.first, self.last, self.dropped];
        row.extend(numbers.map(|number| Value::Integer(number.cast_signed())));
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            reserved: Pad::ZERO,
            first: fields.number()?,
            last: fields.number()?,
            dropped: fields.number()?,
        })
    }

    fn describe(&self, _: &Names) -> String {
        format!(
            "{} events from {} to {} were left out",
            self.dropped, self.first, self.last
        )
    }
}
