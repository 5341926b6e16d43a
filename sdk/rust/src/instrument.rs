//! The terms of an instrument, and conversions between decimals and the integers of the contract.

use crate::fixed::{Amount, Fixed, Price, Size, parse_decimal, pow10};
use crate::ids::{CurrencyId, InstrumentId, VenueId};

/// The terms of an instrument.
///
/// As the type of a [parameter](crate::Parameters), it is looked up by the symbol that the user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// The id, which events carry.
    pub id: InstrumentId,
    /// The venue on which it trades.
    pub venue: VenueId,
    /// The symbol, unique in the deck, for example `BTCUSDT.BINANCE`.
    pub symbol: String,
    /// The base currency.
    pub base: CurrencyId,
    /// The quote currency.
    pub quote: CurrencyId,
    /// Decimal digits of prices.
    pub price_scale: u8,
    /// Decimal digits of sizes.
    pub size_scale: u8,
    /// Decimal digits of amounts of the quote currency.
    pub quote_scale: u8,
    /// The tick size: prices are whole multiples of it.
    pub tick: Price,
    /// The lot size: sizes are whole multiples of it.
    pub lot: Size,
    /// The smallest permitted price times size, in the quote currency.
    pub min_notional: Amount,
}

impl Instrument {
    /// Parses a price exactly.
    ///
    /// # Errors
    /// The text is not a plain decimal, or has more decimal digits than the instrument's prices.
    pub fn price(&self, text: &str) -> Result<Price, String> {
        parse_decimal(text, self.price_scale).map(Price)
    }

    /// Parses a size exactly.
    ///
    /// # Errors
    /// The text is not a plain decimal, or has more decimal digits than the instrument's sizes.
    pub fn size(&self, text: &str) -> Result<Size, String> {
        parse_decimal(text, self.size_scale).map(Size)
    }

    /// Returns the price difference of `count` ticks.
    pub fn ticks(&self, count: i64) -> Price {
        self.tick * count
    }

    /// Rounds `value` (such as 61685.99) to the nearest tick, halves away from zero.
    pub fn round_to_tick(&self, value: f64) -> Price {
        let units = value * pow10(self.price_scale) as f64;
        self.tick * ((units / self.tick.0 as f64).round() as i64)
    }

    /// Returns the tick at or below `price`, in price units, which may lie between ticks, as a mid price does.
    pub fn tick_below(&self, price: f64) -> Price {
        self.tick * ((price / self.tick.0 as f64).floor() as i64)
    }

    /// Returns the tick at or above `price`, in price units, which may lie between ticks, as a mid price does.
    pub fn tick_above(&self, price: f64) -> Price {
        self.tick * ((price / self.tick.0 as f64).ceil() as i64)
    }

    /// Rounds `value` (such as 0.01) down to whole lots: never more than requested.
    pub fn round_to_lot(&self, value: f64) -> Size {
        let units = value * pow10(self.size_scale) as f64;
        // The product of 0.07 at scale 8 is 7000000.000000001 or 6999999.999999999: noise that must not cost a lot.
        let nearest = units.round();
        let noise = 1e-9 + 1e-12 * nearest.abs();
        let units = if (units - nearest).abs() < noise {
            nearest
        } else {
            units.trunc()
        } as i64;
        self.lot * (units / self.lot.0)
    }

    /// Like [`round_to_lot`](Self::round_to_lot), for a size of at least one lot.
    ///
    /// # Errors
    /// The size is less than one lot. The text is for the user and can be returned from
    /// [`Strategy::new`](crate::Strategy::new).
    pub fn lots(&self, value: f64) -> Result<Size, String> {
        match self.round_to_lot(value) {
            size if size > Size::ZERO => Ok(size),
            _ => Err(format!(
                "the size is less than a lot of {}, {}",
                self.symbol,
                self.show_size(self.lot)
            )),
        }
    }

    /// Returns the number of price units in 1 of the quote currency: `quote.mid()` divided by it is a decimal number.
    pub fn price_unit(&self) -> f64 {
        pow10(self.price_scale) as f64
    }

    /// Returns a price as a decimal number, for ratios and display.
    pub fn price_value(&self, price: Price) -> f64 {
        price.to_f64(self.price_scale)
    }

    /// Returns a size as a decimal number, for ratios and display.
    pub fn size_value(&self, size: Size) -> f64 {
        size.to_f64(self.size_scale)
    }

    /// Formats a price: `61685.99`.
    pub fn show_price(&self, price: Price) -> Fixed {
        price.at(self.price_scale)
    }

    /// Formats a size: `0.01000`.
    pub fn show_size(&self, size: Size) -> Fixed {
        size.at(self.size_scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::World;

    #[test]
    fn rounding_never_leaves_ticks_and_lots() {
        let btc = World::demo().instruments[0].clone();
        assert_eq!(btc.price("61685.99"), Ok(Price(6_168_599)));
        assert_eq!(btc.round_to_tick(61685.994), Price(6_168_599));
        assert_eq!(btc.round_to_tick(61685.995), Price(6_168_600));
        assert_eq!(btc.tick_below(6_168_599.5), Price(6_168_599));
        assert_eq!(btc.tick_above(6_168_599.5), Price(6_168_600));
        assert_eq!(btc.round_to_lot(0.07), Size(7_000));
        assert_eq!(btc.round_to_lot(0.070_009), Size(7_000));
        assert_eq!(btc.round_to_lot(-0.070_009), Size(-7_000));
        assert_eq!(btc.lots(0.01), Ok(Size(1_000)));
        assert_eq!(
            btc.lots(0.000_001).unwrap_err(),
            "the size is less than a lot of BTCUSDT.BINANCE, 0.00001"
        );
        assert_eq!(btc.show_size(btc.round_to_lot(0.01)).to_string(), "0.01000");
    }
}
