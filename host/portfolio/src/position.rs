//! A position at average cost.

use crate::deal::{Deal, sum};
use crate::table::Row;
use tickdeck_model::{CurrencyId, Instrument, InstrumentId, Money, MoneyError, Price, Size};

/// A position at average cost, of one strategy or of the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// What is held.
    pub instrument: InstrumentId,
    /// The currency of `cost`, `realised` and `fees`.
    pub quote: CurrencyId,
    /// Above zero: long. Below: short. In units of the instrument's size scale.
    pub size: Size,
    /// What the open part cost, with the sign of `size`: paid for a long position, received for a short one.
    pub cost: Money,
    /// Profit of what was closed, before fees.
    pub realised: Money,
    /// Fees paid in the quote currency, less rebates. Fees in another currency are in that currency's capital and cash
    /// only.
    pub fees: Money,
}

impl Position {
    /// Nothing held, nothing made.
    pub(crate) const fn flat(instrument: InstrumentId, quote: CurrencyId) -> Self {
        let (cost, realised, fees) = (Money::ZERO, Money::ZERO, Money::ZERO);
        Self {
            instrument,
            quote,
            size: Size::ZERO,
            cost,
            realised,
            fees,
        }
    }

    /// Whether nothing is held.
    pub const fn is_flat(&self) -> bool {
        self.size.0 == 0
    }

    /// Mean entry price, rounded half to even at the instrument's price scale; `None` if flat. `terms` are those of the
    /// position's instrument.
    pub fn average_price(&self, terms: &Instrument) -> Option<Price> {
        debug_assert_eq!(
            terms.id, self.instrument,
            "the terms are the position's own"
        );
        terms.average_price(self.cost, self.size)
    }

    /// Profit, before fees, if the position were closed at `mark`; below zero for a loss.
    ///
    /// # Errors
    /// Price times size does not fit.
    pub fn unrealised(&self, mark: Price, terms: &Instrument) -> Result<Money, MoneyError> {
        terms.notional(mark, self.size)?.sub(self.cost)
    }

    /// The position after the deal, and the profit before fees that it realised.
    pub(crate) fn after(&self, deal: &Deal<'_>) -> Result<(Self, Money), MoneyError> {
        let closed = self.closed_by(deal.size);
        let (cost, gain) = if closed == Size::ZERO {
            (sum(self.cost, deal.notional)?, Money::ZERO)
        } else {
            self.close(closed, deal)?
        };
        // The smallest 64-bit integer has no negative; no position is ever that large.
        let size = self
            .size
            .checked_add(deal.size)
            .filter(|size| size.0 != i64::MIN);
        let fee = if deal.fee_is_in_quote() {
            deal.fee
        } else {
            Money::ZERO
        };
        let after = Self {
            size: size.ok_or(MoneyError)?,
            cost,
            realised: sum(self.realised, gain)?,
            fees: sum(self.fees, fee)?,
            ..*self
        };
        Ok((after, gain))
    }

    /// The part of a deal of `size` that closes, with the sign of `size`.
    fn closed_by(&self, size: Size) -> Size {
        if self.size.0.signum() * size.0.signum() >= 0 {
            Size::ZERO
        } else if size.0.unsigned_abs() < self.size.0.unsigned_abs() {
            size
        } else {
            Size(-self.size.0)
        }
    }

    /// The cost that is left once `closed` of the deal has closed and the rest of it has opened, and the profit.
    fn close(&self, closed: Size, deal: &Deal<'_>) -> Result<(Money, Money), MoneyError> {
        let removed = if closed.0 == -self.size.0 {
            self.cost
        } else {
            self.cost.mul_ratio(-closed.0, self.size.0)?
        };
        let proceeds = if closed == deal.size {
            deal.notional
        } else {
            deal.terms.notional(deal.price, closed)?
        };
        let gain = Money::ZERO.sub(proceeds)?.sub(removed)?;
        let opened = deal.notional.sub(proceeds)?;
        Ok((sum(self.cost.sub(removed)?, opened)?, gain))
    }
}

impl Row for Position {
    type Key = InstrumentId;

    fn key(&self) -> InstrumentId {
        self.instrument
    }
}
