//! Times and decimals as text.

use crate::table::DECIMAL_SCALE;

const NS_PER_S: i64 = 1_000_000_000;
const S_PER_DAY: i64 = 86_400;

/// A time in UTC with nanoseconds: `2024-08-08T16:00:03.000000001Z`.
pub fn time(at: i64) -> String {
    let (second, ns) = (at.div_euclid(NS_PER_S), at.rem_euclid(NS_PER_S));
    let (day, of_day) = (second.div_euclid(S_PER_DAY), second.rem_euclid(S_PER_DAY));
    let (year, month, day) = civil(day);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ns:09}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Reads a time in UTC: a date, then maybe `T` or a space and the time of day with up to nine digits of a second, then maybe
/// `Z`. Nothing if it is none.
pub fn read_time(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, clock),
        None => (text, "00:00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let mut next = || -> Option<i64> { digits(parts.next()?) };
    let day = days(next()?, next()?, next()?)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let mut next = |most| digits(parts.next().unwrap_or("0")).filter(|value| *value < most);
    let second = next(24)? * 3_600 + next(60)? * 60 + next(60)?;
    if parts.next().is_some() || fraction.len() > 9 {
        return None;
    }
    let ns = digits(&format!("{fraction:0<9}"))?;
    let seconds = day.checked_mul(S_PER_DAY)?.checked_add(second)?;
    seconds.checked_mul(NS_PER_S)?.checked_add(ns)
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A decimal without zeros at its end: `0.5`.
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

/// Reads a plain decimal; nothing if it is none or has too many digits.
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

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// The same, `days_from_civil`; nothing if there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(0..=9_999).contains(&year) {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let (era, of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
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
