//! States of venues and of their data.

use super::columns::{event_table, maybe, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::RowNames;
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{InstrumentId, Pad, VenueScope, VenueState, VenueStatus};
use tickdeck_tables::{Kind, Table, Value};

impl Recorded for VenueStatus {
    const TABLE: &'static Table = event_table!(
        "venues",
        text("venue"),
        maybe("instrument", Kind::Text),
        text("state"),
    );
    const HAS_NAMES: bool = true;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        row.extend([
            names.venue(self.venue)?,
            match self.scope {
                VenueScope::Venue => Value::Null,
                VenueScope::Instrument => Value::text(&names.instrument(self.instrument)?.symbol),
            },
            Value::text(self.state.as_str()),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let venue = fields.venue()?;
        let (scope, instrument) = match fields.next()? {
            Value::Text(symbol) => (VenueScope::Instrument, fields.known(&symbol)?.0),
            _ => (VenueScope::Venue, InstrumentId(0)),
        };
        Ok(Self {
            reserved: Pad::ZERO,
            venue,
            instrument,
            scope,
            state: fields.word(VenueState::from_name)?,
            pad: Pad::ZERO,
        })
    }

    fn describe(&self, names: &Names) -> String {
        match self.scope {
            VenueScope::Venue => format!("{} is {}", names.venue(self.venue), self.state),
            VenueScope::Instrument => format!(
                "{} at {} is {}",
                names.symbol(self.instrument),
                names.venue(self.venue),
                self.state
            ),
        }
    }
}
