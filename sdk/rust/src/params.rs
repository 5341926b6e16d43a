//! Typed parameters: their schema, and the conversion from text to values.

use crate::host::Host;
use crate::ids::TextId;
use crate::instrument::Instrument;

/// The type of a parameter in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// The symbol of an instrument of the deck.
    Instrument,
}

/// A parameter and its permitted values.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name, as in the strategy's settings.
    pub name: &'static str,
    /// The description for the user.
    pub doc: &'static str,
    /// The type.
    pub kind: ParameterKind,
    /// The default as the user would write it; `None` if the user must give a value.
    pub default: Option<&'static str>,
    /// The smallest permitted number.
    pub minimum: Option<f64>,
    /// The largest permitted number.
    pub maximum: Option<f64>,
    /// The bounds as text, for errors. Text, because formatting an `f64` would add 20 kB to every guest.
    pub range: &'static str,
}

/// The parameters of a strategy; implement it with `#[derive(Parameters)]`.
///
/// ```
/// use tickdeck_sdk::{Instrument, Parameters};
///
/// #[derive(Parameters)]
/// struct Params {
///     /// The instrument to trade.
///     #[param(default = "BTCUSDT")]
///     instrument: Instrument,
///     /// Trades in the average.
///     #[param(default = 20, min = 1, max = 10_000)]
///     period: u32,
///     /// Order size in the base currency.
///     #[param(default = 0.01, min = 0.0)]
///     size: f64,
/// }
///
/// let schema = Params::schema();
/// assert_eq!(schema[1].name, "period");
/// assert_eq!(schema[1].doc, "Trades in the average.");
/// assert_eq!(schema[1].default, Some("20"));
/// assert_eq!(schema[2].minimum, Some(0.0));
/// ```
///
/// A field may have any type that implements [`ParameterValue`]: `i64`, `u32`, `u64`, `f64`, `bool`, `String`,
/// [`Instrument`] or [`SignalName`]. `#[param(...)]` takes `default`, `min`, `max`, `doc` (instead of the doc comment) and
/// `name` (instead of the field name). Without a default the user must give a value.
pub trait Parameters: Sized + 'static {
    /// Returns the parameters that the user can set.
    fn schema() -> Vec<Parameter>;

    /// Parses the values.
    ///
    /// # Errors
    /// A text for the user that says which parameter is invalid, and why.
    fn parse(given: &[(String, String)]) -> Result<Self, String>;
}

impl Parameters for () {
    fn schema() -> Vec<Parameter> {
        Vec::new()
    }

    fn parse(_: &[(String, String)]) -> Result<Self, String> {
        Ok(())
    }
}

/// A type for parameters.
pub trait ParameterValue: Sized {
    /// The type in the contract.
    const KIND: ParameterKind;
    /// The bounds of the type itself.
    const BOUNDS: (Option<f64>, Option<f64>) = (None, None);

    /// Parses the user's text.
    ///
    /// # Errors
    /// A text that says what is wrong, without the name of the parameter.
    fn parse(text: &str) -> Result<Self, String>;

    /// Returns the value as a number, for the check of the bounds.
    fn number(&self) -> Option<f64> {
        None
    }
}

macro_rules! numbers {
    ($($type:ty: $kind:ident, $what:literal, $bounds:expr;)+) => {$(
        impl ParameterValue for $type {
            const KIND: ParameterKind = ParameterKind::$kind;
            const BOUNDS: (Option<f64>, Option<f64>) = $bounds;

            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!("`{text}` is not {}", $what))
            }

            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )+};
}

numbers! {
    i64: Integer, "a whole number", (None, None);
    u64: Integer, "a whole number of 0 or more", (Some(0.0), None);
    u32: Integer, "a whole number from 0 to 4294967295", (Some(0.0), Some(u32::MAX as f64));
    f64: Decimal, "a number", (None, None);
}

impl ParameterValue for bool {
    const KIND: ParameterKind = ParameterKind::Boolean;

    fn parse(text: &str) -> Result<Self, String> {
        text.trim()
            .parse()
            .map_err(|_| format!("`{text}` is neither true nor false"))
    }
}

impl ParameterValue for String {
    const KIND: ParameterKind = ParameterKind::Text;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl ParameterValue for Instrument {
    const KIND: ParameterKind = ParameterKind::Instrument;

    fn parse(text: &str) -> Result<Self, String> {
        let found = Host.find(text.trim()).and_then(|id| Host.instrument(id));
        found.ok_or_else(|| {
            format!("this deck has no instrument `{text}`, or several: then write it with its venue (BTCUSDT.BINANCE)")
        })
    }
}

/// The name of a signal together with its id, which [`Signal`](crate::Signal) events carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalName {
    /// The id of the name.
    pub id: TextId,
    /// The name.
    pub name: String,
}

impl ParameterValue for SignalName {
    const KIND: ParameterKind = ParameterKind::Text;

    fn parse(text: &str) -> Result<Self, String> {
        match Host.find_text(text) {
            Some(id) => Ok(Self {
                id,
                name: text.to_owned(),
            }),
            None => Err(format!(
                "this deck knows no signal `{text}`: is it in the subscriptions?"
            )),
        }
    }
}

/// Parses one parameter; for code that `#[derive(Parameters)]` generates.
///
/// # Errors
/// The parameter is missing, invalid, or out of bounds.
#[doc(hidden)]
pub fn read<T: ParameterValue>(
    given: &[(String, String)],
    parameter: &Parameter,
) -> Result<T, String> {
    let name = parameter.name;
    let text = given
        .iter()
        .find(|(given, _)| given == name)
        .map(|(_, text)| text.as_str());
    let Some(text) = text.or(parameter.default) else {
        return Err(format!("parameter `{name}` is missing: {}", parameter.doc));
    };
    let value = T::parse(text).map_err(|error| format!("parameter `{name}`: {error}"))?;
    let outside = |number: f64| {
        !number.is_finite()
            || parameter.minimum.is_some_and(|least| number < least)
            || parameter.maximum.is_some_and(|most| number > most)
    };
    match value.number() {
        Some(number) if outside(number) => Err(format!(
            "parameter `{name}`: {text} is not {}",
            parameter.range
        )),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::World;

    #[derive(Debug, PartialEq, crate::Parameters)]
    struct Sample {
        /// The instrument to trade.
        #[param(default = "BTCUSDT")]
        instrument: Instrument,
        /// Trades in
        /// the average.
        #[param(min = 1, max = 50)]
        period: u32,
        #[param(doc = "How far.", default = -0.5, min = -1.0, name = "skew-factor")]
        skew: f64,
        /// On or off.
        #[param(default = false)]
        active: bool,
        /// Any number.
        #[param(default = 7)]
        seed: i64,
    }

    fn parse(given: &[(&str, &str)]) -> Result<Sample, String> {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        World::demo().enter(|| Sample::parse(&given))
    }

    #[test]
    fn a_struct_becomes_a_schema() {
        let schema = Sample::schema();
        let names: Vec<_> = schema
            .iter()
            .map(|parameter| (parameter.name, parameter.kind))
            .collect();
        let expected = [
            ("instrument", ParameterKind::Instrument),
            ("period", ParameterKind::Integer),
            ("skew-factor", ParameterKind::Decimal),
            ("active", ParameterKind::Boolean),
            ("seed", ParameterKind::Integer),
        ];
        assert_eq!(names, expected);
        assert_eq!(
            (schema[1].doc, schema[1].default),
            ("Trades in the average.", None)
        );
        assert_eq!(
            (schema[1].minimum, schema[1].maximum),
            (Some(1.0), Some(50.0))
        );
        assert_eq!(
            (schema[2].doc, schema[2].default, schema[2].minimum),
            ("How far.", Some("-0.5"), Some(-1.0))
        );
    }

    #[test]
    fn given_values_override_defaults() {
        let sample = parse(&[("period", "3"), ("active", "true")]).unwrap();
        assert_eq!(
            (sample.period, sample.active, sample.seed, sample.skew),
            (3, true, 7, -0.5)
        );
        assert_eq!(sample.instrument.symbol, "BTCUSDT.BINANCE");
    }

    #[test]
    fn errors_name_the_parameter_and_the_value() {
        let error = |given: &[(&str, &str)]| parse(given).unwrap_err();
        assert_eq!(
            error(&[]),
            "parameter `period` is missing: Trades in the average."
        );
        assert_eq!(
            error(&[("period", "51")]),
            "parameter `period`: 51 is not from 1 to 50"
        );
        assert_eq!(
            error(&[("period", "-1")]),
            "parameter `period`: `-1` is not a whole number from 0 to 4294967295"
        );
        let skew = |text| error(&[("period", "1"), ("skew-factor", text)]);
        assert_eq!(
            skew("NaN"),
            "parameter `skew-factor`: NaN is not -1.0 or more"
        );
        assert_eq!(skew("x"), "parameter `skew-factor`: `x` is not a number");
        assert!(
            error(&[("instrument", "SOLUSDT")]).contains("this deck has no instrument `SOLUSDT`")
        );
    }
}
