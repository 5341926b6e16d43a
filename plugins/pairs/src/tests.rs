//! Unit tests.

use super::*;
use tickdeck_sdk::harness::{BTCUSDT, ETHUSDT, Harness, World};

#[test]
fn enters_both_legs_when_the_ratio_deviates_and_exits_when_it_is_back() {
    let mut harness = Harness::<Pairs>::new(&[("period", "20")])
        .unwrap()
        .filling_market_orders();
    let mut quote = |eth: u32| {
        harness.advance(500_000_000);
        harness.quote(BTCUSDT, "59999.00", "60001.00");
        harness.quote(ETHUSDT, &format!("{eth}.00"), &format!("{}.00", eth + 2));
        [ETHUSDT, BTCUSDT].map(|leg| harness.world().position(leg))
    };
    for sample in 0..60 {
        assert_eq!(quote(2_999 + sample % 2), [Size::ZERO; 2]);
    }
    // 2,000 USDT each: 0.6622 ETH at 3,020 sold, 0.03333 BTC at 60,000 bought.
    quote(3_019);
    assert_eq!(quote(3_019), [Size(-6_622), Size(3_333)]);
    let back = (0..60).map(|_| quote(3_000)).last();
    assert_eq!(back, Some([Size::ZERO; 2]));
}

#[test]
fn refuses_a_pair_of_one_instrument() {
    let error = Harness::<Pairs>::new(&[("first", "BTCUSDT")]).unwrap_err();
    assert_eq!(
        error,
        "a pair needs two instruments; both are BTCUSDT.BINANCE"
    );
    let mut world = World::demo();
    world.instruments.truncate(1);
    let error = Harness::<Pairs>::in_world(world, &[]).unwrap_err();
    assert!(error.starts_with("parameter `first`: this deck has no instrument `ETHUSDT`"));
}
