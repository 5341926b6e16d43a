//! The formats, and files in them.

use crate::csv::CsvSink;
use crate::error::TableError;
use crate::lines::{LineSink, LineSource};
use crate::parquet_in;
use crate::parquet_out::ParquetSink;
use crate::port::{Sink, Source};
use crate::table::Table;
use std::path::Path;

/// The format of a table's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet: small, typed, read by DuckDB, Polars, pandas and many more.
    Parquet,
    /// Comma-separated values with a line of names.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl Format {
    /// Returns the extension of its files.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// Creates the file of a table, which replaces an existing one when it is finished.
///
/// # Errors
/// The file can't be created.
pub fn create(
    format: Format,
    file: &Path,
    table: &'static Table,
) -> Result<Box<dyn Sink>, TableError> {
    Ok(match format {
        Format::Parquet => Box::new(ParquetSink::create(file, table)?),
        Format::Csv => Box::new(CsvSink::create(file, table)?),
        Format::JsonLines => Box::new(LineSink::create(file, table)?),
    })
}

/// Opens the file of a table, Parquet or JSON lines by its extension. The columns may be in any order, and there may be others.
///
/// # Errors
/// The file can't be read, is of another format, or lacks a column.
pub fn open(file: &Path, table: &'static Table) -> Result<Box<dyn Source>, TableError> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("parquet") => Ok(Box::new(parquet_in::open(file, table)?)),
        Some("jsonl") => Ok(Box::new(LineSource::open(file, table)?)),
        _ => Err(TableError::Content {
            file: file.to_owned(),
            what: "only .parquet and .jsonl can be read back".to_owned(),
        }),
    }
}
