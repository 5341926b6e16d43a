//! Unit tests.

use super::*;
use tickdeck_sdk::harness::{BTCUSDT, Harness};
use tickdeck_sdk::{Action, Modify, Reason, Size, Submit, VenueState};

fn harness() -> Harness<MarketMaker> {
    Harness::new(&[
        ("half_spread_ticks", "10"),
        ("skew_ticks", "40"),
        ("requote_ticks", "5"),
        ("max_position", "0.01"),
    ])
    .unwrap()
}

/// Returns the numbers and prices of the submitted orders.
fn submitted(actions: &[Action]) -> Vec<(OrderNumber, Price)> {
    let submit = |action: &Action| match action {
        Action::Submit(Submit {
            order,
            price,
            post_only: true,
            ..
        }) => Some((*order, *price)),
        _ => None,
    };
    actions.iter().filter_map(submit).collect()
}

#[test]
fn quotes_both_sides_and_follows_the_market() {
    let mut harness = harness();
    let first = submitted(&harness.quote(BTCUSDT, "60000.00", "60000.02"));
    assert_eq!(
        first,
        [
            (OrderNumber(1), Price(5_999_991)),
            (OrderNumber(2), Price(6_000_011))
        ]
    );
    assert_eq!(
        harness.quote(BTCUSDT, "60000.04", "60000.06"),
        [],
        "four ticks are not five"
    );
    let size = Size(1_000);
    let moved = harness.quote(BTCUSDT, "60000.05", "60000.07");
    let modify = |order, price| {
        Action::Modify(Modify {
            stop_price: Price::ZERO,
            trail: 0,
            order: OrderNumber(order),
            price: Price(price),
            size,
        })
    };
    assert_eq!(moved, [modify(1, 5_999_996), modify(2, 6_000_016)]);
    for order in [1, 2] {
        harness.update(
            OrderNumber(order),
            OrderStatus::PendingModify,
            Reason::Normal,
        );
    }
    assert_eq!(
        harness.quote(BTCUSDT, "60001.00", "60001.02"),
        [],
        "the changes are under way"
    );
    harness.update(OrderNumber(1), OrderStatus::ModifyRejected, Reason::Venue);
    assert_eq!(
        harness.quote(BTCUSDT, "60000.05", "60000.07"),
        [modify(1, 5_999_996)]
    );
}

#[test]
fn quotes_a_filled_side_again_once_the_inventory_allows_it() {
    let mut harness = harness();
    harness.quote(BTCUSDT, "60000.00", "60000.02");
    harness.fill(OrderNumber(1), "59999.91");
    assert_eq!(harness.world().position(BTCUSDT), Size(1_000));
    // At the maximum long position: no new bid, and the ask is as low as it can be without crossing.
    let actions = harness.quote(BTCUSDT, "60000.00", "60000.02");
    let size = Size(1_000);
    let (order, price) = (OrderNumber(2), Price(6_000_001));
    assert_eq!(
        actions,
        [Action::Modify(Modify {
            stop_price: Price::ZERO,
            trail: 0,
            order,
            price,
            size
        })]
    );
}

#[test]
fn pauses_after_a_refusal_and_cancels_all_orders_on_a_stale_venue() {
    let mut harness = harness();
    harness.quote(BTCUSDT, "60000.00", "60000.02");
    harness.update(OrderNumber(1), OrderStatus::Rejected, Reason::WouldCross);
    assert_eq!(harness.quote(BTCUSDT, "60000.00", "60000.02"), []);
    harness.advance(PAUSE_NS);
    assert_eq!(
        submitted(&harness.quote(BTCUSDT, "60000.00", "60000.02")).len(),
        1
    );
    assert_eq!(
        harness.venue(VenueState::Stale),
        [Action::CancelAll(Some(BTCUSDT))]
    );
    harness.update(OrderNumber(2), OrderStatus::Canceled, Reason::Normal);
    assert_eq!(harness.quote(BTCUSDT, "60000.00", "60000.02"), []);
    harness.venue(VenueState::Live);
    assert_eq!(
        submitted(&harness.quote(BTCUSDT, "60000.00", "60000.02")).len(),
        1
    );
}
