//! Tables in files: Parquet, CSV and JSON lines.
//!
//! A [`Table`] lists its columns; a [`Sink`] takes its rows one by one, a [`Source`] returns them. Decimals are exact and times have
//! nanoseconds in every format.
//!
//! This crate must never see another crate of ours: it knows nothing of reels, markets or orders. Start reading at `table.rs` (tables
//! and values), then `port.rs` (the two traits) and `files.rs` (which file has which format).
//!
//! ```
//! use tickdeck_tables::{Column, Format, Kind, Table, Value, create, open};
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

mod contained;
mod csv;
mod error;
mod files;
mod lines;
mod parquet_check;
mod parquet_in;
mod parquet_out;
mod partial;
mod port;
mod table;
mod text;
mod thrift;

pub use error::TableError;
pub use files::{Format, create, open};
pub use lines::object;
pub use port::{Sink, Source};
pub use table::{Column, DECIMAL_SCALE, Kind, Row, Table, Value};
pub use text::{read_time, time};
