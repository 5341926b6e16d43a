//! Unrealised profit.

use crate::error::PortfolioError;
use crate::position::Position;
use tickdeck_model::{CurrencyId, Instrument, InstrumentId, Money, Price};

/// Profit before fees if everything were closed at the given prices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unrealised {
    /// Profit per quote currency, below zero for a loss, by currency id.
    pub profit: Vec<(CurrencyId, Money)>,
    /// Held instruments without a price, which `profit` leaves out.
    pub unmarked: Vec<InstrumentId>,
}

impl Unrealised {
    /// Marks `positions`. `terms` are by number, as the registry gives them.
    pub(crate) fn of<'a>(
        positions: impl Iterator<Item = &'a Position>,
        mark: impl Fn(InstrumentId) -> Option<Price>,
        terms: &[Instrument],
    ) -> Result<Self, PortfolioError> {
        let mut all = Self::default();
        for position in positions.filter(|position| !position.is_flat()) {
            let instrument = position.instrument;
            let found = terms.get(instrument.index());
            let terms = found.ok_or(PortfolioError::UnknownInstrument { instrument })?;
            let Some(mark) = mark(instrument) else {
                all.unmarked.push(instrument);
                continue;
            };
            position
                .unrealised(mark, terms)
                .and_then(|profit| all.line(position.quote).add(profit))
                .map(|total| *all.line(position.quote) = total)
                .map_err(|source| PortfolioError::OutOfRange { instrument, source })?;
        }
        Ok(all)
    }

    fn line(&mut self, currency: CurrencyId) -> &mut Money {
        let at = match self
            .profit
            .binary_search_by_key(&currency, |(currency, _)| *currency)
        {
            Ok(at) => at,
            Err(at) => {
                self.profit.insert(at, (currency, Money::ZERO));
                at
            }
        };
        &mut self.profit[at].1
    }
}
