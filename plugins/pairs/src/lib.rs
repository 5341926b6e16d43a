//! Trades two instruments against each other.
//!
//! The strategy samples the logarithm of their price ratio from quotes and compares it with its exponentially weighted
//! mean. When the ratio deviates by `entry` standard deviations, it sells the expensive instrument and buys the cheap one,
//! with equal notional; when the ratio is back within `exit` deviations, it closes both legs. It sends nothing while an
//! order works, and closes the other leg if one was refused.

use serde::{Deserialize, Serialize};
use tickdeck_sdk::indicators::MovingStats;
use tickdeck_sdk::{
    Context, Init, Instrument, Parameters, Quote, Side, Size, Strategy, Subscription, Timestamp,
    export,
};

/// The user's parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The instrument to buy when the ratio is low.
    #[param(default = "ETHUSDT")]
    first: Instrument,
    /// The instrument to sell when the ratio is low.
    #[param(default = "BTCUSDT")]
    second: Instrument,
    /// Period of the mean, in samples.
    #[param(default = 60, min = 2, max = 1_000_000)]
    period: u32,
    /// Time between samples, in milliseconds.
    #[param(default = 100, min = 1, max = 86_400_000)]
    sample_ms: u32,
    /// Deviations from the mean at which to enter.
    #[param(default = 1.5, min = 0.1)]
    entry: f64,
    /// Deviations from the mean at which to exit.
    #[param(default = 0.5, min = 0.0)]
    exit: f64,
    /// Notional of each leg, in the quote currency.
    #[param(default = 2_000.0, min = 1.0)]
    notional: f64,
}

/// The last mid prices as decimals, the statistics of the ratio, and the time of the next sample.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pairs {
    mids: [Option<f64>; 2],
    stats: MovingStats,
    next_sample: Timestamp,
}

impl Strategy for Pairs {
    type Params = Params;

    fn subscriptions() -> Vec<Subscription> {
        vec![
            Subscription::quotes("{first}"),
            Subscription::quotes("{second}"),
        ]
    }

    fn new(params: &Params, _: &Init) -> Result<Self, String> {
        if params.first.id == params.second.id {
            return Err(format!(
                "a pair needs two instruments; both are {}",
                params.first.symbol
            ));
        }
        if params.exit >= params.entry {
            return Err("`exit` must be below `entry`".to_owned());
        }
        Ok(Self {
            mids: [None, None],
            stats: MovingStats::new(params.period),
            next_sample: 0,
        })
    }

    fn on_restore(&mut self, params: &Params, cx: &Init) -> Result<(), String> {
        let fresh = Self::new(params, cx)?;
        if self.stats.period() != params.period {
            *self = fresh;
        }
        Ok(())
    }

    fn on_quote(&mut self, cx: &mut Context<Self>, quote: &Quote) {
        let legs = [&cx.params.first, &cx.params.second];
        let Some(leg) = legs.iter().position(|leg| leg.id == quote.instrument) else {
            return;
        };
        self.mids[leg] = quote.mid().map(|mid| mid / legs[leg].price_unit());
        let ([Some(first), Some(second)], true) = (self.mids, cx.now() >= self.next_sample) else {
            return;
        };
        self.next_sample = cx.now() + i64::from(cx.params.sample_ms) * 1_000_000;
        let ratio = (first / second).ln();
        let z = self.stats.z_score(ratio);
        self.stats.update(ratio);
        if let Some(z) = z.filter(|_| cx.orders().is_empty()) {
            trade(cx, z, [first, second]);
        }
    }
}

/// Enters, exits, or does nothing, depending on the deviation `z`.
fn trade(cx: &mut Context<Pairs>, z: f64, mids: [f64; 2]) {
    let params = cx.params;
    let held = [cx.position(params.first.id), cx.position(params.second.id)];
    let flat = held == [Size::ZERO, Size::ZERO];
    let one_leg_only = !flat && held.contains(&Size::ZERO);
    if flat && z.abs() >= params.entry {
        // The ratio is high: the first instrument is expensive.
        let side = if z > 0.0 { Side::Sell } else { Side::Buy };
        for (leg, mid, side) in [
            (&params.first, mids[0], side),
            (&params.second, mids[1], side.opposite()),
        ] {
            let size = leg.round_to_lot(params.notional / mid);
            if size > Size::ZERO {
                cx.order_to(side, leg.id, size).send();
            }
        }
    } else if one_leg_only || (!flat && z.abs() <= params.exit) {
        for (leg, size) in [(&params.first, held[0]), (&params.second, held[1])] {
            if size != Size::ZERO {
                let side = if size > Size::ZERO {
                    Side::Sell
                } else {
                    Side::Buy
                };
                cx.order_to(side, leg.id, size.abs()).reduce_only().send();
            }
        }
    }
}

export!(Pairs);

#[cfg(test)]
mod tests;
