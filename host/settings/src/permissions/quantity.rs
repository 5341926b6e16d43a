//! Sizes of any instrument, compared exactly whatever their scale.

use crate::reader::Decimal;
use std::fmt;
use tickdeck_model::format::trimmed;
use tickdeck_model::{Fixed, Size};

/// Decimal digits that are stored: more than any instrument has.
const SCALE: u8 = 18;

/// An exact size, not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

impl Quantity {
    /// Parses a plain decimal. Returns `None` if it is too fine or too large for any instrument.
    pub fn parse(decimal: &Decimal) -> Option<Self> {
        let text = decimal.0.as_str();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let missing = usize::from(SCALE).checked_sub(fraction.len())?;
        let digits = format!("{whole}{fraction}{}", "0".repeat(missing));
        digits.parse().ok().filter(|units| *units >= 0).map(Self)
    }

    /// Returns the size at an instrument's scale, rounded down: no more than was granted.
    pub fn size(self, scale: u8) -> Size {
        let one = 10i128.pow(u32::from(SCALE.saturating_sub(scale)));
        Size(i64::try_from(self.0 / one).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixed = Fixed {
            units: self.0,
            scale: SCALE,
        };
        f.write_str(trimmed(&fixed.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Option<Quantity> {
        Quantity::parse(&Decimal(text.to_owned()))
    }

    #[test]
    fn sizes_of_any_scale_are_compared_exactly() {
        for (small, large) in [
            ("0.5", "0.50001"),
            ("9", "10"),
            ("0", "0.000000000000000001"),
        ] {
            assert!(quantity(small) < quantity(large), "{small} {large}");
        }
        assert_eq!(quantity("0.50"), quantity("0.5"));
        assert_eq!(quantity("010.50").unwrap().to_string(), "10.5");
        assert_eq!(quantity("100").unwrap().to_string(), "100");
        let none = ["", "x", "0.0000000000000000001", "99999999999999999999999"];
        assert_eq!(none.map(quantity), [None; 4]);
    }

    #[test]
    fn a_size_is_rounded_down_to_the_scale_of_the_instrument() {
        assert_eq!(quantity("0.56789").unwrap().size(3), Size(567));
        assert_eq!(quantity("0.0004").unwrap().size(3), Size(0));
        assert_eq!(quantity("2").unwrap().size(0), Size(2));
        assert_eq!(quantity("99999999999").unwrap().size(9), Size(i64::MAX));
    }
}
