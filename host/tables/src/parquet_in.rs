//! Reads Parquet as [`crate::create`] writes it. Every byte is untrusted: see `parquet_check` and `contained`.

use crate::contained::{Batches, Contained};
use crate::error::TableError;
use crate::parquet_check::{check_footer, check_pages};
use crate::table::{Column, DECIMAL_SCALE, Kind, MAX_TEXT, Row, Table, Value};
use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use std::fs::File;
use std::path::{Path, PathBuf};
use tickdeck_files::open_plain;

/// The number of rows read at once.
const BATCH: usize = 1 << 11;

/// Opens a file, to be read on a thread of its own.
pub(crate) fn open(file: &Path, table: &'static Table) -> Result<Contained, TableError> {
    let named = file.to_owned();
    Contained::open(file, move || ParquetSource::open(&named, table))
}

struct ParquetSource {
    file: PathBuf,
    opened: File,
    reader: SerializedFileReader<File>,
    table: &'static Table,
    /// The place of each of the table's columns in the file; none where an earlier export had not yet a column that may be empty.
    places: Vec<Option<usize>>,
    /// The next row group.
    group: usize,
    columns: Vec<Option<ColumnReader>>,
    /// Rows of this group that are not read yet.
    left: usize,
}

impl ParquetSource {
    fn open(file: &Path, table: &'static Table) -> Result<Self, TableError> {
        let opened = open_plain(file).map_err(TableError::io("open", file))?;
        check_footer(&opened).map_err(|what| TableError::content(file, what))?;
        let library = opened.try_clone().map_err(TableError::io("open", file))?;
        let reader = SerializedFileReader::new(library).map_err(TableError::parquet(file))?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut places = Vec::new();
        for column in table.columns {
            let mut there = schema.columns().iter();
            let place =
                there.position(|there| there.name() == column.name && has_type(there, column.kind));
            let what = || {
                format!(
                    "it has no column `{}` of the type that an export gives it",
                    column.name
                )
            };
            if place.is_none() && !(column.optional && is_missing(&schema, column.name)) {
                return Err(TableError::content(file, what()));
            }
            places.push(place);
        }
        Ok(Self {
            file: file.to_owned(),
            opened,
            reader,
            table,
            places,
            group: 0,
            columns: Vec::new(),
            left: 0,
        })
    }

    /// Reads the next rows of each column, last one first; none at the end.
    fn fill(&mut self) -> Result<Vec<Vec<Value<'static>>>, ParquetError> {
        while self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(Vec::new());
            }
            self.next_group()?;
        }
        let count = self.left.min(BATCH);
        let columns = self.columns.iter_mut().zip(self.table.columns);
        let batch: Result<Vec<_>, _> = columns
            .map(|(reader, column)| match reader {
                Some(reader) => values(reader, column, count),
                None => Ok(vec![Value::Null; count]),
            })
            .collect();
        self.left -= count;
        batch
    }

    fn next_group(&mut self) -> Result<(), ParquetError> {
        let group = self.reader.get_row_group(self.group)?;
        let about = group.metadata();
        for place in self.places.iter().flatten() {
            let column = about.column(*place);
            let data = column.data_page_offset();
            let from = column
                .dictionary_page_offset()
                .map_or(data, |at| at.min(data));
            check_pages(&self.opened, from, column.compressed_size())
                .map_err(ParquetError::General)?;
        }
        let columns: Result<_, _> = self
            .places
            .iter()
            .map(|place| {
                place
                    .map(|place| group.get_column_reader(place))
                    .transpose()
            })
            .collect();
        self.left = usize::try_from(about.num_rows())
            .map_err(|_| ParquetError::General("a row group has no number of rows".to_owned()))?;
        self.columns = columns?;
        self.group += 1;
        Ok(())
    }
}

impl Batches for ParquetSource {
    fn batch(&mut self) -> Result<Vec<Row>, TableError> {
        let mut columns = self.fill().map_err(TableError::parquet(&self.file))?;
        let count = columns.first().map_or(0, Vec::len);
        let wanted = columns.iter().all(|column| column.len() == count);
        if !wanted || (count == 0 && !columns.is_empty()) {
            let what = "its columns are not of the same length";
            return Err(TableError::content(&self.file, what));
        }
        let mut rows: Vec<Row> = (0..count)
            .map(|_| Row::with_capacity(columns.len()))
            .collect();
        for column in &mut columns {
            rows.iter_mut()
                .zip(column.drain(..))
                .for_each(|(row, value)| row.push(value));
        }
        Ok(rows)
    }
}

/// Returns whether a file has no column of this name, of any type.
fn is_missing(schema: &SchemaDescriptor, name: &str) -> bool {
    schema.columns().iter().all(|there| there.name() != name)
}

/// Returns whether a column of a file has the type that [`crate::create`] gives this kind.
fn has_type(there: &ColumnDescriptor, kind: Kind) -> bool {
    there.max_rep_level() == 0
        && match kind {
            Kind::Time | Kind::Integer | Kind::Number => there.physical_type() == Physical::INT64,
            Kind::Decimal => {
                there.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY
                    && there.type_scale() == i32::from(DECIMAL_SCALE)
            }
            Kind::Text => there.physical_type() == Physical::BYTE_ARRAY,
            Kind::Bool => there.physical_type() == Physical::BOOLEAN,
            Kind::Float => there.physical_type() == Physical::DOUBLE,
        }
}

/// Reads `count` rows of a column, last one first.
fn values(
    reader: &mut ColumnReader,
    column: &Column,
    count: usize,
) -> Result<Vec<Value<'static>>, ParquetError> {
    let whole = |number: i64| {
        Some(match column.kind {
            Kind::Time => Value::Time(number),
            Kind::Integer => Value::Integer(number),
            _ => Value::Number(number.cast_unsigned()),
        })
    };
    match reader {
        ColumnReader::Int64ColumnReader(reader) => rows(reader, column, count, whole),
        ColumnReader::DoubleColumnReader(reader) => {
            rows(reader, column, count, |number| Some(Value::Float(number)))
        }
        ColumnReader::BoolColumnReader(reader) => {
            rows(reader, column, count, |is| Some(Value::Bool(is)))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            rows(reader, column, count, |bytes| {
                decimal(bytes.data()).map(Value::Decimal)
            })
        }
        ColumnReader::ByteArrayColumnReader(reader) => rows(reader, column, count, |bytes| {
            let text = std::str::from_utf8(bytes.data()).ok()?;
            if text.len() > MAX_TEXT {
                return None;
            }
            Some(Value::Text(text.to_owned().into()))
        }),
        _ => Err(ParquetError::General(format!(
            "column `{}` has another type",
            column.name
        ))),
    }
}

fn rows<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    column: &Column,
    count: usize,
    value: impl Fn(T::T) -> Option<Value<'static>>,
) -> Result<Vec<Value<'static>>, ParquetError> {
    let (mut read, mut levels) = (Vec::new(), Vec::new());
    let mut got = 0;
    while got < count {
        let (more, _, _) = reader.read_records(count - got, Some(&mut levels), None, &mut read)?;
        if more == 0 {
            break;
        }
        got += more;
    }
    let wrong = || {
        ParquetError::General(format!(
            "column `{}` has a value that an export does not write",
            column.name
        ))
    };
    let mut read = read.into_iter();
    let mut rows = Vec::with_capacity(got);
    for row in 0..got {
        // A column that is never empty has no levels.
        let is_there = levels.get(row).is_none_or(|level| *level > 0);
        let found = if is_there {
            read.next().and_then(&value)
        } else {
            column.optional.then_some(Value::Null)
        };
        rows.push(found.ok_or_else(wrong)?);
    }
    rows.reverse();
    Ok(rows)
}

/// Big-endian two's complement of any length up to 16 bytes.
fn decimal(bytes: &[u8]) -> Option<i128> {
    let mut wide = [if *bytes.first()? >= 0x80 { 0xff } else { 0 }; 16];
    let from = 16usize.checked_sub(bytes.len())?;
    wide[from..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}
