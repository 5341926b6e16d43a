//! Unit tests.

use super::*;
use tickdeck_sdk::harness::{BTCUSDT, Harness};
use tickdeck_sdk::{Action, OrderNumber, OrderStatus, Reason};

fn harness() -> Harness<SignalFollower> {
    let mut harness = Harness::new(&[]).unwrap();
    harness.quote(BTCUSDT, "60000.00", "60000.01");
    harness
}

#[test]
fn follows_the_signal_and_closes_in_time() {
    let mut harness = harness().filling_market_orders();
    harness.signal("cross", 1.0);
    assert_eq!(harness.world().position(BTCUSDT), Size(1_000));
    harness.signal("another", -1.0);
    harness.advance(29 * SECOND_NS);
    assert_eq!(harness.world().position(BTCUSDT), Size(1_000));
    harness.advance(SECOND_NS);
    assert_eq!(harness.world().position(BTCUSDT), Size::ZERO);
    assert_eq!(
        harness.signal("cross", -1.0),
        [Action::ClearTimer(CLOSE)],
        "there is nothing to close"
    );
}

#[test]
fn retries_until_the_position_is_closed() {
    let mut harness = harness();
    harness.signal("cross", 1.0);
    harness.fill(OrderNumber(1), "60000.01");
    assert!(matches!(
        harness.signal("cross", -1.0)[..],
        [Action::Submit(_), Action::SetTimer(_)]
    ));
    harness.update(OrderNumber(2), OrderStatus::Expired, Reason::IocRemainder);
    assert!(matches!(
        harness.advance(SECOND_NS)[..],
        [Action::Submit(_), Action::SetTimer(_)]
    ));
}
