//! A position at average cost.

use crate::deal::{Deal, sum};
use crate::table::Row;
use tickdeck_model::{CurrencyId, Instrument, InstrumentId, Money, MoneyError, Price, Size};

/// A position at average cost, of one strategy or of the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The currency of `cost`, `realised` and `fees`.
    pub quote: CurrencyId,
    /// Above zero: long. Below: short. In units of the instrument's size scale.
    pub size: Size,
    /// Cost of the open part, with the sign of `size`: paid for a long position, received for a short one.
    pub cost: Money,
    /// Profit of the closed part, before fees.
    pub realised: Money,
    /// Fees paid in the quote currency, less rebates. Fees in another currency are in that currency's capital and cash
    /// only.
    pub fees: Money,
}

/// The effect of a deal on a position. Planned first and applied later, so that a sum out of range anywhere changes
/// nothing anywhere.
#[derive(Debug)]
pub(crate) struct PositionStep {
    size: Size,
    cost: Money,
    /// Realised by the deal, before fees.
    pub(crate) gain: Money,
}

impl Position {
    /// Nothing held, nothing made.
    pub(crate) const fn flat(terms: &Instrument) -> Self {
        let (cost, realised, fees) = (Money::ZERO, Money::ZERO, Money::ZERO);
        let (instrument, quote) = (terms.id, terms.quote);
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

    /// Computes the effect of a deal without changing the position.
    #[inline(always)]
    pub(crate) fn plan(&self, deal: &Deal<'_>) -> Result<PositionStep, MoneyError> {
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
        sum(self.realised, gain)?;
        sum(self.fees, deal.fee_in_quote())?;
        Ok(PositionStep {
            size: size.ok_or(MoneyError)?,
            cost,
            gain,
        })
    }

    /// Applies a planned step.
    #[inline(always)]
    pub(crate) const fn commit(&mut self, step: &PositionStep, deal: &Deal<'_>) {
        self.size = step.size;
        self.cost = step.cost;
        self.realised.0 += step.gain.0;
        self.fees.0 += deal.fee_in_quote().0;
    }

    /// The part of a deal of `size` that closes, with the sign of `size`.
    #[inline(always)]
    fn closed_by(&self, size: Size) -> Size {
        // Neither is ever zero here or the smallest number, so the sign bits tell.
        if self.size.0 == 0 || (self.size.0 ^ size.0) >= 0 {
            Size::ZERO
        } else if size.0.unsigned_abs() < self.size.0.unsigned_abs() {
            size
        } else {
            Size(-self.size.0)
        }
    }

    /// The remaining cost once `closed` of the deal has closed and the rest of it has opened, and the profit.
    #[inline(always)]
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
