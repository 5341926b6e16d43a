//! Money: exact inside, and as integers at a currency's scale where it meets a venue or a strategy.

use crate::fixed::{Fixed, pow10};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An amount at the currency's own scale, as venues and strategies see it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(transparent)]
pub struct Amount(pub i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Shows the amount at its currency's scale.
    pub const fn at(self, scale: u8) -> Fixed {
        Fixed {
            units: self.0 as i128,
            scale,
        }
    }
}

/// An exact amount of money, in units of 10^-18. Price times size is exact for any instrument (9 + 9 digits), so a
/// ledger kept in it balances to the last digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Money(pub i128);

/// A calculation left the range of [`Money`] (1.7e20 whole units) or of an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money is out of range")]
pub struct MoneyError;

#[allow(
    clippy::should_implement_trait,
    reason = "an operator could not return the overflow"
)]
impl Money {
    /// Decimal digits kept.
    pub const SCALE: u8 = 18;
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `units` at `scale` decimal digits, at most 18.
    ///
    /// # Errors
    /// The amount is out of range.
    #[inline]
    pub fn from_units(units: i128, scale: u8) -> Result<Self, MoneyError> {
        debug_assert!(
            scale <= Self::SCALE,
            "no scale in the model is finer than money"
        );
        let unit = pow10(Self::SCALE - scale);
        // The product of two 64-bit numbers always fits, and costs a fraction of a checked one.
        if let (Ok(units), Ok(unit)) = (i64::try_from(units), i64::try_from(unit)) {
            return Ok(Self(i128::from(units) * i128::from(unit)));
        }
        units.checked_mul(unit).map(Self).ok_or(MoneyError)
    }

    /// An amount at its currency's scale.
    #[inline]
    pub fn from_amount(amount: Amount, scale: u8) -> Self {
        Self(i128::from(amount.0) * pow10(Self::SCALE - scale))
    }

    /// At a currency's scale, rounded half to even (IEEE 754 roundTiesToEven, as banks round).
    ///
    /// # Errors
    /// The amount does not fit 64 bits.
    pub fn to_amount(self, scale: u8) -> Result<Amount, MoneyError> {
        let rounded = div_half_even(self.0, pow10(Self::SCALE - scale));
        i64::try_from(rounded).map(Amount).map_err(|_| MoneyError)
    }

    /// Rounded half to even to a currency's scale, still as money.
    pub fn rounded(self, scale: u8) -> Self {
        let unit = pow10(Self::SCALE - scale);
        Self(div_half_even(self.0, unit) * unit)
    }

    /// The sum.
    ///
    /// # Errors
    /// The result is out of range.
    #[inline]
    pub fn add(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_add(other.0).map(Self).ok_or(MoneyError)
    }

    /// The difference.
    ///
    /// # Errors
    /// The result is out of range.
    #[inline]
    pub fn sub(self, other: Self) -> Result<Self, MoneyError> {
        self.0.checked_sub(other.0).map(Self).ok_or(MoneyError)
    }

    /// This amount times `numerator / denominator`, rounded toward zero.
    ///
    /// # Errors
    /// The result is out of range, or the denominator is zero.
    pub fn mul_ratio(self, numerator: i64, denominator: i64) -> Result<Self, MoneyError> {
        let (numerator, denominator) = (i128::from(numerator), i128::from(denominator));
        if denominator == 0 {
            return Err(MoneyError);
        }
        // A 128-bit division costs more than all the rest: only one, if the product fits.
        if let Some(product) = self.0.checked_mul(numerator) {
            return product.checked_div(denominator).map(Self).ok_or(MoneyError);
        }
        // Split so that only the remainder is multiplied: a whole ledger times a whole size would overflow.
        let (whole, rest) = (self.0 / denominator, self.0 % denominator);
        let whole = whole.checked_mul(numerator).ok_or(MoneyError)?;
        let rest = rest.checked_mul(numerator).ok_or(MoneyError)? / denominator;
        whole.checked_add(rest).map(Self).ok_or(MoneyError)
    }

    /// The nearest `f64`, for display.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e18
    }

    /// Shows the amount rounded to `scale` digits.
    pub fn at(self, scale: u8) -> Fixed {
        Fixed {
            units: div_half_even(self.0, pow10(Self::SCALE - scale)),
            scale,
        }
    }
}

/// `value / divisor` rounded half to even; `divisor` is positive.
pub(crate) fn div_half_even(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    // An overflow of the product is undone in the difference, which is below the divisor.
    let remainder = value.wrapping_sub(quotient.wrapping_mul(divisor));
    match (remainder * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + (quotient & 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let rounded: Vec<i128> = [5, 15, 25, -5, -15, 14, 16]
            .iter()
            .map(|value| div_half_even(*value, 10))
            .collect();
        assert_eq!(rounded, [0, 2, 2, 0, -2, 1, 2]);
    }

    /// The calculation used if the product does not fit.
    fn split(amount: i128, numerator: i128, denominator: i128) -> Option<i128> {
        let (whole, rest) = (amount / denominator, amount % denominator);
        let whole = whole.checked_mul(numerator)?;
        whole.checked_add(rest * numerator / denominator)
    }

    proptest! {
        #[test]
        fn a_ratio_is_the_same_whether_or_not_its_product_fits(
            amount: i128, shift in 0u32..127, numerator: i64, denominator: i64,
        ) {
            prop_assume!(denominator != 0);
            let amount = amount >> shift;
            let ratio = Money(amount).mul_ratio(numerator, denominator);
            let expected = split(amount, numerator.into(), denominator.into());
            prop_assert_eq!(ratio.ok().map(|money| money.0), expected);
        }

        #[test]
        fn units_become_money_exactly_or_not_at_all(units: i128, shift in 0u32..127, scale in 0u8..=18) {
            let units = units >> shift;
            let expected = units.checked_mul(10i128.pow(u32::from(18 - scale)));
            let money = Money::from_units(units, scale);
            prop_assert_eq!(money.ok().map(|money| money.0), expected);
        }

        #[test]
        fn a_ratio_and_its_complement_never_lose_more_than_a_unit(total: i64, part in 1i64..1_000_000, whole in 1i64..1_000_000) {
            let part = part.min(whole);
            let total = Money(i128::from(total));
            let taken = total.mul_ratio(part, whole).unwrap();
            prop_assert!(taken.0.abs() <= total.0.abs());
            let rest = total.mul_ratio(whole - part, whole).unwrap();
            prop_assert!((total.0 - taken.0 - rest.0).abs() <= 1);
        }
    }
}
