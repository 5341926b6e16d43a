//! What recordings need to know about a kind of event.

use super::fields::Fields;
use super::values::RowNames;
use crate::names::Names;
use anyhow::Result;
use tickdeck_tables::{Table, Value};

/// A record of the contract that is kept, exported, imported and described.
pub(super) trait Recorded: Sized {
    /// The table in which each event of this kind is a row; see [`event_table!`](super::columns::event_table).
    const TABLE: &'static Table;
    /// Whether the rows name strategies, venues or texts. An import reads such tables twice, since the names must be at the
    /// beginning of its reel; those of instruments and currencies have tables of their own.
    const HAS_NAMES: bool;

    /// Appends the values of the table's own columns, those after the three of every event.
    ///
    /// # Errors
    /// The record names something that the reels do not know.
    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()>;

    /// Reads what [`put`](Self::put) appended.
    ///
    /// # Errors
    /// A value is missing or impossible, or of an instrument or a currency that is not in its table.
    fn read(fields: &mut Fields<'_>) -> Result<Self>;

    /// Describes the record in one line, without the kind, the instrument and the owner, which precede it.
    fn describe(&self, names: &Names) -> String;
}
