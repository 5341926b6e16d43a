//! Writers and readers of tables, whatever the format.

use crate::error::TableError;
use crate::table::{Row, Value};

/// Writes the rows of a table. Without [`Sink::finish`] no file is created.
pub trait Sink {
    /// Writes a row, which has a value for each column.
    ///
    /// # Errors
    /// The file can't be written.
    ///
    /// # Panics
    /// The row does not fit the table.
    fn push(&mut self, row: &[Value<'_>]) -> Result<(), TableError>;

    /// Puts the file in place, durably; returns its length in bytes.
    ///
    /// # Errors
    /// The file can't be written.
    fn finish(self: Box<Self>) -> Result<u64, TableError>;
}

/// Reads the rows of a table.
pub trait Source {
    /// Reads the next row, with a value for each column of the table.
    ///
    /// # Errors
    /// The file can't be read, or does not hold what the table says.
    #[allow(
        clippy::should_implement_trait,
        reason = "an error ends it, and `?` reads better than two layers"
    )]
    fn next(&mut self) -> Result<Option<Row>, TableError>;
}
