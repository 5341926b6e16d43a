//! The text forms of times and decimals.

use crate::table::DECIMAL_SCALE;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// Formats a time in UTC with nanoseconds: `2024-08-08T16:00:03.000000001Z`.
pub fn time(at: i64) -> String {
    let at = Timestamp::from_nanosecond(at.into());
    let at = at.expect("64 bits of nanoseconds are within the calendar");
    format!("{:.9}Z", Offset::UTC.to_datetime(at))
}

/// Parses a time in UTC: a date, optionally followed by `T` or a space and the time of day with up to nine digits of a second, and
/// optionally by `Z`. Returns nothing for any other text.
pub fn read_time(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, clock),
        None => (text, "00:00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let date = Date::new(small(year)?, small(month)?, small(day)?).ok()?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let mut next = |most: i8| small(parts.next().unwrap_or("0")).filter(|value| *value < most);
    let (hour, minute, second) = (next(24)?, next(60)?, next(60)?);
    if parts.next().is_some() || fraction.len() > 9 {
        return None;
    }
    let ns = small(&format!("{fraction:0<9}"))?;
    let at = Offset::UTC.to_timestamp(date.at(hour, minute, second, ns));
    at.ok()?.as_nanosecond().try_into().ok()
}

fn small<T: TryFrom<i64>>(text: &str) -> Option<T> {
    digits(text)?.try_into().ok()
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Formats a decimal without trailing zeros: `0.5`.
pub(crate) fn decimal(units: i128) -> String {
    let factor = 10u128.pow(u32::from(DECIMAL_SCALE));
    let sign = if units < 0 { "-" } else { "" };
    let (whole, rest) = (units.unsigned_abs() / factor, units.unsigned_abs() % factor);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

/// Parses a plain decimal; returns `None` for other text and for too many digits.
pub(crate) fn read_decimal(text: &str) -> Option<i128> {
    let (sign, plain) = match text.strip_prefix('-') {
        Some(plain) => (-1, plain),
        None => (1, text),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, "0"));
    if fraction.len() > usize::from(DECIMAL_SCALE) || fraction.is_empty() {
        return None;
    }
    let whole = i128::from(digits(whole)?);
    let fraction = i128::from(digits(&format!("{fraction:0<9}"))?);
    Some(sign * (whole * 10i128.pow(u32::from(DECIMAL_SCALE)) + fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_to_the_nanosecond() {
        for at in [0, 1, -1, 1_723_132_803_123_456_789, 951_782_400_000_000_000] {
            assert_eq!(read_time(&time(at)), Some(at), "{}", time(at));
        }
        assert_eq!(time(1), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(read_time("2024-08-08"), read_time("2024-08-08T00:00:00.0Z"));
        assert_eq!(
            read_time("2024-08-08 16:00"),
            read_time("2024-08-08T16:00:00Z")
        );
        for wrong in [
            "",
            "2024",
            "2024-02-30",
            "2024-01-01T25:00:00",
            "2024-01-01T00:00:00.0000000001",
            "x-01-01",
        ] {
            assert_eq!(read_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_decimal_reads_back_exactly() {
        for units in [
            0,
            1,
            -1,
            500_000_000,
            9_223_372_036_854_775_807_000_000_000,
            -61_000_010_000_000,
        ] {
            assert_eq!(
                read_decimal(&decimal(units)),
                Some(units),
                "{}",
                decimal(units)
            );
        }
        assert_eq!(decimal(-500_000_000), "-0.5");
        for wrong in ["", "-", "1.", ".5", "1e3", "0.0000000001", "+1", "NaN"] {
            assert_eq!(read_decimal(wrong), None, "{wrong}");
        }
    }
}
