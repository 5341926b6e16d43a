//! Goes long while a signal is above zero, for a limited time, and flat otherwise.
//!
//! By default it follows the signal `cross` of the example `ema-cross`, and of no other strategy. It trades with immediate-or-cancel limit orders
//! slightly beyond the market. A timer closes the position after `hold_s` seconds, and retries each second until the
//! position is closed.

use serde::{Deserialize, Serialize};
use tickdeck_sdk::{
    Context, Init, Instrument, Parameters, Quote, Signal, SignalName, Size, Strategy, Subscription,
    Timer, export,
};

/// The timer that closes the position.
const CLOSE: u32 = 1;
const SECOND_NS: i64 = 1_000_000_000;

/// The user's parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The instrument to trade.
    #[param(default = "BTCUSDT")]
    instrument: Instrument,
    /// The signal to follow: `NAME/SIGNAL` of strategy `NAME`, or `SIGNAL` of whoever publishes it.
    #[param(default = "ema-cross/cross")]
    signal: SignalName,
    /// Size of the position, in the base currency.
    #[param(default = 0.01, min = 0.0)]
    size: f64,
    /// Longest time to hold a position, in seconds.
    #[param(default = 30, min = 1, max = 86_400)]
    hold_s: u32,
    /// Largest distance beyond the market at which to trade, in ticks.
    #[param(default = 100, min = 0, max = 1_000_000)]
    slippage_ticks: i64,
}

/// The last quote that had both sides.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignalFollower {
    market: Option<(tickdeck_sdk::Price, tickdeck_sdk::Price)>,
}

impl Strategy for SignalFollower {
    type Params = Params;

    fn subscriptions() -> Vec<Subscription> {
        vec![
            Subscription::signals("{signal}"),
            Subscription::quotes("{instrument}"),
        ]
    }

    fn new(params: &Params, _: &Init) -> Result<Self, String> {
        params.instrument.lots(params.size)?;
        Ok(Self { market: None })
    }

    fn on_quote(&mut self, _: &mut Context<Self>, quote: &Quote) {
        if quote.mid().is_some() {
            self.market = Some((quote.bid, quote.ask));
        }
    }

    fn on_signal(&mut self, cx: &mut Context<Self>, signal: &Signal) {
        if signal.name != cx.params.signal.id {
            return;
        }
        if signal.value > 0.0 {
            self.go_to(cx, cx.params.instrument.round_to_lot(cx.params.size));
            cx.set_timer(CLOSE, cx.now() + i64::from(cx.params.hold_s) * SECOND_NS);
        } else {
            self.close(cx);
        }
    }

    fn on_timer(&mut self, cx: &mut Context<Self>, _: &Timer) {
        self.close(cx);
    }
}

impl SignalFollower {
    /// Closes the position, and checks again in a second.
    fn close(&self, cx: &mut Context<Self>) {
        if cx.expected_position(cx.params.instrument.id) != Size::ZERO {
            self.go_to(cx, Size::ZERO);
            cx.set_timer(CLOSE, cx.now() + SECOND_NS);
        } else {
            cx.clear_timer(CLOSE);
        }
    }

    /// Buys or sells the difference to the target, with an immediate-or-cancel order.
    fn go_to(&self, cx: &mut Context<Self>, target: Size) {
        let Some((bid, ask)) = self.market else {
            return;
        };
        let instrument = &cx.params.instrument;
        let slippage = instrument.ticks(cx.params.slippage_ticks);
        let missing = target - cx.expected_position(instrument.id);
        if missing > Size::ZERO {
            cx.buy(instrument.id, missing)
                .limit(ask + slippage)
                .ioc()
                .send();
        } else if missing < Size::ZERO {
            cx.sell(instrument.id, -missing)
                .limit((bid - slippage).max(instrument.tick))
                .ioc()
                .send();
        }
    }
}

export!(SignalFollower);

#[cfg(test)]
mod tests;
