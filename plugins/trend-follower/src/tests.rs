//! Unit tests.

use super::*;
use tickdeck_sdk::harness::{BTCUSDT, Harness};
use tickdeck_sdk::{Action, BarBasis, OrderType, TrailBasis};

fn harness() -> Harness<TrendFollower> {
    let mut harness = Harness::new(&[("fast", "2"), ("slow", "4"), ("trail_bps", "50")]).unwrap();
    harness.quote(BTCUSDT, "60000.00", "60000.01");
    harness
}

fn bar(harness: &mut Harness<TrendFollower>, close: &str) -> Vec<Action> {
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
fn a_cross_is_entered_and_protected_by_a_trailing_stop_of_what_was_filled() {
    let mut harness = harness();
    for close in ["60000.00", "59990.00", "59980.00", "59970.00", "59960.00"] {
        assert_eq!(bar(&mut harness, close), []);
    }
    let entered = bar(&mut harness, "60100.00");
    assert!(
        matches!(entered[..], [Action::Submit(entry)] if entry.side == Side::Buy),
        "{entered:?}"
    );
    let protected = harness.fill(OrderNumber(1), "60100.00");
    let [Action::Submit(stop)] = protected[..] else {
        panic!("{protected:?}");
    };
    assert_eq!((stop.side, stop.reduce_only), (Side::Sell, true));
    assert_eq!(stop.kind, OrderType::TrailingStop);
    assert_eq!(
        (stop.trail, stop.trail_basis),
        (50, TrailBasis::BasisPoints)
    );
    assert_eq!(stop.size, Size(1_000));
    assert_eq!(
        bar(&mut harness, "50000.00"),
        [],
        "it leaves by its stop only"
    );
    harness.fill(OrderNumber(2), "59800.00");
    assert_eq!(bar(&mut harness, "50000.00"), [], "no new cross");
}

#[test]
fn a_fast_average_that_is_not_the_faster_one_is_refused() {
    let error = Harness::<TrendFollower>::new(&[("fast", "9"), ("slow", "9")]).unwrap_err();
    assert!(
        error.contains("fast is 9, it must be below slow, 9"),
        "{error}"
    );
}
