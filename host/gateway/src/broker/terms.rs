//! A venue's fees and latencies.

use tickdeck_model::{Amount, FixedError, Instrument, Liquidity, Price, Size, parse_fixed};

/// The rules by which a broker treats our orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerRules {
    /// Latency of the links.
    pub latency: Latency,
    /// Fees on trades.
    pub fees: Fees,
    /// Whether a sell needs no holdings.
    pub allow_short: bool,
}

/// One-way times of the two links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// From us to the venue, nanoseconds.
    pub order_ns: u64,
    /// From the venue to us, nanoseconds.
    pub answer_ns: u64,
}

impl Latency {
    /// The minimum time between a command and its first answer: the sum, at least 1 ns.
    pub const fn lookahead_ns(self) -> u64 {
        let sum = self.order_ns.saturating_add(self.answer_ns);
        if sum == 0 { 1 } else { sum }
    }

    /// The same with a sum of at least 1 ns, as the engine needs it.
    #[must_use]
    pub const fn at_least_one_ns(self) -> Self {
        if self.order_ns == 0 && self.answer_ns == 0 {
            Self {
                order_ns: 1,
                answer_ns: 0,
            }
        } else {
            self
        }
    }
}

/// Fee rates for either role in a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// For providing liquidity.
    pub maker: FeeRate,
    /// For taking liquidity.
    pub taker: FeeRate,
}

impl Fees {
    /// The rate for a fill.
    pub const fn of(self, liquidity: Liquidity) -> FeeRate {
        match liquidity {
            Liquidity::Maker => self.maker,
            Liquidity::Taker | Liquidity::Other => self.taker,
        }
    }

    /// The larger rate, by which reservations are computed.
    pub fn larger(self) -> FeeRate {
        FeeRate {
            ppm: self.maker.ppm.max(self.taker.ppm).max(0),
        }
    }
}

/// A fee as a share of price times size; below zero it is a rebate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRate {
    /// Parts per million: 1000 is 0.1 %.
    pub ppm: i32,
}

/// Why a text is not a fee rate. Write a share such as `0.001` (0.1 %).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeeError {
    /// Not a decimal of at most six digits.
    #[error("not a fee rate such as 0.001 (0.1 %)")]
    Decimal(#[from] FixedError),
    /// Above the whole amount traded.
    #[error("a fee rate of {text} is more than the whole amount traded (1.0)")]
    TooLarge {
        /// The text given.
        text: String,
    },
}

impl FeeRate {
    /// Parts per million in one.
    const ONE_PPM: i64 = 1_000_000;

    /// Reads a share: `0.001` is 0.1 %.
    ///
    /// # Errors
    /// Not a decimal, finer than a millionth, or above 1.
    pub fn parse(text: &str) -> Result<Self, FeeError> {
        let ppm = parse_fixed(text, 6)?;
        match i32::try_from(ppm) {
            Ok(ppm) if i64::from(ppm.unsigned_abs()) <= Self::ONE_PPM => Ok(Self { ppm }),
            _ => Err(FeeError::TooLarge {
                text: text.to_owned(),
            }),
        }
    }

    /// The fee on a trade, rounded half to even at the quote currency's scale, saturating at the largest [`Amount`].
    pub fn fee(self, terms: &Instrument, price: Price, size: Size) -> Amount {
        let notional = i128::from(price.0).saturating_mul(i128::from(size.0));
        let exact = notional.saturating_mul(i128::from(self.ppm));
        let exact_scale = i32::from(terms.price_scale) + i32::from(terms.size_scale) + 6;
        let digits = exact_scale - i32::from(terms.quote_scale);
        let units = match u32::try_from(digits) {
            Ok(digits) => div_half_even(exact, 10i128.pow(digits)),
            Err(_) => exact.saturating_mul(10i128.pow(digits.unsigned_abs())),
        };
        Amount(i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX }))
    }
}

fn div_half_even(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value.div_euclid(divisor), value.rem_euclid(divisor));
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + (quotient & 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{CurrencyId, InstrumentId, VenueId};

    fn terms(quote_scale: u8) -> Instrument {
        Instrument {
            id: InstrumentId(0),
            venue: VenueId(0),
            symbol: "X.Y".to_owned(),
            base: CurrencyId(0),
            quote: CurrencyId(1),
            price_scale: 2,
            size_scale: 5,
            quote_scale,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount::ZERO,
        }
    }

    #[test]
    fn fees_round_half_to_even_at_the_quote_scale() {
        let rate = FeeRate::parse("0.001").unwrap();
        assert_eq!(rate, FeeRate { ppm: 1000 });
        // 61685.99 x 1.00870 x 0.001 = 62.222658113
        let (price, size) = (Price(6_168_599), Size(100_870));
        assert_eq!(rate.fee(&terms(8), price, size), Amount(6_222_265_811));
        assert_eq!(rate.fee(&terms(2), price, size), Amount(6_222));
        // Notional 5.00 and 15.00, fees 0.005 and 0.015: both halves go to the even cent.
        assert_eq!(rate.fee(&terms(2), Price(500), Size(100_000)), Amount(0));
        assert_eq!(rate.fee(&terms(2), Price(1500), Size(100_000)), Amount(2));
        assert_eq!(
            FeeRate::parse("-0.001")
                .unwrap()
                .fee(&terms(2), Price(1500), Size(100_000)),
            Amount(-2)
        );
    }

    #[test]
    fn invalid_rates_are_refused() {
        for text in ["", "0.0000001", "1.1", "-2", "99999999999999", "0.1%"] {
            assert!(FeeRate::parse(text).is_err(), "{text}");
        }
    }
}
