//! Positions of a margin account: their cost, and the profit that closing them realises.

use tickdeck_model::{Instrument, InstrumentId, Money, Price, Side, Size};

/// Every position that ever existed. A handful, so a list.
#[derive(Debug, Default)]
pub(super) struct Positions(Vec<Position>);

#[derive(Debug)]
struct Position {
    instrument: InstrumentId,
    /// Above zero: long.
    size: i64,
    /// Cost at the average price, below zero for a short position.
    cost: Money,
}

impl Positions {
    /// Applies a trade and returns what it realises, before fees: closing releases cost at the position's average.
    pub(super) fn trade(
        &mut self,
        terms: &Instrument,
        side: Side,
        price: Price,
        size: Size,
    ) -> Money {
        let position = self.of(terms.id);
        let direction = position.size.signum();
        let closed = if direction == -side.sign() {
            size.0.min(position.size.abs())
        } else {
            0
        };
        let mut realised = Money::ZERO;
        if closed > 0 {
            let released = position.cost.mul_ratio(closed, position.size.abs());
            let released = released.unwrap_or(position.cost);
            realised.0 = signed(terms, direction, price, closed).saturating_sub(released.0);
            position.cost.0 = position.cost.0.saturating_sub(released.0);
        }
        let opened = size.0 - closed;
        let cost = signed(terms, side.sign(), price, opened);
        position.cost.0 = position.cost.0.saturating_add(cost);
        position.size = position.size.saturating_add(side.sign() * size.0);
        realised
    }

    fn of(&mut self, instrument: InstrumentId) -> &mut Position {
        let found = self.0.iter().position(|held| held.instrument == instrument);
        let at = found.unwrap_or_else(|| {
            let (size, cost) = (0, Money::ZERO);
            self.0.push(Position {
                instrument,
                size,
                cost,
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

/// Price times size times the direction, saturating at the largest [`Money`].
fn signed(terms: &Instrument, direction: i64, price: Price, size: i64) -> i128 {
    let notional = terms
        .notional(price, Size(size))
        .unwrap_or(Money(i128::MAX));
    notional.0.saturating_mul(i128::from(direction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{Amount, CurrencyId, VenueId};

    #[test]
    fn closing_realises_against_the_average_cost_and_crossing_zero_opens_anew() {
        let terms = Instrument {
            id: InstrumentId(0),
            venue: VenueId(0),
            symbol: "AUDUSD.X".to_owned(),
            base: CurrencyId(0),
            quote: CurrencyId(1),
            price_scale: 2,
            size_scale: 0,
            quote_scale: 2,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount::ZERO,
        };
        let mut positions = Positions::default();
        let mut trade = |side, price, size| {
            let realised = positions.trade(&terms, side, Price(price), Size(size));
            realised.to_amount(2).unwrap().0
        };
        assert_eq!(trade(Side::Buy, 100, 10), 0);
        assert_eq!(trade(Side::Buy, 110, 10), 0, "average 1.05");
        assert_eq!(trade(Side::Sell, 115, 5), 50);
        assert_eq!(trade(Side::Sell, 95, 25), -150, "15 closed, 10 short");
        assert_eq!(trade(Side::Buy, 90, 10), 50);
        assert_eq!(trade(Side::Sell, 200, 1), 0);
    }
}
