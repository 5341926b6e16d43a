//! Follows a trend, and leaves it by a trailing stop only.
//!
//! When the fast average of the prices crosses the slow one, the strategy enters in that direction, and protects what was filled by a
//! trailing stop of its size, reduce-only. The stop follows the best price at a distance in basis points, so it cuts a loss first and
//! keeps a profit later. The next entry waits until the position is closed and the averages cross again.

use serde::{Deserialize, Serialize};
use tickdeck_sdk::indicators::Ema;
use tickdeck_sdk::{
    Bar, BarSpec, Context, Fill, Init, Instrument, Modify, OrderNumber, Parameters, Side, Size,
    Strategy, Subscription, export,
};

const BAR: BarSpec = BarSpec::milliseconds(100);

/// The user's parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The instrument to trade.
    #[param(default = "BTCUSDT")]
    instrument: Instrument,
    /// Length of the fast average, in bars of a tenth of a second.
    #[param(default = 20, min = 2, max = 10_000)]
    fast: u32,
    /// Length of the slow average.
    #[param(default = 60, min = 3, max = 100_000)]
    slow: u32,
    /// Size of the position, in the base currency.
    #[param(default = 0.01, min = 0.0)]
    size: f64,
    /// Distance of the trailing stop from the best price, in basis points.
    #[param(default = 5, min = 1, max = 5_000)]
    trail_bps: u32,
}

/// The averages, and the orders of the position.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrendFollower {
    fast: Ema,
    slow: Ema,
    /// Whether the fast average was above the slow one at the last bar.
    was_above: Option<bool>,
    entry: Option<OrderNumber>,
    stop: Option<OrderNumber>,
}

impl Strategy for TrendFollower {
    type Params = Params;

    fn subscriptions() -> Vec<Subscription> {
        vec![Subscription::bars("{instrument}", BAR)]
    }

    fn new(params: &Params, _: &Init) -> Result<Self, String> {
        params.instrument.lots(params.size)?;
        if params.fast >= params.slow {
            return Err(format!(
                "fast is {}, it must be below slow, {}",
                params.fast, params.slow
            ));
        }
        Ok(Self {
            fast: Ema::new(params.fast),
            slow: Ema::new(params.slow),
            was_above: None,
            entry: None,
            stop: None,
        })
    }

    fn on_bar(&mut self, cx: &mut Context<Self>, bar: &Bar) {
        let close = bar.close.0 as f64;
        let (Some(fast), Some(slow)) = (self.fast.update(close), self.slow.update(close)) else {
            return;
        };
        let is_above = fast > slow;
        let crossed = self.was_above.replace(is_above) == Some(!is_above);
        let instrument = &cx.params.instrument;
        let is_flat = cx.position(instrument.id) == Size::ZERO && cx.orders().is_empty();
        if !crossed || !is_flat {
            return;
        }
        let side = if is_above { Side::Buy } else { Side::Sell };
        let size = instrument.round_to_lot(cx.params.size);
        self.entry = Some(cx.order_to(side, instrument.id, size).send());
        self.stop = None;
    }

    fn on_fill(&mut self, cx: &mut Context<Self>, fill: &Fill) {
        if self.entry != Some(fill.order) {
            return;
        }
        let size = Size(cx.position(fill.instrument).0.abs());
        if let Some(stop) = self.stop.and_then(|number| cx.order(number)) {
            // The entry filled in parts: the stop grows with the position.
            return cx.change(Modify {
                size,
                ..Modify::of(stop.order)
            });
        }
        let trail = cx.params.trail_bps;
        let stop = cx.order_to(fill.side.opposite(), fill.instrument, size);
        self.stop = Some(stop.trail_basis_points(trail).reduce_only().send());
    }
}

export!(TrendFollower);

#[cfg(test)]
mod tests;
