//! Timers that came due.

use super::columns::{STRATEGY, event_table, integer};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::RowNames;
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::format::date_time;
use tickdeck_model::{Pad, Timer};
use tickdeck_tables::{Column, Kind, Table, Value};

impl Recorded for Timer {
    const TABLE: &'static Table = event_table!(
        "timers",
        STRATEGY,
        integer("timer"),
        Column::new("due", Kind::Time),
    );
    const HAS_NAMES: bool = true;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        row.extend([
            names.strategy(self.strategy)?,
            Value::Integer(i64::from(self.id)),
            Value::Time(self.due),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            reserved: Pad::ZERO,
            strategy: fields.strategy()?,
            id: fields.small()?,
            due: fields.time()?,
        })
    }

    fn describe(&self, _: &Names) -> String {
        format!("number {}, due {}", self.id, date_time(self.due))
    }
}
