//! Prices, sizes and amounts: integers at the decimal scale of their instrument (or currency).

use core::fmt;
use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use serde::{Deserialize, Serialize};

/// The largest scale.
pub const MAX_SCALE: u8 = 9;

/// Powers of ten up to [`MAX_SCALE`].
const POW10: [i64; MAX_SCALE as usize + 1] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
];

/// Returns ten to the power of `scale`.
///
/// # Panics
/// `scale` is above [`MAX_SCALE`].
pub const fn pow10(scale: u8) -> i64 {
    POW10[scale as usize]
}

macro_rules! fixed_point {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// Returns the absolute value.
            pub const fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// Formats the number at `scale`: `Price(6168599).at(2)` is `61685.99`.
            pub const fn at(self, scale: u8) -> Fixed {
                Fixed { units: self.0, scale }
            }

            /// Returns the nearest `f64` at `scale`, for ratios and display, never for money.
            pub fn to_f64(self, scale: u8) -> f64 {
                self.0 as f64 / pow10(scale) as f64
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self { Self(self.0 + other.0) }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self { Self(self.0 - other.0) }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self { Self(-self.0) }
        }

        impl Mul<i64> for $name {
            type Output = Self;
            fn mul(self, times: i64) -> Self { Self(self.0 * times) }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) { self.0 += other.0; }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) { self.0 -= other.0; }
        }
    )+};
}

fixed_point! {
    /// A price at the instrument's price scale: with scale 2, `Price(6168599)` is 61685.99.
    Price,
    /// A size at the instrument's size scale; that of a short position is negative.
    Size,
    /// An amount of money at the currency's scale.
    Amount,
}

/// A number with its scale, for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    units: i64,
    scale: u8,
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = pow10(self.scale).unsigned_abs();
        let (whole, part) = (
            self.units.unsigned_abs() / one,
            self.units.unsigned_abs() % one,
        );
        let sign = if self.units < 0 { "-" } else { "" };
        match self.scale {
            0 => write!(f, "{sign}{whole}"),
            scale => write!(
                f,
                "{sign}{whole}.{part:0width$}",
                width = usize::from(scale)
            ),
        }
    }
}

/// Parses a plain decimal (`-12.50`, no exponent) as an integer at `scale`. Zeros beyond the scale are accepted, other
/// digits are not: nothing is rounded silently.
///
/// # Errors
/// The text is not a decimal, is finer than `scale`, or does not fit.
pub fn parse_decimal(text: &str, scale: u8) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(part) || digits.ends_with('.') {
        return Err(format!("`{text}` is not a decimal number such as 12.5"));
    }
    let kept = part.trim_end_matches('0');
    if kept.len() > usize::from(scale) {
        return Err(format!("`{text}` has more than {scale} decimal digits"));
    }
    let zeros = usize::from(scale) - kept.len();
    let digits = whole
        .bytes()
        .chain(kept.bytes())
        .chain(core::iter::repeat_n(b'0', zeros));
    let mut units = 0i64;
    for digit in digits {
        units = units
            .checked_mul(10)
            .and_then(|units| units.checked_add(i64::from(digit - b'0')))
            .ok_or_else(|| format!("`{text}` is too large at {scale} decimal digits"))?;
    }
    Ok(if negative { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_trip() {
        for (text, scale, units) in [
            ("61685.99", 2, 6_168_599),
            ("-0.05", 3, -50),
            ("7", 0, 7),
            ("1.500", 1, 15),
        ] {
            assert_eq!(parse_decimal(text, scale), Ok(units));
        }
        assert_eq!(Price(6_168_599).at(2).to_string(), "61685.99");
        assert_eq!(Size(-5).at(3).to_string(), "-0.005");
        assert_eq!(Size(-5).at(0).to_string(), "-5");
    }

    #[test]
    fn never_guesses_or_rounds() {
        for text in ["", "-", ".5", "5.", "1e3", "1.2.3", "+1", "0x10", "1_000"] {
            assert!(
                parse_decimal(text, 2)
                    .unwrap_err()
                    .contains("is not a decimal number"),
                "{text}"
            );
        }
        assert_eq!(
            parse_decimal("0.123", 2).unwrap_err(),
            "`0.123` has more than 2 decimal digits"
        );
        assert!(
            parse_decimal("99999999999999999999", 0)
                .unwrap_err()
                .contains("too large")
        );
    }
}
