//! Follows the break out of a channel of bars, with a target and a stop that both stand.
//!
//! When a bar closes above the highest price of the bars before it, the strategy buys; when it closes below the lowest, it sells
//! (not with `short = false`). Each entry is protected at once by a target and a stop of the whole position, both reduce-only: the
//! target works at the venue, the host holds the stop, and what the one fills, the other loses. The next entry waits until
//! the position is closed.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tickdeck_sdk::{
    Bar, BarSpec, Context, Fill, Init, Instrument, OrderNumber, Parameters, Price, Side, Size,
    Strategy, Subscription, export,
};

const BAR: BarSpec = BarSpec::milliseconds(100);
const BASIS_POINTS: i64 = 10_000;

/// The user's parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The instrument to trade.
    #[param(default = "BTCUSDT")]
    instrument: Instrument,
    /// Bars of the channel, each a tenth of a second long.
    #[param(default = 50, min = 2, max = 10_000)]
    bars: u32,
    /// Size of the position, in the base currency.
    #[param(default = 0.01, min = 0.0)]
    size: f64,
    /// Distance of the target from the entry, in basis points.
    #[param(default = 8, min = 1, max = 5_000)]
    target_bps: i64,
    /// Distance of the stop from the entry, in basis points.
    #[param(default = 4, min = 1, max = 5_000)]
    stop_bps: i64,
    /// Whether to sell on a break downwards.
    #[param(default = true)]
    short: bool,
}

/// The channel, and the orders of the position.
#[derive(Debug, Serialize, Deserialize)]
pub struct Breakout {
    /// Highs and lows of the last bars, the oldest first.
    channel: VecDeque<(Price, Price)>,
    trade: Option<Bracket>,
}

/// An entry and what protects it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Bracket {
    entry: OrderNumber,
    target: Option<OrderNumber>,
    stop: Option<OrderNumber>,
}

impl Strategy for Breakout {
    type Params = Params;

    fn subscriptions() -> Vec<Subscription> {
        vec![Subscription::bars("{instrument}", BAR)]
    }

    fn new(params: &Params, _: &Init) -> Result<Self, String> {
        params.instrument.lots(params.size)?;
        Ok(Self {
            channel: VecDeque::new(),
            trade: None,
        })
    }

    fn on_bar(&mut self, cx: &mut Context<Self>, bar: &Bar) {
        let broken = self.broken(cx.params.bars, bar.close);
        self.channel.push_back((bar.high, bar.low));
        while self.channel.len() > cx.params.bars as usize {
            self.channel.pop_front();
        }
        let instrument = &cx.params.instrument;
        let is_flat = cx.position(instrument.id) == Size::ZERO && cx.orders().is_empty();
        let Some(side) = broken.filter(|side| is_flat && (*side == Side::Buy || cx.params.short))
        else {
            return;
        };
        let size = instrument.round_to_lot(cx.params.size);
        let entry = cx.order_to(side, instrument.id, size).send();
        self.trade = Some(Bracket {
            entry,
            target: None,
            stop: None,
        });
    }

    fn on_fill(&mut self, cx: &mut Context<Self>, fill: &Fill) {
        let is_entry = |trade: &&mut Bracket| trade.entry == fill.order;
        if let Some(trade) = self.trade.as_mut().filter(is_entry) {
            trade.protect(cx, fill);
        }
    }
}

impl Breakout {
    /// The side on which a close leaves the channel, if that is complete.
    fn broken(&self, bars: u32, close: Price) -> Option<Side> {
        if self.channel.len() < bars as usize {
            return None;
        }
        let high = self.channel.iter().map(|(high, _)| *high).max()?;
        let low = self.channel.iter().map(|(_, low)| *low).min()?;
        match (close > high, close < low) {
            (true, _) => Some(Side::Buy),
            (_, true) => Some(Side::Sell),
            _ => None,
        }
    }
}

impl Bracket {
    /// Sends the target and the stop of what is held by now, or brings them to its size.
    fn protect(&mut self, cx: &mut Context<Breakout>, fill: &Fill) {
        let (up, down) = (cx.params.target_bps, cx.params.stop_bps);
        let direction = match fill.side {
            Side::Buy => 1,
            Side::Sell => -1,
        };
        let target = away(&cx.params.instrument, fill.price, direction * up);
        let stop = away(&cx.params.instrument, fill.price, -direction * down);
        self.target = Some(exit(cx, fill, self.target, (target, false)));
        self.stop = Some(exit(cx, fill, self.stop, (stop, true)));
    }
}

/// The price so many basis points away, at least one tick.
fn away(instrument: &Instrument, price: Price, basis_points: i64) -> Price {
    let ticks = price.0 * basis_points.abs() / BASIS_POINTS / instrument.tick.0;
    let distance = instrument.ticks(ticks.max(1));
    match basis_points > 0 {
        true => price + distance,
        false => (price - distance).max(instrument.tick),
    }
}

/// Sends an exit of the whole position, or changes the size of the one that works.
fn exit(
    cx: &mut Context<Breakout>,
    entry: &Fill,
    working: Option<OrderNumber>,
    (price, is_stop): (Price, bool),
) -> OrderNumber {
    let position = cx.position(entry.instrument);
    let size = Size(position.0.abs());
    if let Some(working) = working.and_then(|number| cx.order(number)) {
        cx.modify(working.order, working.price, size);
        return working.order;
    }
    let side = match entry.side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    };
    let order = cx.order_to(side, entry.instrument, size).reduce_only();
    match is_stop {
        true => order.stop(price).send(),
        false => order.limit(price).send(),
    }
}

export!(Breakout);

#[cfg(test)]
mod tests;
