//! Quotes both sides of the market with post-only limit orders.
//!
//! The quotes are half a spread away from the mid, shifted against the inventory so that the side that reduces it is filled
//! sooner. An order is modified once its target has moved by `requote_ticks`, and never while an earlier change is pending.
//! After a refusal the strategy pauses for a second; when the venue is stale it cancels all orders.

use serde::{Deserialize, Serialize};
use tickdeck_sdk::{
    Context, Init, Instrument, OrderNumber, OrderStatus, OrderUpdate, Parameters, Price, Quote,
    Side, Strategy, Subscription, Timestamp, VenueStatus, export,
};

/// The pause after a refusal.
const PAUSE_NS: i64 = 1_000_000_000;

/// The user's parameters.
#[derive(Debug, Parameters)]
pub struct Params {
    /// The instrument to trade.
    #[param(default = "BTCUSDT")]
    instrument: Instrument,
    /// Size of each order, in the base currency.
    #[param(default = 0.01, min = 0.0)]
    size: f64,
    /// Distance of each quote from the mid, in ticks.
    #[param(default = 2, min = 1, max = 1_000_000)]
    half_spread_ticks: i64,
    /// Shift of both quotes at full inventory, in ticks.
    #[param(default = 4, min = 0, max = 1_000_000)]
    skew_ticks: i64,
    /// Largest position, long or short, in the base currency.
    #[param(default = 0.05, min = 0.0)]
    max_position: f64,
    /// Distance that a target must move before its order is modified, in ticks.
    #[param(default = 3, min = 1, max = 1_000_000)]
    requote_ticks: i64,
}

/// The last order or change sent for a side.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Sent {
    order: OrderNumber,
    /// The requested price; none if the order is to be canceled.
    price: Option<Price>,
}

/// The last order or change sent for each side (buy, sell). The store knows the status of the orders.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct MarketMaker {
    sides: [Option<Sent>; 2],
    stale: bool,
    paused_until: Timestamp,
}

impl Strategy for MarketMaker {
    type Params = Params;

    fn subscriptions() -> Vec<Subscription> {
        vec![Subscription::quotes("{instrument}")]
    }

    fn new(p: &Params, _: &Init) -> Result<Self, String> {
        p.instrument.lots(p.size)?;
        Ok(Self::default())
    }

    fn on_quote(&mut self, cx: &mut Context<Self>, quote: &Quote) {
        let (p, instrument) = (cx.params, &cx.params.instrument);
        let Some(mid) = quote.mid() else { return };
        if self.stale || cx.now() < self.paused_until {
            return;
        }
        let size = instrument.round_to_lot(p.size);
        let room = instrument.round_to_lot(p.max_position);
        let position = cx.position(instrument.id);
        let inventory = position.0 as f64 / room.0.max(1) as f64;
        let center = mid - inventory * instrument.ticks(p.skew_ticks).0 as f64;
        let (reach, tick) = (instrument.ticks(p.half_spread_ticks), instrument.tick);
        // The venue rejects a post-only order that would trade: stay on our side of the market.
        let bid = (instrument.tick_below(center) - reach).min(quote.ask - tick);
        let ask = (instrument.tick_above(center) + reach).max(quote.bid + tick);
        let may_buy = position + size <= room && bid > Price::ZERO;
        self.requote(cx, Side::Buy, may_buy.then_some(bid));
        self.requote(cx, Side::Sell, (position - size >= -room).then_some(ask));
    }

    fn on_order(&mut self, cx: &mut Context<Self>, update: &OrderUpdate) {
        match update.status {
            OrderStatus::Denied | OrderStatus::Rejected => self.paused_until = cx.now() + PAUSE_NS,
            OrderStatus::ModifyRejected | OrderStatus::CancelRejected => {
                // The order works as before; the next quote requests the change again.
                let sent = self.sides[update.side as usize].iter_mut();
                sent.filter(|sent| sent.order == update.order)
                    .for_each(|sent| sent.price = Some(update.price));
            }
            _ => {}
        }
    }

    fn on_venue(&mut self, cx: &mut Context<Self>, status: &VenueStatus) {
        if status.concerns(&cx.params.instrument) && self.stale == status.is_good() {
            self.stale = !status.is_good();
            if self.stale {
                cx.cancel_all_of(cx.params.instrument.id);
            }
        }
    }
}

impl MarketMaker {
    /// Moves the order of a side to its target, or cancels it if there is none.
    fn requote(&mut self, cx: &mut Context<Self>, side: Side, target: Option<Price>) {
        let p = cx.params;
        let size = p.instrument.round_to_lot(p.size);
        let sent = &mut self.sides[side as usize];
        let Some(order) = sent.and_then(|sent| cx.order(sent.order)) else {
            *sent = target.map(|price| Sent {
                order: cx
                    .order_to(side, p.instrument.id, size)
                    .limit(price)
                    .post_only()
                    .send(),
                price: target,
            });
            return;
        };
        let moved = match (sent.and_then(|sent| sent.price), target) {
            (Some(asked), Some(price)) => {
                (price - asked).abs() >= p.instrument.ticks(p.requote_ticks)
            }
            (asked, target) => asked.is_some() || target.is_some(),
        };
        if !moved || order.is_pending() {
            return;
        }
        match target {
            Some(price) => cx.modify(order.order, price, size),
            None => cx.cancel(order.order),
        }
        if let Some(sent) = sent {
            sent.price = target;
        }
    }
}

export!(MarketMaker);

#[cfg(test)]
mod tests;
