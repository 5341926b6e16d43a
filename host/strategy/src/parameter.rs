//! A parameter of a strategy: its definition, the rules for one, and the values it takes.

use crate::generated::lifecycle;
use tickdeck_model::Untrusted;
use tickdeck_model::name::{NAME_RULE, is_name};
use tickdeck_model::untrusted::{is_line, quoted};

/// Maximum size of a description in bytes.
pub(crate) const MAX_DOC: usize = 16 << 10;

/// Maximum size of a value in bytes.
const MAX_VALUE: usize = 4_096;

/// A parameter and the values that it accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// Description for users.
    pub doc: Untrusted,
    /// The type of its values.
    pub kind: ParameterKind,
    /// The default, as the user would write it. None: the user must give a value.
    pub default: Option<Untrusted>,
    /// The smallest value, for numbers.
    pub minimum: Option<f64>,
    /// The largest value, for numbers.
    pub maximum: Option<f64>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// A symbol that the deck knows.
    Instrument,
}

impl ParameterKind {
    /// Returns the name as the contract spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Instrument => "instrument",
        }
    }

    /// Whether the kind can have bounds.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal)
    }
}

impl std::fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Parameter {
    /// Returns the rule that the definition breaks, if any.
    pub(crate) fn problem(&self) -> Option<String> {
        if !is_name(&self.name) {
            return Some(NAME_RULE.to_owned());
        }
        if self.doc.left_out() > 0 {
            return Some(format!("the doc is longer than {MAX_DOC} bytes"));
        }
        let bounds = [self.minimum, self.maximum];
        if bounds.iter().any(Option::is_some) && !self.kind.is_number() {
            return Some(format!("kind {} takes no bounds", self.kind));
        }
        if bounds.iter().flatten().any(|bound| !bound.is_finite()) {
            return Some("a bound is not a finite number".to_owned());
        }
        if let [Some(minimum), Some(maximum)] = bounds
            && minimum > maximum
        {
            return Some(format!(
                "the minimum {minimum} is above the maximum {maximum}"
            ));
        }
        let default = self.default.as_ref()?.raw();
        if self
            .default
            .as_ref()
            .is_some_and(|text| text.left_out() > 0)
        {
            return Some(format!("the default is longer than {MAX_VALUE} bytes"));
        }
        check_value(self, default)
            .err()
            .map(|problem| format!("the default {} {problem}", quoted(default)))
    }
}

/// Checks a value against the parameter's kind and bounds.
pub(crate) fn check_value(parameter: &Parameter, value: &str) -> Result<(), String> {
    if !is_line(value, MAX_VALUE) {
        return Err(format!("is not one line of at most {MAX_VALUE} bytes"));
    }
    match parameter.kind {
        ParameterKind::Integer => {
            let number: i64 = value
                .parse()
                .map_err(|_| "is not a 64-bit integer".to_owned())?;
            // Exact for every bound that a person would write; beyond 2^53 the bound itself is inexact.
            check_bounds(parameter, number as f64)
        }
        ParameterKind::Decimal => match value.parse::<f64>() {
            Ok(number) if number.is_finite() => check_bounds(parameter, number),
            _ => Err("is not a number".to_owned()),
        },
        ParameterKind::Boolean if !matches!(value, "true" | "false") => {
            Err("is neither `true` nor `false`".to_owned())
        }
        ParameterKind::Instrument if value.is_empty() => {
            Err("is not a symbol such as BTCUSDT.BINANCE".to_owned())
        }
        ParameterKind::Boolean | ParameterKind::Text | ParameterKind::Instrument => Ok(()),
    }
}

fn check_bounds(parameter: &Parameter, number: f64) -> Result<(), String> {
    match (parameter.minimum, parameter.maximum) {
        (Some(minimum), _) if number < minimum => Err(format!("is below the minimum {minimum}")),
        (_, Some(maximum)) if number > maximum => Err(format!("is above the maximum {maximum}")),
        _ => Ok(()),
    }
}

impl From<lifecycle::Parameter> for Parameter {
    fn from(wire: lifecycle::Parameter) -> Self {
        let kind = match wire.kind {
            lifecycle::ParameterKind::Integer => ParameterKind::Integer,
            lifecycle::ParameterKind::Decimal => ParameterKind::Decimal,
            lifecycle::ParameterKind::Boolean => ParameterKind::Boolean,
            lifecycle::ParameterKind::Text => ParameterKind::Text,
            lifecycle::ParameterKind::Instrument => ParameterKind::Instrument,
        };
        let default = wire.default.map(|text| Untrusted::up_to(MAX_VALUE, &text));
        let (minimum, maximum) = (wire.minimum, wire.maximum);
        Self {
            name: wire.name,
            doc: Untrusted::up_to(MAX_DOC, &wire.doc),
            kind,
            default,
            minimum,
            maximum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: ParameterKind) -> Parameter {
        Parameter {
            name: name.to_owned(),
            doc: Untrusted::default(),
            kind,
            default: None,
            minimum: None,
            maximum: None,
        }
    }

    #[test]
    fn bounds_and_defaults_must_agree() {
        let mut fast = parameter("fast", ParameterKind::Integer);
        (fast.minimum, fast.maximum) = (Some(1.0), Some(10.0));
        for (default, part) in [("0", "below"), ("11", "above"), ("1.5", "64-bit integer")] {
            fast.default = Some(default.into());
            let problem = fast.problem().unwrap();
            assert!(problem.contains(part), "{problem}");
        }
        fast.default = Some("10".into());
        assert_eq!(fast.problem(), None);
        fast.minimum = Some(11.0);
        assert!(fast.problem().unwrap().contains("above the maximum"));
        let mut text = parameter("text", ParameterKind::Text);
        text.maximum = Some(1.0);
        assert!(text.problem().unwrap().contains("takes no bounds"));
    }
}
