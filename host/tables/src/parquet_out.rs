//! Writes Parquet column by column, one row group at a time.

use crate::error::TableError;
use crate::partial::Partial;
use crate::port::Sink;
use crate::table::{Column, DECIMAL_SCALE, Kind, Table, Value};
use parquet::basic::{
    Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The rows of a row group, which is buffered in memory, and which readers can skip as a unit.
const GROUP: usize = 1 << 18;

/// The digits of a decimal, enough for any 64-bit number at any scale; and their bytes.
const PRECISION: i32 = 28;
const WIDTH: usize = 12;

/// The compression level; higher ones take twice the time for a few percent.
const LEVEL: i32 = 3;

/// Maximum number of distinct values of a column that are kept to be shared by rows.
const SHARED: usize = 1 << 16;

pub(crate) struct ParquetSink {
    out: Partial,
    writer: SerializedFileWriter<File>,
    table: &'static Table,
    columns: Vec<PendingColumn>,
    rows: usize,
}

/// The values of a column that wait for the end of their row group.
struct PendingColumn {
    values: Values,
    /// 1 for each row with a value, 0 for one without; for optional columns.
    levels: Vec<i16>,
}

enum Values {
    Whole(Vec<i64>),
    Decimal(Vec<FixedLenByteArray>, HashMap<i128, FixedLenByteArray>),
    Text(Vec<ByteArray>, HashMap<String, ByteArray>),
    Bool(Vec<bool>),
    Float(Vec<f64>),
}

impl ParquetSink {
    pub(crate) fn create(file: &Path, table: &'static Table) -> Result<Self, TableError> {
        let out = Partial::create(file)?;
        let schema = schema(table).map_err(TableError::parquet(file))?;
        let writer = properties(table)
            .and_then(|properties| {
                let handle = out
                    .handle()
                    .map_err(|error| ParquetError::General(error.to_string()))?;
                SerializedFileWriter::new(handle, Arc::new(schema), Arc::new(properties))
            })
            .map_err(TableError::parquet(file))?;
        Ok(Self {
            out,
            writer,
            table,
            columns: table.columns.iter().map(PendingColumn::new).collect(),
            rows: 0,
        })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (pending, column) in self.columns.iter_mut().zip(self.table.columns) {
            let writer = group.next_column()?;
            let mut writer = writer
                .ok_or_else(|| ParquetError::General("there is no such column".to_owned()))?;
            pending.write(&mut writer, column.optional)?;
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    fn write(&mut self) -> Result<(), TableError> {
        self.write_group()
            .map_err(TableError::parquet(self.out.path()))
    }
}

impl Sink for ParquetSink {
    fn push(&mut self, row: &[Value<'_>]) -> Result<(), TableError> {
        self.table.check(row);
        for (pending, value) in self.columns.iter_mut().zip(row) {
            pending.push(value);
        }
        self.rows += 1;
        if self.rows == GROUP {
            self.write()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, TableError> {
        if self.rows > 0 {
            self.write()?;
        }
        self.writer
            .finish()
            .map_err(TableError::parquet(self.out.path()))?;
        self.out.finish()
    }
}

impl PendingColumn {
    fn new(column: &Column) -> Self {
        Self {
            values: match column.kind {
                Kind::Time | Kind::Integer | Kind::Number => Values::Whole(Vec::new()),
                Kind::Decimal => Values::Decimal(Vec::new(), HashMap::new()),
                Kind::Text => Values::Text(Vec::new(), HashMap::new()),
                Kind::Bool => Values::Bool(Vec::new()),
                Kind::Float => Values::Float(Vec::new()),
            },
            levels: Vec::new(),
        }
    }

    /// Adds a value that was checked to fit the column.
    fn push(&mut self, value: &Value<'_>) {
        self.levels.push(i16::from(*value != Value::Null));
        match (&mut self.values, value) {
            (Values::Whole(pending), Value::Time(number) | Value::Integer(number)) => {
                pending.push(*number)
            }
            (Values::Whole(pending), Value::Number(number)) => pending.push(number.cast_signed()),
            (Values::Decimal(pending, shared), Value::Decimal(units)) => {
                if shared.len() >= SHARED {
                    shared.clear();
                }
                pending.push(
                    shared
                        .entry(*units)
                        .or_insert_with(|| decimal(*units))
                        .clone(),
                );
            }
            (Values::Text(pending, shared), Value::Text(text)) => {
                if let Some(known) = shared.get(text.as_ref()) {
                    pending.push(known.clone());
                    return;
                }
                if shared.len() >= SHARED {
                    shared.clear();
                }
                let bytes = ByteArray::from(text.as_bytes().to_vec());
                shared.insert(text.as_ref().to_owned(), bytes.clone());
                pending.push(bytes);
            }
            (Values::Bool(pending), Value::Bool(is)) => pending.push(*is),
            (Values::Float(pending), Value::Float(number)) => pending.push(*number),
            _ => {}
        }
    }

    fn write(
        &mut self,
        writer: &mut SerializedColumnWriter<'_>,
        optional: bool,
    ) -> Result<(), ParquetError> {
        let levels = optional.then_some(self.levels.as_slice());
        match &mut self.values {
            Values::Whole(pending) => {
                writer
                    .typed::<Int64Type>()
                    .write_batch(pending, levels, None)?;
                pending.clear();
            }
            Values::Decimal(pending, _) => {
                writer
                    .typed::<FixedLenByteArrayType>()
                    .write_batch(pending, levels, None)?;
                pending.clear();
            }
            Values::Text(pending, _) => {
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(pending, levels, None)?;
                pending.clear();
            }
            Values::Bool(pending) => {
                writer
                    .typed::<BoolType>()
                    .write_batch(pending, levels, None)?;
                pending.clear();
            }
            Values::Float(pending) => {
                writer
                    .typed::<DoubleType>()
                    .write_batch(pending, levels, None)?;
                pending.clear();
            }
        }
        self.levels.clear();
        Ok(())
    }
}

/// Encodes a decimal as big-endian two's complement, as the format prescribes.
fn decimal(units: i128) -> FixedLenByteArray {
    units.to_be_bytes()[16 - WIDTH..].to_vec().into()
}

fn schema(table: &Table) -> Result<Type, ParquetError> {
    let columns: Result<Vec<_>, _> = table
        .columns
        .iter()
        .map(|column| field(column).map(Arc::new))
        .collect();
    Type::group_type_builder(table.name)
        .with_fields(columns?)
        .build()
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Time => (
            Physical::INT64,
            Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
        ),
        Kind::Integer => (Physical::INT64, Some(LogicalType::integer(64, true))),
        Kind::Number => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::Decimal => {
            let logical = LogicalType::decimal(i32::from(DECIMAL_SCALE), PRECISION);
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(logical))
        }
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Float => (Physical::DOUBLE, None),
    };
    let mut builder = Type::primitive_type_builder(column.name, physical)
        .with_repetition(if column.optional {
            Repetition::OPTIONAL
        } else {
            Repetition::REQUIRED
        })
        .with_logical_type(logical);
    if column.kind == Kind::Decimal {
        builder = builder
            .with_length(WIDTH as i32)
            .with_precision(PRECISION)
            .with_scale(i32::from(DECIMAL_SCALE));
    }
    builder.build()
}

fn properties(table: &Table) -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("tickdeck {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in table.columns {
        // Times and counters differ little from row to row.
        if matches!(column.kind, Kind::Time | Kind::Integer | Kind::Number) {
            let path = ColumnPath::from(column.name);
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(builder.build())
}
