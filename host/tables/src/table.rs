//! Tables, columns and values.

use std::borrow::Cow;

/// The digits after the point of every decimal: prices, sizes and amounts have at most nine, so that all are exact, and a product
/// of two still fits the decimals of databases.
pub const DECIMAL_SCALE: u8 = 9;

/// The longest text that is read, in bytes: names and reasons.
pub(crate) const MAX_TEXT: usize = 16 << 10;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nanoseconds since 1970, UTC.
    Time,
    /// A signed integer.
    Integer,
    /// An unsigned integer.
    Number,
    /// An exact decimal with [`DECIMAL_SCALE`] digits after the point.
    Decimal,
    /// Text; equal values are stored once where the format allows it.
    Text,
    /// True or false.
    Bool,
    /// A floating-point number.
    Float,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name of the column.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// Whether a row may have no value.
    pub optional: bool,
}

impl Column {
    /// Creates a column with a value in every row.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: false,
        }
    }

    /// Creates a column that may be empty in a row.
    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: true,
        }
    }
}

/// A table without its rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// The name of the table and of its file.
    pub name: &'static str,
    /// The columns, in order.
    pub columns: &'static [Column],
}

/// The value of a row and column.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "`Kind` has the docs")]
pub enum Value<'a> {
    /// No value, in an optional column.
    Null,
    Time(i64),
    Integer(i64),
    Number(u64),
    /// In units of ten to the power of minus [`DECIMAL_SCALE`].
    Decimal(i128),
    Text(Cow<'a, str>),
    Bool(bool),
    Float(f64),
}

/// A row that was read.
pub type Row = Vec<Value<'static>>;

impl<'a> Value<'a> {
    /// Creates the decimal `units * 10^-scale`.
    ///
    /// # Panics
    /// `scale` is above [`DECIMAL_SCALE`].
    pub fn decimal(units: i64, scale: u8) -> Self {
        let factor = 10i128.pow(u32::from(
            DECIMAL_SCALE
                .checked_sub(scale)
                .expect("no scale is above nine"),
        ));
        Self::Decimal(i128::from(units) * factor)
    }

    /// Creates a text.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Returns the units of a decimal at another scale; nothing if it has more digits or does not fit.
    pub fn units(&self, scale: u8) -> Option<i64> {
        let Self::Decimal(units) = self else {
            return None;
        };
        let factor = 10i128.pow(u32::from(DECIMAL_SCALE.checked_sub(scale)?));
        (units % factor == 0)
            .then(|| i64::try_from(units / factor).ok())
            .flatten()
    }

    /// Returns whether the value may stand in this column.
    pub(crate) const fn fits(&self, column: &Column) -> bool {
        match self {
            Self::Null => column.optional,
            Self::Time(_) => matches!(column.kind, Kind::Time),
            Self::Integer(_) => matches!(column.kind, Kind::Integer),
            Self::Number(_) => matches!(column.kind, Kind::Number),
            Self::Decimal(_) => matches!(column.kind, Kind::Decimal),
            Self::Text(_) => matches!(column.kind, Kind::Text),
            Self::Bool(_) => matches!(column.kind, Kind::Bool),
            Self::Float(_) => matches!(column.kind, Kind::Float),
        }
    }
}

impl Table {
    /// Asserts that a row fits the table.
    ///
    /// # Panics
    /// The row does not fit the table.
    pub(crate) fn check(&self, row: &[Value<'_>]) {
        let fits = row.len() == self.columns.len()
            && row
                .iter()
                .zip(self.columns)
                .all(|(value, column)| value.fits(column));
        assert!(fits, "a row of `{}` does not fit: {row:?}", self.name);
    }
}
