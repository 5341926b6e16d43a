//! A fill in signed numbers, as both the account and the strategy's book need it.

use crate::error::PortfolioError;
use tickdeck_model::{ClientOrderId, CurrencyId, Fill, Instrument, Money, MoneyError, Price, Size};

/// The largest magnitude of any sum that is kept. A quarter of the range, so that an opening balance and two such sums
/// always add up, and reading a balance cannot fail.
const LARGEST: i128 = i128::MAX / 4;

/// The sum, if it may be kept.
#[inline(always)]
pub(crate) fn sum(kept: Money, change: Money) -> Result<Money, MoneyError> {
    // The kept amount is at most a quarter of the range, so a sum that wraps is beyond it too.
    let sum = kept.0.wrapping_add(change.0);
    if sum.wrapping_add(LARGEST) as u128 <= 2 * LARGEST as u128 {
        Ok(Money(sum))
    } else {
        Err(MoneyError)
    }
}

/// A fill in signed numbers.
#[derive(Debug)]
pub(crate) struct Deal<'a> {
    pub(crate) terms: &'a Instrument,
    pub(crate) price: Price,
    /// Above zero: bought.
    pub(crate) size: Size,
    /// Price times size, with the sign of `size`.
    pub(crate) notional: Money,
    pub(crate) fee: Money,
    pub(crate) fee_currency: CurrencyId,
}

impl<'a> Deal<'a> {
    /// `fee_scale` is the scale of the fee's currency.
    #[inline(always)]
    pub(crate) fn new(
        terms: &'a Instrument,
        fill: &Fill,
        fee_scale: u8,
    ) -> Result<Self, PortfolioError> {
        let instrument = fill.instrument;
        if fill.size.0 <= 0 {
            let order = ClientOrderId {
                strategy: fill.strategy,
                number: fill.order,
            };
            return Err(PortfolioError::FillSize {
                order,
                instrument,
                size: fill.size,
            });
        }
        // The size is above zero, so its negative exists.
        let size = Size(fill.side.sign() * fill.size.0);
        let notional = terms
            .notional(fill.price, size)
            .map_err(|source| PortfolioError::OutOfRange { instrument, source })?;
        let fee = Money::from_amount(fill.fee, fee_scale);
        let fee_currency = fill.fee_currency;
        Ok(Self {
            terms,
            price: fill.price,
            size,
            notional,
            fee,
            fee_currency,
        })
    }

    /// Whether the fee is paid in the quote currency.
    #[inline]
    pub(crate) const fn pays_in_quote(&self) -> bool {
        self.fee_currency.0 == self.terms.quote.0
    }

    /// The fee, if it is paid in the quote currency.
    pub(crate) const fn fee_in_quote(&self) -> Money {
        if self.pays_in_quote() {
            self.fee
        } else {
            Money::ZERO
        }
    }
}
