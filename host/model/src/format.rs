//! Text forms of numbers, times and sizes for people.

use crate::{Money, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    group(&number.to_string())
}

/// A rate or a count in at most five characters: `950`, `41.2k`, `2.06M`.
pub fn short(number: f64) -> String {
    match number {
        n if n < 999.5 => format!("{n:.0}"),
        n if n < 99_950.0 => format!("{:.1}k", n / 1e3),
        n if n < 999_500.0 => format!("{:.0}k", n / 1e3),
        n if n < 99_950_000.0 => format!("{:.2}M", n / 1e6),
        n => format!("{:.0}M", n / 1e6),
    }
}

/// Money with its sign and two decimals: `+1,234.50`.
pub fn signed(money: Money) -> String {
    let text = money.at(2).to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', text.as_str()),
    };
    if digits == "0.00" {
        digits.to_owned()
    } else {
        format!("{sign}{}", group(digits))
    }
}

/// Money with two decimals: `1,000,017.20`.
pub fn plain(money: Money) -> String {
    let text = money.at(2).to_string();
    match text.strip_prefix('-') {
        Some(digits) => format!("-{}", group(digits)),
        None => group(&text),
    }
}

/// A decimal without trailing zeros: `0.500` as `0.5`.
pub fn trimmed(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}

/// A decimal with any number of digits, as money with two: `-1234.567` as `-1,234.56`. Other text is left unchanged.
pub fn money_text(decimal: &str) -> String {
    let (sign, digits) = match decimal.strip_prefix(['-', '+']) {
        Some(digits) => (&decimal[..1], digits),
        None => ("", decimal),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return decimal.to_owned();
    }
    format!("{sign}{}", group(&format!("{whole}.{fraction:0<2.2}")))
}

/// A span of time in its two largest units: `14 s`, `2 min 5 s`, `3 h 20 min`, `8 d 1 h`.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// The time of day of a timestamp, UTC: `12:00:03`.
pub fn time_of_day(at: Timestamp) -> String {
    format!("{:.0}", civil(at).time())
}

/// The date of a timestamp, UTC: `2024-08-08`.
pub fn date(at: Timestamp) -> String {
    civil(at).date().to_string()
}

/// A date and a time to the microsecond, UTC: `2024-08-08 12:00:03.000001`.
pub fn date_time(at: Timestamp) -> String {
    let at = civil(at);
    format!("{} {:.6}", at.date(), at.time())
}

fn civil(at: Timestamp) -> DateTime {
    let at = jiff::Timestamp::from_nanosecond(at.into());
    Offset::UTC.to_datetime(at.expect("64 bits of nanoseconds are within the calendar"))
}

/// A size in bytes: `36.5 kB`.
pub fn bytes(count: u64) -> String {
    match count as f64 {
        n if n < 1e3 => format!("{count} B"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// Commas between the thousands of a decimal without a sign.
fn group(decimal: &str) -> String {
    let whole = decimal.split('.').next().unwrap_or(decimal);
    let mut text = String::with_capacity(decimal.len() + whole.len() / 3);
    for (at, char) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(char);
    }
    text + &decimal[whole.len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shortened() {
        let counts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        let rates = [0.0, 999.4, 999.6, 41_234.0, 123_456.0, 2_060_000.0, 250e6].map(short);
        assert_eq!(
            rates,
            ["0", "999", "1.0k", "41.2k", "123k", "2.06M", "250M"]
        );
    }

    #[test]
    fn money_has_two_decimals_and_a_sign_where_it_is_a_result() {
        let money = |hundredths: i128| Money(hundredths * 10i128.pow(16));
        assert_eq!(
            ["0.00", "+1,234.50", "-0.01"],
            [0, 123_450, -1]
                .map(|cents| signed(money(cents)))
                .each_ref()
                .map(String::as_str)
        );
        assert_eq!(
            ["1,000,017.20", "-1,000.00"],
            [100_001_720, -100_000]
                .map(|cents| plain(money(cents)))
                .each_ref()
                .map(String::as_str)
        );
        assert_eq!(
            ["0.5", "10", "10", "-1.25"],
            ["0.500", "10.00", "10", "-1.2500"].map(trimmed)
        );
    }

    #[test]
    fn decimals_of_money_are_cut_to_two_digits_and_other_text_is_left_alone() {
        let shown = [
            "-1234.567",
            "999883.9",
            "0",
            "+12",
            "-0.009",
            "n/a",
            "",
            "1.2.3",
        ];
        assert_eq!(
            shown.map(money_text),
            [
                "-1,234.56",
                "999,883.90",
                "0.00",
                "+12.00",
                "-0.00",
                "n/a",
                "",
                "1.2.3"
            ]
        );
    }

    #[test]
    fn spans_of_time_have_their_two_largest_units() {
        let spans = [0, 59, 125, 3_600, 12_059, 694_800].map(span);
        assert_eq!(
            spans,
            [
                "0 s",
                "59 s",
                "2 min 5 s",
                "1 h 0 min",
                "3 h 20 min",
                "8 d 1 h"
            ]
        );
    }

    #[test]
    fn times_and_dates_are_utc() {
        let at = 1_723_132_803_000_000_000;
        assert_eq!(
            (date(at), time_of_day(at)),
            ("2024-08-08".to_owned(), "16:00:03".to_owned())
        );
        assert_eq!(
            (date(-1), time_of_day(-1)),
            ("1969-12-31".to_owned(), "23:59:59".to_owned())
        );
        assert_eq!(date(951_782_400_000_000_000), "2000-02-29");
    }
}
