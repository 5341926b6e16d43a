//! Currencies and instruments: scales, ticks, lots, smallest notional.

use crate::action::{OrderFlags, Submit};
use crate::fixed::{MAX_SCALE, Price, Size};
use crate::ids::{CurrencyId, InstrumentId, VenueId};
use crate::money::{Amount, Money, MoneyError, div_half_even};
use crate::terms::{MarginMode, OrderType, Reason, SelfTrade, TimeInForce, TrailBasis, Trigger};

/// A currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency {
    /// Its number.
    pub id: CurrencyId,
    /// Its code, for example `USDT`.
    pub code: String,
    /// Decimal digits of its amounts.
    pub scale: u8,
}

/// The terms of an instrument at a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// Its number.
    pub id: InstrumentId,
    /// The venue at which it trades.
    pub venue: VenueId,
    /// Unique in the deck: `BTCUSDT.BINANCE`.
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
    /// Prices are whole multiples of this.
    pub tick: Price,
    /// Sizes are whole multiples of this.
    pub lot: Size,
    /// Smallest price times size.
    pub min_notional: Amount,
}

/// Why an order violates the terms of its instrument, with the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFormError {
    /// The deny code.
    pub reason: Reason,
    /// The values: `size=15, lot=10`.
    pub values: String,
}

impl Instrument {
    /// The largest scale of prices, sizes and amounts.
    pub const MAX_SCALE: u8 = MAX_SCALE;

    /// The symbol without its venue.
    pub fn ticker(&self) -> &str {
        self.symbol
            .rsplit_once('.')
            .map_or(&self.symbol, |(ticker, _)| ticker)
    }

    /// Price times size, exactly.
    #[inline]
    pub fn notional(&self, price: Price, size: Size) -> Result<Money, MoneyError> {
        // The product of two 64-bit numbers always fits.
        let units = i128::from(price.0) * i128::from(size.0);
        Money::from_units(units, self.price_scale + self.size_scale)
    }

    /// `cost / size` as a price, rounded half to even; `None` if `size` is zero or the result does not fit.
    pub fn average_price(&self, cost: Money, size: Size) -> Option<Price> {
        if size.0 == 0 {
            return None;
        }
        // cost is in 10^-18; dividing by 10^(18 - price - size scale) and by the size leaves price units.
        let unit = 10i128.pow(u32::from(Money::SCALE - self.price_scale - self.size_scale));
        let divisor = i128::from(size.0).checked_mul(unit)?;
        let (cost, divisor) = if divisor < 0 {
            (-cost.0, -divisor)
        } else {
            (cost.0, divisor)
        };
        i64::try_from(div_half_even(cost, divisor)).ok().map(Price)
    }

    /// Checks that an order is well formed for this instrument; `reference` prices a market order's notional.
    ///
    /// # Errors
    /// The first rule it breaks, with the values.
    pub fn check_form(
        &self,
        order: &Submit,
        reference: Option<Price>,
    ) -> Result<(), OrderFormError> {
        self.check_size(order.size)?;
        if order.kind == OrderType::TrailingStopLimit {
            // A signed distance.
            self.check_price(
                "price",
                order.price.0 != 0,
                Price(order.price.0.saturating_abs()),
            )?;
        } else {
            self.check_price("price", order.kind.has_price(), order.price)?;
        }
        let has_first_stop = order.kind.trails() && order.stop_price.0 != 0;
        let has_stop = order.kind.has_stop() || has_first_stop;
        self.check_price("stop-price", has_stop, order.stop_price)?;
        self.check_trail(order.kind, order.trail, order.trail_basis)?;
        check_combination(order)?;
        let price = if order.kind.has_price() {
            Some(order.price)
        } else {
            reference
        };
        price.map_or(Ok(()), |price| self.check_min_notional(price, order.size))
    }

    /// Checks the distance of a trailing stop.
    ///
    /// # Errors
    /// The type has none, or it is not whole ticks above zero, or not 1 to 9999 hundredths of a percent.
    pub fn check_trail(
        &self,
        kind: OrderType,
        trail: i64,
        basis: TrailBasis,
    ) -> Result<(), OrderFormError> {
        let fits = match (kind.trails(), basis) {
            (false, _) => trail == 0,
            (true, TrailBasis::Price) => trail > 0 && trail % self.tick.0 == 0,
            (true, TrailBasis::BasisPoints) => (1..10_000).contains(&trail),
        };
        if fits {
            return Ok(());
        }
        let values = format!(
            "type={kind}, trail={trail} in {basis}: a trailing stop needs whole ticks, or 1 to 9999 hundredths of a percent; others have none"
        );
        Err(OrderFormError {
            reason: Reason::InvalidPrice,
            values,
        })
    }

    /// Checks a size against the lot.
    ///
    /// # Errors
    /// The size is not positive, or not a whole number of lots.
    pub fn check_size(&self, size: Size) -> Result<(), OrderFormError> {
        if size.0 <= 0 || size.0 % self.lot.0 != 0 {
            let values = format!(
                "size={}, lot={}",
                size.at(self.size_scale),
                self.lot.at(self.size_scale)
            );
            return Err(OrderFormError {
                reason: Reason::InvalidSize,
                values,
            });
        }
        Ok(())
    }

    /// Checks a price that is `wanted`, or must be zero, against the tick.
    ///
    /// # Errors
    /// The price is not positive or not a whole number of ticks, or is given where none is wanted.
    pub fn check_price(
        &self,
        name: &str,
        wanted: bool,
        price: Price,
    ) -> Result<(), OrderFormError> {
        let fits = if wanted {
            price.0 > 0 && price.0 % self.tick.0 == 0
        } else {
            price.0 == 0
        };
        if fits {
            return Ok(());
        }
        let rule = if wanted {
            format!("tick={}", self.tick.at(self.price_scale))
        } else {
            "must be 0".to_owned()
        };
        let values = format!("{name}={}, {rule}", price.at(self.price_scale));
        Err(OrderFormError {
            reason: Reason::InvalidPrice,
            values,
        })
    }

    /// Checks price times size against the venue's minimum.
    ///
    /// # Errors
    /// The notional is below the minimum, or out of range.
    pub fn check_min_notional(&self, price: Price, size: Size) -> Result<(), OrderFormError> {
        let least = Money::from_amount(self.min_notional, self.quote_scale);
        match self.notional(price, size) {
            Ok(notional) if notional >= least => Ok(()),
            Ok(notional) => {
                let values = format!(
                    "notional={}, least={}",
                    notional.at(self.quote_scale),
                    least.at(self.quote_scale)
                );
                Err(OrderFormError {
                    reason: Reason::MinNotional,
                    values,
                })
            }
            Err(MoneyError) => Err(OrderFormError {
                reason: Reason::InvalidSize,
                values: "price times size is out of range".to_owned(),
            }),
        }
    }
}

/// Checks what only makes sense together, and refuses what no venue of this version does.
fn check_combination(order: &Submit) -> Result<(), OrderFormError> {
    let unsupported = |values: String| {
        Err(OrderFormError {
            reason: Reason::Unsupported,
            values,
        })
    };
    if order.kind == OrderType::Other || order.time_in_force == TimeInForce::Other {
        return unsupported(
            "a type, a time in force or an option that this version does not know".to_owned(),
        );
    }
    let asked = [
        ("after", order.after != 0),
        ("notional", order.notional.0 != 0),
        ("display", order.display.0 != 0),
        (
            "time-in-force",
            matches!(
                order.time_in_force,
                TimeInForce::AtOpen | TimeInForce::AtClose
            ),
        ),
        ("account", order.account.0 != 0),
        ("group", order.group != 0),
        ("leverage", order.leverage != 0),
        ("trigger", order.trigger == Trigger::Mark),
        (
            "trigger without a stop price",
            order.trigger != Trigger::Default && !order.kind.has_stop() && !order.kind.trails(),
        ),
        (
            "trail-basis without a trail",
            order.trail_basis != TrailBasis::Price && !order.kind.trails(),
        ),
        (
            "group-cancels without a group",
            order.flags.has(OrderFlags::GROUP_CANCELS),
        ),
        (
            "extended-hours",
            order.flags.has(OrderFlags::EXTENDED_HOURS),
        ),
        (
            "self-trade",
            !matches!(
                order.self_trade,
                SelfTrade::Default | SelfTrade::ExpireMaker
            ),
        ),
        ("margin", order.margin != MarginMode::Default),
    ];
    if let Some((field, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) {
        return unsupported(format!("{field}: no venue of this deck offers it"));
    }
    let immediate = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let post_only_misused = order.post_only() && (immediate || order.kind != OrderType::Limit);
    let stop_misused = (order.kind.has_stop() || order.kind.trails()) && immediate;
    if (order.time_in_force == TimeInForce::Gtd) != (order.expires > 0) {
        return unsupported(format!(
            "time-in-force={}, expires={}: GTD needs a time, and no other has one",
            order.time_in_force, order.expires
        ));
    }
    if post_only_misused || stop_misused {
        return unsupported(format!(
            "type={}, time-in-force={}, post-only={}: post-only needs a resting limit order, a stop needs GTC, GTD or DAY",
            order.kind,
            order.time_in_force,
            order.post_only()
        ));
    }
    Ok(())
}
