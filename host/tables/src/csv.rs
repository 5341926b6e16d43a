//! Comma-separated values as in RFC 4180, but with plain line ends.

use crate::error::TableError;
use crate::partial::Partial;
use crate::port::Sink;
use crate::table::{Table, Value};
use crate::text;
use std::borrow::Cow;
use std::path::Path;

pub(crate) struct CsvSink {
    out: Partial,
    table: &'static Table,
    line: String,
}

impl CsvSink {
    pub(crate) fn create(file: &Path, table: &'static Table) -> Result<Self, TableError> {
        let mut out = Partial::create(file)?;
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        out.write((names.join(",") + "\n").as_bytes())?;
        Ok(Self {
            out,
            table,
            line: String::new(),
        })
    }
}

impl Sink for CsvSink {
    fn push(&mut self, row: &[Value<'_>]) -> Result<(), TableError> {
        self.table.check(row);
        self.line.clear();
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                self.line.push(',');
            }
            self.line.push_str(&cell(value));
        }
        self.line.push('\n');
        self.out.write(self.line.as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<u64, TableError> {
        self.out.finish()
    }
}

fn cell<'a>(value: &'a Value<'_>) -> Cow<'a, str> {
    match value {
        Value::Null => "".into(),
        Value::Time(at) => text::time(*at).into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Number(number) => number.to_string().into(),
        Value::Decimal(units) => text::decimal(*units).into(),
        Value::Bool(is) => if *is { "true" } else { "false" }.into(),
        Value::Float(number) => number.to_string().into(),
        Value::Text(text) if text.is_empty() || text.contains(['"', ',', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\"")).into()
        }
        Value::Text(text) => text.as_ref().into(),
    }
}
