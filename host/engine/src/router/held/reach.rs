//! When the market has reached the price of an order that the host holds.
//!
//! That of a stop is reached by a trade, that of a limit by the best price of the other side; neither on stale data or by a price of before
//! it, and no quote that is crossed counts. A market order, and one that can't rest, has no price to wait for. A post-only order would not
//! be one any more where its price is reached: it waits for room.

use crate::router::market::Market;
use tickdeck_model::{OrderType, Price, Side, Submit, TimeInForce};

/// Whether an order executes at once or not at all.
pub(super) fn cannot_rest(order: &Submit) -> bool {
    let at_once = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    order.kind == OrderType::Market || at_once
}

/// Whether the market has reached the price of a held exit.
pub(super) fn reaches(market: Option<&Market>, order: &Submit) -> bool {
    if cannot_rest(order) {
        return true;
    }
    let Some(market) = market.filter(|market| !market.stale) else {
        return false;
    };
    // How much further than `to` a price is, in the direction in which a price moves against this side's buyer or seller.
    let beyond = |price: Price, to: Price| (price.0 - to.0).saturating_mul(order.side.sign());
    if order.kind.has_stop() {
        return market
            .last
            .filter(|_| market.has_traded)
            .is_some_and(|last| beyond(last, order.stop_price) >= 0);
    }
    let quote = market
        .quote
        .filter(|_| market.is_quoted && !order.post_only());
    let Some((quote, _)) = quote else {
        return false;
    };
    let (near, far, offered) = match order.side {
        Side::Buy => (quote.bid, quote.ask, quote.ask_size),
        Side::Sell => (quote.ask, quote.bid, quote.bid_size),
    };
    let is_crossed = near.0 > 0 && beyond(near, far) >= 0;
    let distance = beyond(far, order.price);
    // What the others give up their place for must be there.
    let is_offered = distance < 0 || (distance == 0 && offered >= order.size);
    far.0 > 0 && !is_crossed && is_offered
}
