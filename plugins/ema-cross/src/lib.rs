//! Trades the crossing of two exponential averages of trade prices.
//!
//! The strategy goes long when the fast average rises above the slow one, and short (or flat, with `short = false`) when
//! it falls below. It also publishes each crossing as the signal `cross`, +1 or -1, for other strategies to follow. Order
//! sizes are computed from the store, so the next crossing makes up for an order that was not filled.

use serde::{Deserialize, Serialize};
use tickdeck_sdk::indicators::Ema;
use tickdeck_sdk::{
    Context, Init, Instrument, Message, Parameters, Size, Strategy, Subscription, Trade, export,
};

/// Published at each crossing: +1 upwards, -1 downwards.
const CROSS: Message = Message::new("cross");

/// The user's parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The instrument to trade.
    #[param(default = "BTCUSDT")]
    instrument: Instrument,
    /// Period of the fast average, in trades.
    #[param(default = 20, min = 1, max = 100_000)]
    fast: u32,
    /// Period of the slow average, in trades.
    #[param(default = 60, min = 2, max = 100_000)]
    slow: u32,
    /// Size of the position, in the base currency.
    #[param(default = 0.01, min = 0.0)]
    size: f64,
    /// Whether to go short on a downward crossing, rather than flat.
    #[param(default = true)]
    short: bool,
}

/// The averages, and whether the fast one was last above the slow one.
#[derive(Debug, Serialize, Deserialize)]
pub struct EmaCross {
    fast: Ema,
    slow: Ema,
    above: Option<bool>,
}

impl Strategy for EmaCross {
    type Params = Params;
    const MESSAGES: &'static [Message] = &[CROSS];

    fn subscriptions() -> Vec<Subscription> {
        vec![Subscription::trades("{instrument}")]
    }

    fn new(params: &Params, _: &Init) -> Result<Self, String> {
        if params.fast >= params.slow {
            return Err(format!(
                "`fast` ({}) must be below `slow` ({})",
                params.fast, params.slow
            ));
        }
        params.instrument.lots(params.size)?;
        Ok(Self {
            fast: Ema::new(params.fast),
            slow: Ema::new(params.slow),
            above: None,
        })
    }

    fn on_restore(&mut self, params: &Params, cx: &Init) -> Result<(), String> {
        if (self.fast.period(), self.slow.period()) != (params.fast, params.slow) {
            *self = Self::new(params, cx)?; // Averages of other periods are of no use.
        }
        Ok(())
    }

    fn on_trade(&mut self, cx: &mut Context<Self>, trade: &Trade) {
        let price = trade.price.0 as f64;
        let (fast, slow) = (self.fast.update(price), self.slow.update(price));
        let (Some(fast), Some(slow)) = (fast, slow) else {
            return;
        };
        if fast == slow {
            return; // Touching is not crossing.
        }
        let above = fast > slow;
        if self
            .above
            .replace(above)
            .is_some_and(|before| before != above)
        {
            cross(cx, above);
        }
    }
}

/// Takes the position that a crossing calls for, and publishes the crossing.
fn cross(cx: &mut Context<EmaCross>, up: bool) {
    let instrument = cx.params.instrument.id;
    let full = cx.params.instrument.round_to_lot(cx.params.size);
    let target = match (up, cx.params.short) {
        (true, _) => full,
        (false, true) => -full,
        (false, false) => Size::ZERO,
    };
    let missing = target - cx.expected_position(instrument);
    if missing > Size::ZERO {
        cx.buy(instrument, missing).send();
    } else if missing < Size::ZERO {
        cx.sell(instrument, -missing).send();
    }
    cx.notify(CROSS, if up { 1.0 } else { -1.0 });
}

export!(EmaCross);

#[cfg(test)]
mod tests;
