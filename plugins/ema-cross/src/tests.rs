//! Unit tests.

use super::*;
use tickdeck_sdk::Action;
use tickdeck_sdk::harness::{BTCUSDT, Harness};

/// Feeds prices that rise for ten trades and fall for ten, and so on; returns the published crossings.
fn wave(harness: &mut Harness<EmaCross>, trades: u32) -> Vec<f64> {
    let price = |at: u32| 60_000 + (at % 20).min(20 - at % 20);
    let actions = (0..trades).flat_map(|at| harness.trade(BTCUSDT, &price(at).to_string()));
    let crossing = |action| {
        if let Action::Notify(notify) = action {
            Some(notify.value)
        } else {
            None
        }
    };
    actions.filter_map(crossing).collect()
}

#[test]
fn holds_the_side_of_the_last_crossing_and_publishes_it() {
    let parameters = [("fast", "2"), ("slow", "5")];
    let mut harness = Harness::<EmaCross>::new(&parameters)
        .unwrap()
        .filling_market_orders();
    assert_eq!(wave(&mut harness, 35), [-1.0, 1.0, -1.0]);
    assert_eq!(harness.world().position(BTCUSDT), Size(-1_000));
    harness.swap(&[("short", "false")]).unwrap();
    assert_eq!(wave(&mut harness, 35), [1.0, -1.0, 1.0, -1.0]);
    assert_eq!(harness.world().position(BTCUSDT), Size::ZERO);
}

#[test]
fn refuses_invalid_parameters() {
    let error = |given: &[(&str, &str)]| Harness::<EmaCross>::new(given).unwrap_err();
    assert_eq!(
        error(&[("fast", "60")]),
        "`fast` (60) must be below `slow` (60)"
    );
    assert!(error(&[("size", "0.000001")]).contains("less than a lot of BTCUSDT"));
}
