//! Tables in files: Parquet, CSV and JSON lines.
//!
//! A [`Table`] says which columns there are; a [`Sink`] takes its rows one by one, a [`Source`] gives them back. Decimals are
//! exact and times have nanoseconds in every format. This crate knows nothing of reels, markets or orders.
//!
//! ```
//! use tickdeck_export::{Column, Format, Kind, Table, Value, create, open};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! static PRICES: Table = Table {
//!     name: "prices",
//!     columns: &[Column::new("symbol", Kind::Text), Column::new("price", Kind::Decimal)],
//! };
//! # let folder = tempfile::tempdir()?;
//! let file = folder.path().join("prices.parquet");
//! let mut sink = create(Format::Parquet, &file, &PRICES)?;
//! sink.push(&[Value::Text("BTCUSDT".into()), Value::decimal(6_100_050, 2)])?;
//! sink.finish()?;
//!
//! let row = open(&file, &PRICES)?.next()?.expect("one was written");
//! assert_eq!(row[1], Value::decimal(61_000_500, 3));
//! # Ok(())
//! # }
//! ```
//!
//! Why these types and this writer: `docs/decisions/0012-parquet.md`.
#![forbid(unsafe_code)]

mod csv;
mod error;
mod lines;
mod parquet_in;
mod parquet_out;
mod partial;
mod table;
mod text;

pub use error::TableError;
pub use lines::object;
pub use table::{Column, DECIMAL_SCALE, Kind, Row, Table, Value};
pub use text::{read_time, time};

use std::path::Path;

/// What a table is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet: small, typed, read by DuckDB, Polars, pandas and many more.
    Parquet,
    /// Comma-separated values with a line of names.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// How the names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// Takes the rows of a table. Without [`Sink::finish`] no file comes to be.
pub trait Sink {
    /// Takes a row, which has a value for each column.
    ///
    /// # Errors
    /// The file can't be written.
    ///
    /// # Panics
    /// The row does not fit the table.
    fn push(&mut self, row: &[Value<'_>]) -> Result<(), TableError>;

    /// Puts the file in its place; gives its length in bytes.
    ///
    /// # Errors
    /// The file can't be written.
    fn finish(self: Box<Self>) -> Result<u64, TableError>;
}

/// Gives the rows of a table.
pub trait Source {
    /// The next row, with a value for each column of the table.
    ///
    /// # Errors
    /// The file can't be read, or does not hold what the table says.
    #[allow(
        clippy::should_implement_trait,
        reason = "an error ends it, and `?` reads better than two layers"
    )]
    fn next(&mut self) -> Result<Option<Row>, TableError>;
}

/// Begins a file with a table, in place of what may be there.
///
/// # Errors
/// The file can't be made.
pub fn create(
    format: Format,
    file: &Path,
    table: &'static Table,
) -> Result<Box<dyn Sink>, TableError> {
    Ok(match format {
        Format::Parquet => Box::new(parquet_out::ParquetSink::create(file, table)?),
        Format::Csv => Box::new(csv::CsvSink::create(file, table)?),
        Format::JsonLines => Box::new(lines::LineSink::create(file, table)?),
    })
}

/// Opens a file with a table, a Parquet or JSON lines one by its name's ending. Its columns may stand in any order, and there
/// may be others.
///
/// # Errors
/// The file can't be read, is of another format, or lacks a column.
pub fn open(file: &Path, table: &'static Table) -> Result<Box<dyn Source>, TableError> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("parquet") => Ok(Box::new(parquet_in::ParquetSource::open(file, table)?)),
        Some("jsonl") => Ok(Box::new(lines::LineSource::open(file, table)?)),
        _ => Err(TableError::Content {
            file: file.to_owned(),
            what: "only .parquet and .jsonl can be read back".to_owned(),
        }),
    }
}
