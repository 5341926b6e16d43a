//! Fixed-point prices and sizes: integers at a decimal scale that the instrument names.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The largest scale an instrument or currency may have.
pub(crate) const MAX_SCALE: u8 = 9;

/// Why a decimal could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// Not a plain decimal; nothing may be guessed from it.
    #[error("`{text}` is not a decimal number such as 12.5")]
    NotDecimal {
        /// The text given.
        text: String,
    },
    /// More digits than the scale keeps; rounding is for the caller to decide.
    #[error("`{text}` has more than {scale} decimal digits")]
    TooFine {
        /// The text given.
        text: String,
        /// Digits kept.
        scale: u8,
    },
    /// Beyond what 64 bits hold at this scale.
    #[error("`{text}` is too large at {scale} decimal digits")]
    TooLarge {
        /// The text given.
        text: String,
        /// Digits kept.
        scale: u8,
    },
}

macro_rules! fixed_point {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum, unless it overflows.
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) { Some(sum) => Some(Self(sum)), None => None }
            }

            /// The difference, unless it overflows.
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) { Some(rest) => Some(Self(rest)), None => None }
            }

            /// Reads a plain decimal at `scale`.
            ///
            /// # Errors
            /// It is not a decimal, is finer than `scale`, or does not fit.
            pub fn parse(text: &str, scale: u8) -> Result<Self, FixedError> {
                parse_fixed(text, scale).map(Self)
            }

            /// Shows the number at `scale`.
            pub const fn at(self, scale: u8) -> Fixed {
                Fixed { units: self.0 as i128, scale }
            }

            /// The nearest `f64`, for display and ratios, never for money.
            pub fn to_f64(self, scale: u8) -> f64 {
                self.0 as f64 / 10f64.powi(i32::from(scale))
            }
        }
    )+};
}

fixed_point! {
    /// A price, at the instrument's price scale.
    Price,
    /// A size, at the instrument's size scale.
    Size,
}

/// Powers of ten that fit 64 bits.
const POW10: [i64; 19] = {
    let mut powers = [1; 19];
    let mut digits = 1;
    while digits < powers.len() {
        powers[digits] = powers[digits - 1] * 10;
        digits += 1;
    }
    powers
};

/// Ten to the `digits`.
#[inline]
pub(crate) const fn pow10(digits: u8) -> i128 {
    let digits = digits as usize;
    if digits < POW10.len() {
        POW10[digits] as i128
    } else {
        10i128.pow(digits as u32)
    }
}

/// A number with its scale, for display: `Fixed { units: 6168599, scale: 2 }` is `61685.99`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// The integer.
    pub units: i128,
    /// Decimal digits in it.
    pub scale: u8,
}

impl std::fmt::Display for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let magnitude = self.units.unsigned_abs();
        let one = pow10(self.scale).unsigned_abs();
        let whole = magnitude / one;
        let text = match self.scale {
            0 => whole.to_string(),
            scale => format!(
                "{whole}.{:0width$}",
                magnitude % one,
                width = scale as usize
            ),
        };
        f.pad_integral(self.units >= 0, "", &text)
    }
}

/// Reads a plain decimal (`-12.50`, no exponent) as an integer at `scale`. Zeros beyond the scale are fine, other
/// digits are not: nothing is rounded silently.
///
/// # Errors
/// It is not a decimal, is finer than `scale`, or does not fit.
pub fn parse_fixed(text: &str, scale: u8) -> Result<i64, FixedError> {
    let not_decimal = || FixedError::NotDecimal {
        text: text.to_owned(),
    };
    let too_large = || FixedError::TooLarge {
        text: text.to_owned(),
        scale,
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(not_decimal());
    }
    let kept = fraction.len().min(scale as usize);
    if fraction[kept..].bytes().any(|byte| byte != b'0') {
        return Err(FixedError::TooFine {
            text: text.to_owned(),
            scale,
        });
    }
    let mut units: i64 = 0;
    for byte in whole
        .bytes()
        .chain(fraction[..kept].bytes())
        .chain(std::iter::repeat_n(b'0', scale as usize - kept))
    {
        let digit = i64::from(byte - b'0');
        // Accumulated on the negative side, whose range is one larger.
        units = units
            .checked_mul(10)
            .and_then(|tens| tens.checked_sub(digit))
            .ok_or_else(too_large)?;
    }
    if negative {
        Ok(units)
    } else {
        units.checked_neg().ok_or_else(too_large)
    }
}

/// Reads an unsigned decimal at the start of `bytes` as a whole number of units at `scale`, up to the first byte that is not
/// part of it: the common case of [`parse_fixed`] in one pass. Returns the value and the number of bytes read, or `None` for
/// any other case: no digit on one side of the point, more than 18 digits, finer than the scale.
#[inline]
pub fn parse_plain_fixed(bytes: &[u8], scale: u8) -> Option<(i64, usize)> {
    /// Maximum number of digits that always fit.
    const MOST_DIGITS: usize = 18;
    const POWERS: [i64; MOST_DIGITS + 1] = {
        let mut powers = [1; MOST_DIGITS + 1];
        let mut at = 1;
        while at < powers.len() {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    if let Some(read) = parse_eight_decimals(bytes, scale) {
        return Some(read);
    }
    let digit = |at: usize| {
        let digit = bytes.get(at)?.wrapping_sub(b'0');
        (digit < 10).then_some(i64::from(digit))
    };
    let (mut units, mut at) = (0i64, 0);
    while let Some(next) = digit(at) {
        // A wrapped value is never returned: too many digits are refused below.
        units = units.wrapping_mul(10).wrapping_add(next);
        at += 1;
    }
    let scale = usize::from(scale);
    if at == 0 || at + scale > MOST_DIGITS {
        return None;
    }
    if bytes.get(at) != Some(&b'.') {
        return Some((units * POWERS[scale], at));
    }
    let point = at;
    at += 1;
    while at - point <= scale
        && let Some(next) = digit(at)
    {
        units = units * 10 + next;
        at += 1;
    }
    let kept = at - point - 1;
    if kept == 0 && digit(at).is_none() {
        return None;
    }
    while let Some(next) = digit(at) {
        if next != 0 {
            return None;
        }
        at += 1;
    }
    Some((units * POWERS[scale - kept], at))
}

/// The most common case: at most seven digits, a point, and eight digits, as crypto venues print every number. Eight bytes are
/// read as one word, so that no branch depends on the number of digits.
#[inline]
fn parse_eight_decimals(bytes: &[u8], scale: u8) -> Option<(i64, usize)> {
    const WORD: usize = size_of::<u64>();
    const POWERS: [i64; WORD + 1] = [
        1,
        10,
        100,
        1_000,
        10_000,
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
    ];
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let scale = usize::from(scale);
    let head = word(0)?;
    let point = first_byte(head, b'.')?;
    let whole = head.checked_shl(u8::BITS * (WORD - point) as u32)?;
    let whole = digits_of(whole, point)?;
    let fraction = digits_of(word(point + 1)?, WORD)?;
    let end = point + 1 + WORD;
    let is_finer = scale < WORD && fraction >> (u8::BITS * scale as u32) != 0;
    if scale > WORD || is_finer || bytes.get(end).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    // Of the fraction, the first digits up to the scale.
    let kept = fraction
        .checked_shl(u8::BITS * (WORD - scale) as u32)
        .unwrap_or(0);
    Some((number_of(whole) * POWERS[scale] + number_of(kept), end))
}

/// Returns the position of the first occurrence of a byte in a word, counted from its lowest byte.
#[inline]
fn first_byte(word: u64, byte: u8) -> Option<usize> {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let other = word ^ (LOW * byte as u64);
    let found = other.wrapping_sub(LOW) & !other & HIGH;
    (found != 0).then(|| (found.trailing_zeros() / u8::BITS) as usize)
}

/// The values of the digits in the highest bytes of a word; `None` if one of these bytes is not a digit, or there are none.
#[inline]
fn digits_of(word: u64, count: usize) -> Option<u64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const ABOVE_NINE: u64 = u64::from_le_bytes([0x76; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let unused = u8::BITS * (8 - count) as u32;
    let digits = word ^ ZEROS.checked_shl(unused)?;
    // No carry: a byte with its high bit set is already not a digit, and the others are at most 0x7f.
    let bad = (digits | (digits & !HIGH).wrapping_add(ABOVE_NINE)) & HIGH;
    (bad == 0).then_some(digits)
}

/// The number that eight digits make, the first in the lowest byte.
#[inline]
fn number_of(digits: u64) -> i64 {
    const PAIRS: u64 = 0x00ff_00ff_00ff_00ff;
    const FOURS: u64 = 0x0000_ffff_0000_ffff;
    let pairs = (digits * 10 + (digits >> 8)) & PAIRS;
    let fours = (pairs * 100 + (pairs >> 16)) & FOURS;
    let eight = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    eight as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_common_case_is_read_as_every_case_is(text in "[0-9]{0,20}([.][0-9]{0,12})?[0-9x\"]{0,2}", scale in 0u8..12) {
            if let Some((value, length)) = parse_plain_fixed(text.as_bytes(), scale) {
                prop_assert_eq!(Ok(value), parse_fixed(&text[..length], scale));
                let rest = text[length..].bytes().next();
                prop_assert!(rest.is_none_or(|byte| !byte.is_ascii_digit()), "{} of {}", length, text);
            }
        }
    }

    proptest! {
        #[test]
        fn eight_decimals_are_read_as_every_number_is(
            whole in 0u32..20_000_000, fraction in 0i64..100_000_000, zeros in 0u32..9, scale in 0u8..10
        ) {
            let fraction = fraction / 10i64.pow(zeros) * 10i64.pow(zeros);
            let text = format!("{whole}.{fraction:08}");
            let read = parse_eight_decimals(text.as_bytes(), scale);
            match parse_fixed(&text, scale) {
                Ok(value) if whole < 10_000_000 && scale <= 8 => prop_assert_eq!(read, Some((value, text.len()))),
                _ => prop_assert_eq!(read, None),
            }
        }

        #[test]
        fn no_other_byte_is_a_digit(at in 0usize..15, byte: u8) {
            let mut text = *b"612345.00000000";
            text[at] = byte;
            let read = parse_plain_fixed(&text, 2).filter(|(_, length)| *length == text.len());
            let full = std::str::from_utf8(&text).ok().and_then(|text| parse_fixed(text, 2).ok());
            prop_assert_eq!(read.map(|(value, _)| value), full.filter(|_| text[0] != b'-' && text[0] != b'.'));
        }
    }

    #[test]
    fn the_common_case_covers_prices_as_venues_write_them() {
        assert_eq!(
            parse_plain_fixed(b"61685.99000000\",", 2),
            Some((6_168_599, 14))
        );
        assert_eq!(parse_plain_fixed(b"0.00000000\"", 5), Some((0, 10)));
        assert_eq!(parse_plain_fixed(b"7", 3), Some((7_000, 1)));
        for uncommon in ["", ".5", "5.", "-1", "0.001", "123456789012345678"] {
            assert_eq!(
                parse_plain_fixed(uncommon.as_bytes(), 2),
                None,
                "{uncommon}"
            );
        }
    }

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        assert_eq!(parse_fixed("61685.99", 2), Ok(6_168_599));
        assert_eq!(parse_fixed("1.00870000", 5), Ok(100_870));
        assert_eq!(parse_fixed("-.5", 1), Ok(-5));
        assert_eq!(parse_fixed("9223372036854775807", 0), Ok(i64::MAX));
        assert_eq!(parse_fixed("-9223372036854775808", 0), Ok(i64::MIN));
        assert!(matches!(
            parse_fixed("0.001", 2),
            Err(FixedError::TooFine { .. })
        ));
        assert!(matches!(
            parse_fixed("9223372036854775808", 0),
            Err(FixedError::TooLarge { .. })
        ));
        for text in ["", ".", "-", "1e5", "+1", "1,0", "NaN", "1.2.3", " 1", "٣"] {
            assert!(
                matches!(parse_fixed(text, 2), Err(FixedError::NotDecimal { .. })),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(units: i64, scale in 0u8..=9) {
            prop_assert_eq!(parse_fixed(&Price(units).at(scale).to_string(), scale), Ok(units));
        }
    }
}
