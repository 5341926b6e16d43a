//! Amounts of money as the read model has them, decimals with all digits, rounded for people.

use tickdeck_model::Money;
use tickdeck_model::format::{plain, signed};

/// Reads an exact decimal. Any other text counts as zero: the read model contains only decimals.
pub(super) fn parse(decimal: &str) -> Money {
    let (sign, digits) = match decimal.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, decimal),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction:0<0$}", usize::from(Money::SCALE));
    Money(sign * digits.parse::<i128>().unwrap_or(0))
}

/// Formats a result with its sign and two decimals: `+1,234.50`.
pub(super) fn result(decimal: &str) -> String {
    signed(parse(decimal))
}

/// Formats an amount with two decimals: `1,000,017.20`.
pub(super) fn amount(decimal: &str) -> String {
    plain(parse(decimal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_and_rounded_to_two_digits() {
        for units in [
            0,
            1,
            -1,
            12_345_678_901_234_567_891_234,
            -5 * 10_i128.pow(17),
        ] {
            let text = Money(units).at(Money::SCALE).to_string();
            assert_eq!(parse(&text), Money(units));
            let trimmed = tickdeck_model::format::trimmed(&text);
            assert_eq!(parse(trimmed), Money(units), "{trimmed}");
        }
        assert_eq!(result("-1148.066234"), "-1,148.07");
        assert_eq!(result("0.5"), "+0.50");
        assert_eq!(result("0"), "0.00");
        assert_eq!(amount("1000017.2"), "1,000,017.20");
        assert_eq!(parse("n/a"), Money::ZERO);
    }
}
