//! The step of prices or sizes, as a decimal.

use tickdeck_model::{FixedError, Price, parse_fixed};

/// Decimal digits of a price or size at most.
const MAX_SCALE: u8 = 9;

/// A step of prices or sizes: `0.05` is 5 units at scale 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Units at the scale, above zero.
    pub units: i64,
    /// Decimal digits, as few as it needs.
    pub scale: u8,
}

impl Step {
    /// Reads a decimal such as `0.05000000`; `None` if it is zero, which Binance writes where it has no rule.
    ///
    /// # Errors
    /// It is no decimal above zero with at most nine digits.
    pub fn parse(text: &str) -> Result<Option<Self>, FixedError> {
        let needed = text.trim_end_matches('0');
        let text = match text.contains('.') {
            true => needed.strip_suffix('.').unwrap_or(needed),
            false => text,
        };
        let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
        let scale = u8::try_from(digits).unwrap_or(u8::MAX).min(MAX_SCALE);
        let units = parse_fixed(text, scale)?;
        Ok((units > 0).then_some(Self { units, scale }))
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Price(self.units).at(self.scale).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_digits_that_it_needs() {
        for (text, units, scale, shown) in [
            ("0.05000000", 5, 2, "0.05"),
            ("1.00000000", 1, 0, "1"),
            ("10", 10, 0, "10"),
            ("0.00001", 1, 5, "0.00001"),
            ("2.5", 25, 1, "2.5"),
        ] {
            let step = Step::parse(text).unwrap().unwrap();
            assert_eq!(
                (step, step.to_string().as_str()),
                (Step { units, scale }, shown)
            );
        }
        assert_eq!(Step::parse("0.00000000"), Ok(None));
        for bad in ["", "x", "1e-5", "0.0000000001"] {
            assert!(Step::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Step::parse("-0.1"), Ok(None));
    }
}
