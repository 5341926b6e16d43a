//! JSON lines. Decimals are strings, so that no reader turns them into floats; so are times.

use crate::error::TableError;
use crate::partial::Partial;
use crate::port::{Sink, Source};
use crate::table::{Column, Kind, MAX_TEXT, Row, Table, Value};
use crate::text;
use serde_json::Value as Json;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use tickdeck_files::open_plain;

/// The longest line that is read, in bytes: parsed, it takes a multiple.
const MAX_LINE: u64 = 1 << 20;

pub(crate) struct LineSink {
    out: Partial,
    table: &'static Table,
}

impl LineSink {
    pub(crate) fn create(file: &Path, table: &'static Table) -> Result<Self, TableError> {
        Ok(Self {
            out: Partial::create(file)?,
            table,
        })
    }
}

impl Sink for LineSink {
    fn push(&mut self, row: &[Value<'_>]) -> Result<(), TableError> {
        self.out.write((object(self.table, row) + "\n").as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<u64, TableError> {
        self.out.finish()
    }
}

/// Returns a row as one JSON object, without a line end.
///
/// # Panics
/// The row does not fit the table.
pub fn object(table: &Table, row: &[Value<'_>]) -> String {
    table.check(row);
    let mut line = String::new();
    for (value, column) in row.iter().zip(table.columns) {
        line.push(if line.is_empty() { '{' } else { ',' });
        line += &format!("\"{}\":{}", column.name, json(value));
    }
    line + "}"
}

fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Time(at) => text::time(*at).into(),
        Value::Integer(number) => (*number).into(),
        Value::Number(number) => (*number).into(),
        Value::Decimal(units) => text::decimal(*units).into(),
        Value::Bool(is) => (*is).into(),
        // JSON has no infinity.
        Value::Float(number) if number.is_finite() => (*number).into(),
        Value::Float(number) => number.to_string().into(),
        Value::Text(text) => text.as_ref().into(),
    }
}

pub(crate) struct LineSource {
    file: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    table: &'static Table,
    line: u64,
}

impl LineSource {
    pub(crate) fn open(file: &Path, table: &'static Table) -> Result<Self, TableError> {
        let opened = open_plain(file).map_err(TableError::io("open", file))?;
        Ok(Self {
            file: file.to_owned(),
            reader: BufReader::new(opened),
            buffer: Vec::new(),
            table,
            line: 0,
        })
    }

    /// Reads the next line; returns whether there is one.
    fn read_line(&mut self) -> Result<bool, TableError> {
        self.buffer.clear();
        let mut within = (&mut self.reader).take(MAX_LINE + 1);
        let read = within.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(TableError::io("read", &self.file))?;
        self.line += 1;
        match read as u64 > MAX_LINE {
            true => Err(self.invalid("it is longer than 1 MiB, the maximum")),
            false => Ok(read > 0),
        }
    }

    fn invalid(&self, what: &str) -> TableError {
        TableError::content(&self.file, format!("line {}: {what}", self.line))
    }
}

impl Source for LineSource {
    fn next(&mut self) -> Result<Option<Row>, TableError> {
        if !self.read_line()? {
            return Ok(None);
        }
        let object: Json = serde_json::from_slice(&self.buffer)
            .map_err(|error| self.invalid(&error.to_string()))?;
        let columns = self.table.columns.iter();
        let row: Option<Row> = columns
            .clone()
            .map(|column| value(column, object.get(column.name).unwrap_or(&Json::Null)))
            .collect();
        let invalid = || {
            let mut columns = columns.clone();
            let missing = columns.find(|column| {
                value(column, object.get(column.name).unwrap_or(&Json::Null)).is_none()
            });
            let name = missing.map_or("", |column| column.name);
            self.invalid(&format!("`{name}` is missing or not of its type"))
        };
        row.map(Some).ok_or_else(invalid)
    }
}

fn value(column: &Column, json: &Json) -> Option<Value<'static>> {
    if json.is_null() {
        return column.optional.then_some(Value::Null);
    }
    Some(match column.kind {
        Kind::Time => Value::Time(text::read_time(json.as_str()?)?),
        Kind::Integer => Value::Integer(json.as_i64()?),
        Kind::Number => Value::Number(json.as_u64()?),
        Kind::Decimal => Value::Decimal(text::read_decimal(json.as_str()?)?),
        Kind::Text => {
            let text = json.as_str().filter(|text| text.len() <= MAX_TEXT)?;
            Value::Text(text.to_owned().into())
        }
        Kind::Bool => Value::Bool(json.as_bool()?),
        Kind::Float => Value::Float(match json.as_str() {
            Some(infinite) => infinite.parse().ok()?,
            None => json.as_f64()?,
        }),
    })
}
