//! Unit tests.

use super::*;
use tickdeck_sdk::harness::{BTCUSDT, Harness};
use tickdeck_sdk::{Action, BarBasis, OrderType};

fn harness() -> Harness<Breakout> {
    let mut harness =
        Harness::new(&[("bars", "3"), ("target_bps", "100"), ("stop_bps", "50")]).unwrap();
    harness.quote(BTCUSDT, "60000.00", "60000.01");
    harness
}

fn bar(harness: &mut Harness<Breakout>, close: &str) -> Vec<Action> {
    let price = harness.world().price(BTCUSDT, close);
    harness.feed(Bar {
        reserved: 0,
        instrument: BTCUSDT,
        step: BAR.step,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Size(1),
        trades: 1,
        basis: BarBasis::Time,
    })
}

#[test]
fn a_break_out_is_entered_and_protected_by_a_target_and_a_stop() {
    let mut harness = harness();
    for close in ["60000.00", "60010.00", "60005.00"] {
        assert_eq!(bar(&mut harness, close), [], "the channel is not complete");
    }
    assert_eq!(
        bar(&mut harness, "60010.00"),
        [],
        "touching is not breaking"
    );
    let entered = bar(&mut harness, "60010.01");
    assert!(
        matches!(entered[..], [Action::Submit(entry)] if entry.side == Side::Buy),
        "{entered:?}"
    );
    let protected = harness.fill(OrderNumber(1), "60000.00");
    let [Action::Submit(target), Action::Submit(stop)] = protected[..] else {
        panic!("{protected:?}");
    };
    for exit in [target, stop] {
        assert_eq!((exit.side, exit.reduce_only), (Side::Sell, true));
        assert_eq!(exit.size, Size(1_000));
    }
    let price = |text| harness.world().price(BTCUSDT, text);
    assert_eq!(
        (target.kind, target.price),
        (OrderType::Limit, price("60600.00"))
    );
    assert_eq!(
        (stop.kind, stop.stop_price),
        (OrderType::Stop, price("59700.00"))
    );
    assert_eq!(bar(&mut harness, "70000.00"), [], "one position at a time");
}

#[test]
fn a_break_downwards_is_sold_unless_it_is_switched_off() {
    for (short, sent) in [("true", 1), ("false", 0)] {
        let mut harness = Harness::new(&[("bars", "2"), ("short", short)]).unwrap();
        harness.quote(BTCUSDT, "60000.00", "60000.01");
        bar(&mut harness, "60000.00");
        bar(&mut harness, "60001.00");
        assert_eq!(bar(&mut harness, "59000.00").len(), sent);
    }
}
