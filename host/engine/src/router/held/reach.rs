//! When the market has reached the price of an order that the host holds.
//!
//! That of a stop or an if-touched order is reached by a trade, or by the best price of the other side where the order says so; that of a
//! limit by the best price of the other side. Neither on stale data or by a price of before it, and no quote that is crossed counts. A
//! market order, and one that can't rest, has no price to wait for. A post-only order would not be one any more where its price is
//! reached: it waits for room.

use crate::router::market::Market;
use tickdeck_model::{
    OrderType, Price, Quote, Side, Size, Submit, TimeInForce, TrailBasis, Trigger,
};

/// Whether an order executes at once or not at all.
pub(super) fn cannot_rest(order: &Submit) -> bool {
    let at_once = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    order.kind == OrderType::Market || at_once
}

/// Whether the host watches the trigger of an order, because venues may not.
pub(super) fn is_watched(order: &Submit) -> bool {
    let touches = matches!(
        order.kind,
        OrderType::MarketIfTouched | OrderType::LimitIfTouched
    );
    touches || order.kind.trails() || (order.kind.has_stop() && order.trigger == Trigger::Quote)
}

/// What is sent once the price of a held order was reached.
pub(super) fn executed(order: &Submit, tick: Price) -> Submit {
    let (kind, price) = match order.kind {
        OrderType::Stop | OrderType::MarketIfTouched | OrderType::TrailingStop => {
            (OrderType::Market, order.price)
        }
        OrderType::StopLimit | OrderType::LimitIfTouched => (OrderType::Limit, order.price),
        OrderType::TrailingStopLimit => {
            let price = order.stop_price.0.saturating_add(order.price.0);
            (OrderType::Limit, Price(price.max(tick.0)))
        }
        other => (other, order.price),
    };
    Submit {
        kind,
        price,
        stop_price: Price::ZERO,
        trail: 0,
        trail_basis: TrailBasis::Price,
        trigger: Trigger::Default,
        ..*order
    }
}

/// The stop price of a trailing stop now that the market is here, if it moves: only ever towards the market.
pub(super) fn trailed(market: Option<&Market>, order: &Submit, tick: Price) -> Option<Price> {
    if !order.kind.trails() {
        return None;
    }
    let best = i128::from(watched_price(market?, order)?.0);
    let (trail, tick) = (i128::from(order.trail), i128::from(tick.0.max(1)));
    // In units of the price, or in ten-thousandths of one.
    let (best, distance, unit) = match order.trail_basis {
        TrailBasis::Price => (best, trail, 1),
        TrailBasis::BasisPoints => (best * 10_000, best * trail, 10_000),
    };
    // To the next tick away from the market.
    let step = tick * unit;
    let stop = match order.side {
        Side::Sell => (best - distance).div_euclid(step) * tick,
        Side::Buy => -(-(best + distance)).div_euclid(step) * tick,
    };
    let stop = Price(i64::try_from(stop).ok().filter(|stop| *stop > 0)?);
    let is_first = order.stop_price.0 == 0;
    let is_nearer = match order.side {
        Side::Sell => stop > order.stop_price,
        Side::Buy => stop < order.stop_price,
    };
    (is_first || is_nearer).then_some(stop)
}

/// The price that moves the trigger of an order, if there is one that counts.
fn watched_price(market: &Market, order: &Submit) -> Option<Price> {
    if market.stale {
        return None;
    }
    if order.trigger == Trigger::Quote {
        let (quote, _) = market.quote.filter(|_| market.is_quoted)?;
        let Sides {
            far, is_crossed, ..
        } = sides(&quote, order.side);
        return (far.0 > 0 && !is_crossed).then_some(far);
    }
    market.last.filter(|_| market.has_traded)
}

/// A quote as an order of one side sees it.
struct Sides {
    /// The best price of the other side, and its size.
    far: Price,
    offered: Size,
    is_crossed: bool,
}

fn sides(quote: &Quote, side: Side) -> Sides {
    let (near, far, offered) = match side {
        Side::Buy => (quote.bid, quote.ask, quote.ask_size),
        Side::Sell => (quote.ask, quote.bid, quote.bid_size),
    };
    Sides {
        far,
        offered,
        is_crossed: near.0 > 0 && beyond(side, near, far) >= 0,
    }
}

/// How much further than `to` a price is, in the direction in which a price moves against a buyer or a seller.
fn beyond(side: Side, price: Price, to: Price) -> i64 {
    (price.0.saturating_sub(to.0)).saturating_mul(side.sign())
}

/// Whether the market has reached the price of a held order.
pub(super) fn reaches(market: Option<&Market>, order: &Submit) -> bool {
    if cannot_rest(order) {
        return true;
    }
    let Some(market) = market.filter(|market| !market.stale) else {
        return false;
    };
    if order.kind.has_stop() || order.kind.trails() {
        let touches = matches!(
            order.kind,
            OrderType::MarketIfTouched | OrderType::LimitIfTouched
        );
        let price = watched_price(market, order).filter(|_| order.stop_price.0 > 0);
        return price.is_some_and(|price| {
            let past = beyond(order.side, price, order.stop_price);
            if touches { past <= 0 } else { past >= 0 }
        });
    }
    let quote = market
        .quote
        .filter(|_| market.is_quoted && !order.post_only());
    let Some((quote, _)) = quote else {
        return false;
    };
    let Sides {
        far,
        offered,
        is_crossed,
    } = sides(&quote, order.side);
    let distance = beyond(order.side, far, order.price);
    // What the others give up their place for must be there.
    let is_offered = distance < 0 || (distance == 0 && offered >= order.size);
    far.0 > 0 && !is_crossed && is_offered
}
