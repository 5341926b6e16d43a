//! Our orders against a small handmade capture: types, times in force, queue, fees, account, time.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "orders/harness.rs"]
mod harness;

use harness::{DAY_NS, EPOCH, MS, Market, buy, cancel, id, modify, played, sell, submit, terms};
use proptest::prelude::*;
use tickdeck_engine::port::NewTerms;
use tickdeck_engine::port::{Command, Due, Gateway};
use tickdeck_gateway::broker::{FeeRate, Fees, Latency};
use tickdeck_gateway::playback::{Playback, PlaybackConfig};
use tickdeck_model::{
    Amount, Body, BookChange, Event, InstrumentId, OrderFlags, OrderType, Price, Registry, Side,
    Size, Submit, TimeInForce, Timestamp,
};

/// Bids 99 x 2, 98 x 5; asks 101 x 1, 102 x 2, 103 x 5.
fn still_market() -> Market {
    Market::new().quiet_ms(100)
}

/// The venue's answers to one order in a market that does not move.
fn answer(order: Submit) -> String {
    let market = still_market();
    played(
        &market,
        PlaybackConfig::new(Vec::new()),
        &[(10 * MS, submit(1, order))],
    )
}

#[test]
fn each_type_and_time_in_force_takes_rests_or_ends_as_its_table_says() {
    let with = |order: Submit, time_in_force| Submit {
        time_in_force,
        ..order
    };
    let market = |order: Submit| Submit {
        kind: OrderType::Market,
        price: Price::ZERO,
        ..order
    };
    use TimeInForce::{Day, Fok, Ioc};
    let cases = [
        (buy(1.0, 101.0), "accepted, fill 1@101 taker"),
        (buy(2.0, 101.0), "accepted, fill 1@101 taker"),
        (
            buy(4.0, 103.0),
            "accepted, fill 1@101 taker, fill 2@102 taker, fill 1@103 taker",
        ),
        (buy(1.0, 100.0), "accepted"),
        (
            sell(3.0, 98.0),
            "accepted, fill 2@99 taker, fill 1@98 taker",
        ),
        (with(buy(1.0, 100.0), Day), "accepted"),
        (
            with(buy(2.0, 101.0), Ioc),
            "accepted, fill 1@101 taker, expired ioc-remainder 1/2",
        ),
        (
            with(buy(2.0, 100.0), Ioc),
            "accepted, expired ioc-remainder 0/2",
        ),
        (
            with(buy(2.0, 101.0), Fok),
            "accepted, expired fok-unfilled 0/2",
        ),
        (
            with(buy(3.0, 102.0), Fok),
            "accepted, fill 1@101 taker, fill 2@102 taker",
        ),
        (
            market(buy(2.0, 0.0)),
            "accepted, fill 1@101 taker, fill 1@102 taker",
        ),
        (
            market(buy(10.0, 0.0)),
            "accepted, fill 1@101 taker, fill 2@102 taker, fill 5@103 taker, canceled no-liquidity 8/10",
        ),
        (
            with(market(buy(10.0, 0.0)), Fok),
            "accepted, expired fok-unfilled 0/10",
        ),
        (
            with(market(sell(7.0, 0.0)), Ioc),
            "accepted, fill 2@99 taker, fill 5@98 taker",
        ),
        (
            Submit {
                flags: OrderFlags::POST_ONLY,
                ..buy(1.0, 101.0)
            },
            "rejected would-cross",
        ),
        (
            Submit {
                flags: OrderFlags::POST_ONLY,
                ..buy(1.0, 100.99)
            },
            "accepted",
        ),
        (
            Submit {
                flags: OrderFlags::POST_ONLY,
                ..sell(1.0, 99.0)
            },
            "rejected would-cross",
        ),
    ];
    for (order, said) in cases {
        assert_eq!(answer(order), said, "{order:?}");
    }
}

#[test]
fn orders_the_venue_cannot_take_are_rejected_with_the_reason() {
    let stop = |price: f64, stop_price: Price| Submit {
        kind: OrderType::Stop,
        stop_price,
        ..buy(1.0, price)
    };
    let cases = [
        (buy(0.0, 100.0), "rejected invalid-size"),
        (buy(1.0, 0.0), "rejected invalid-price"),
        (stop(1.0, Price(1)), "rejected invalid-price"),
        (buy(0.04, 100.0), "rejected min-notional"),
        (
            Submit {
                kind: OrderType::Market,
                price: Price::ZERO,
                ..buy(0.04, 0.0)
            },
            "rejected min-notional",
        ),
        (
            Submit {
                flags: OrderFlags::POST_ONLY,
                time_in_force: TimeInForce::Ioc,
                ..buy(1.0, 90.0)
            },
            "rejected unsupported",
        ),
        (
            Submit {
                instrument: InstrumentId(9),
                ..buy(1.0, 100.0)
            },
            "rejected unknown-instrument",
        ),
        (buy(9_991.0, 100.0), "rejected insufficient-funds"),
        (buy(9_990.0, 100.0), "accepted"),
    ];
    for (order, said) in cases {
        assert_eq!(answer(order), said, "{order:?}");
    }
    let again = [
        (10 * MS, submit(1, buy(1.0, 90.0))),
        (11 * MS, submit(1, buy(1.0, 91.0))),
    ];
    assert_eq!(
        played(&still_market(), terms(), &again),
        "accepted, rejected duplicate"
    );
    let done = [
        (10 * MS, submit(1, buy(1.0, 101.0))),
        (20 * MS, submit(1, buy(1.0, 91.0))),
    ];
    assert_eq!(
        played(&still_market(), terms(), &done),
        "accepted, fill 1@101 taker, rejected duplicate"
    );
}

#[test]
fn without_shorts_a_sell_needs_the_holdings_and_holds_them() {
    let config = PlaybackConfig {
        allow_short: false,
        ..terms()
    };
    let commands = [
        (10 * MS, submit(1, sell(1.0, 105.0))),
        (20 * MS, submit(2, buy(1.0, 101.0))),
        (30 * MS, submit(3, sell(1.0, 105.0))),
        (40 * MS, submit(4, sell(0.5, 105.0))),
        (50 * MS, cancel(3)),
        (60 * MS, submit(5, sell(0.5, 105.0))),
    ];
    assert_eq!(
        played(&still_market(), config, &commands),
        "rejected insufficient-funds, accepted, fill 1@101 taker, accepted, rejected insufficient-funds, \
         canceled normal 0/1, accepted"
    );
}

#[test]
fn what_we_took_stays_taken_until_the_exchange_reports_another_size() {
    let ioc = |size: f64| Submit {
        time_in_force: TimeInForce::Ioc,
        ..buy(size, 101.0)
    };
    let market = still_market()
        .ticker(99.0, 2.0, 101.0, 1.0)
        .quiet_ms(100)
        .ticker(99.0, 2.0, 101.0, 3.0)
        .quiet_ms(100);
    let commands = [
        (10 * MS, submit(1, ioc(0.6))),
        (20 * MS, submit(2, ioc(0.6))),
        // The ticker at 100 ms repeats the same size: nothing new.
        (150 * MS, submit(3, ioc(0.6))),
        (250 * MS, submit(4, ioc(2.0))),
    ];
    assert_eq!(
        played(&market, terms(), &commands),
        "accepted, fill 0.6@101 taker, accepted, fill 0.4@101 taker, expired ioc-remainder 0.4/0.6, \
         accepted, expired ioc-remainder 0/0.6, accepted, fill 2@101 taker"
    );
}

#[test]
fn a_resting_order_waits_for_the_queue_ahead_and_then_fills_in_part() {
    let market = still_market()
        .trade(Side::Sell, 1.5, 99.0)
        .quiet_ms(10)
        .trade(Side::Buy, 9.0, 101.0)
        .quiet_ms(10)
        .trade(Side::Sell, 1.0, 99.0)
        .quiet_ms(10)
        .trade(Side::Sell, 0.2, 99.0)
        .quiet_ms(10);
    let commands = [(10 * MS, submit(1, buy(1.0, 99.0)))];
    assert_eq!(
        played(&market, terms(), &commands),
        "accepted, fill 0.5@99 maker, fill 0.2@99 maker"
    );
    let through = market.trade(Side::Sell, 0.1, 98.99).quiet_ms(10);
    assert_eq!(
        played(&through, terms(), &commands),
        "accepted, fill 0.5@99 maker, fill 0.2@99 maker, fill 0.3@99 maker"
    );
}

#[test]
fn a_level_that_shrinks_shortens_the_queue_and_one_that_grows_is_behind_us() {
    let cases = [
        (
            still_market().ticker(99.0, 0.5, 101.0, 1.0),
            "accepted, fill 0.5@99 maker",
        ),
        (still_market().ticker(99.0, 7.0, 101.0, 1.0), "accepted"),
        (
            still_market().depth(&[(99.0, 0.25)], &[]),
            "accepted, fill 0.75@99 maker",
        ),
        (
            still_market().ticker(98.0, 5.0, 101.0, 1.0),
            "accepted, fill 1@99 maker",
        ),
    ];
    for (market, said) in cases {
        let market = market
            .quiet_ms(10)
            .trade(Side::Sell, 1.0, 99.0)
            .quiet_ms(10);
        assert_eq!(
            played(&market, terms(), &[(10 * MS, submit(1, buy(1.0, 99.0)))]),
            said
        );
    }
    let deep = still_market()
        .trade(Side::Sell, 2.0, 98.0)
        .quiet_ms(10)
        .trade(Side::Sell, 4.0, 98.0)
        .quiet_ms(10);
    assert_eq!(
        played(&deep, terms(), &[(10 * MS, submit(1, buy(2.0, 98.0)))]),
        "accepted, fill 1@98 maker",
        "five ahead in the depth book"
    );
}

#[test]
fn orders_of_ours_never_trade_with_each_other_and_the_one_that_rests_yields() {
    // Bids 99, asks 101: ours at 100 would be the best bid.
    let market = still_market().trade(Side::Sell, 0.1, 99.0).quiet_ms(10);
    let commands = |sell| {
        [
            (10 * MS, submit(1, buy(1.0, 100.0))),
            (20 * MS, submit(2, sell)),
        ]
    };
    // It crosses ours and rests behind it.
    assert_eq!(
        played(&market, terms(), &commands(sell(1.0, 99.5))),
        "accepted, accepted, expired self-trade 0/1"
    );
    // It takes the bids of others, which are worse than ours.
    assert_eq!(
        played(&market, terms(), &commands(sell(1.0, 99.0))),
        "accepted, accepted, expired self-trade 0/1, fill 1@99 taker"
    );
    // It does not reach ours, which a trade of others then does.
    assert_eq!(
        played(&market, terms(), &commands(sell(1.0, 100.5))),
        "accepted, accepted, fill 1@100 maker"
    );
}

#[test]
fn two_orders_of_ours_at_a_price_share_a_trade_in_order_of_arrival() {
    let market = still_market().trade(Side::Sell, 3.5, 99.0).quiet_ms(10);
    let commands = [
        (10 * MS, submit(1, buy(1.0, 99.0))),
        (20 * MS, submit(2, buy(1.0, 99.0))),
    ];
    assert_eq!(
        played(&market, terms(), &commands),
        "accepted, accepted, fill 1@99 maker, fill 0.5@99 maker"
    );
}

#[test]
fn the_opposite_best_reaching_our_price_fills_us_whole_at_our_price() {
    let market = still_market().ticker(97.0, 1.0, 98.5, 0.1).quiet_ms(10);
    assert_eq!(
        played(&market, terms(), &[(10 * MS, submit(1, buy(2.0, 99.0)))]),
        "accepted, fill 2@99 maker",
        "by ticker"
    );
    let by_depth = Market::without_ticker()
        .quiet_ms(100)
        .depth(&[(99.0, 0.0), (98.0, 0.0)], &[(98.5, 0.1)])
        .quiet_ms(10);
    assert_eq!(
        played(&by_depth, terms(), &[(10 * MS, submit(1, buy(2.0, 99.0)))]),
        "accepted, fill 2@99 maker"
    );
}

#[test]
fn the_rest_of_an_order_that_took_the_best_only_gets_what_newly_shows_there() {
    let market = still_market()
        .ticker(99.0, 2.0, 101.0, 1.0)
        .quiet_ms(10)
        .ticker(99.0, 2.0, 101.0, 1.5)
        .quiet_ms(10)
        .ticker(101.0, 1.0, 102.0, 2.0)
        .quiet_ms(10)
        .trade(Side::Sell, 0.25, 101.0)
        .quiet_ms(10);
    assert_eq!(
        played(&market, terms(), &[(10 * MS, submit(1, buy(5.0, 101.0)))]),
        "accepted, fill 1@101 taker, fill 1.5@101 maker, fill 0.25@101 maker"
    );
}

#[test]
fn stops_wait_for_the_last_trade_and_then_work_as_what_they_become() {
    let stop = |side: Side, stop_price: f64| Submit {
        kind: OrderType::Stop,
        side,
        price: Price::ZERO,
        stop_price: harness::price(stop_price),
        ..buy(1.0, 0.0)
    };
    let market = || still_market().trade(Side::Buy, 0.1, 101.99).quiet_ms(10);
    let reached = || market().trade(Side::Buy, 0.1, 102.0).quiet_ms(10);
    assert_eq!(
        played(
            &market(),
            terms(),
            &[(10 * MS, submit(1, stop(Side::Buy, 102.0)))]
        ),
        "accepted"
    );
    assert_eq!(
        played(
            &reached(),
            terms(),
            &[(10 * MS, submit(1, stop(Side::Buy, 102.0)))]
        ),
        "accepted, triggered, fill 1@101 taker"
    );
    assert_eq!(
        played(
            &reached(),
            terms(),
            &[(10 * MS, submit(1, stop(Side::Sell, 101.99)))]
        ),
        "accepted, triggered, fill 1@99 taker"
    );
    let limited = Submit {
        kind: OrderType::StopLimit,
        price: harness::price(100.0),
        ..stop(Side::Buy, 102.0)
    };
    assert_eq!(
        played(&reached(), terms(), &[(10 * MS, submit(1, limited))]),
        "accepted, triggered"
    );
    // The last trade is known when the order arrives.
    assert_eq!(
        played(
            &reached().quiet_ms(50),
            terms(),
            &[(130 * MS, submit(1, stop(Side::Buy, 101.0)))]
        ),
        "accepted, triggered, fill 1@101 taker"
    );
    let canceled = [
        (10 * MS, submit(1, stop(Side::Buy, 102.0))),
        (20 * MS, cancel(1)),
    ];
    assert_eq!(
        played(&reached(), terms(), &canceled),
        "accepted, canceled normal 0/1"
    );
    let poor = PlaybackConfig {
        balance: Amount(101 * 100_000_000),
        ..terms()
    };
    let jump = still_market()
        .ticker(103.0, 1.0, 104.0, 9.0)
        .trade(Side::Buy, 0.1, 104.0)
        .quiet_ms(10);
    assert_eq!(
        played(
            &jump,
            poor,
            &[(
                10 * MS,
                submit(
                    1,
                    Submit {
                        stop_price: Price(10_000),
                        ..stop(Side::Buy, 0.0)
                    }
                )
            )]
        ),
        "accepted, triggered, canceled insufficient-funds 0/1"
    );
}

#[test]
fn a_modify_keeps_the_place_only_if_just_the_size_falls() {
    // Two ahead of us at 99; 1.5 of it trade, then the level is 5 with us far in front.
    let market = still_market()
        .trade(Side::Sell, 1.5, 99.0)
        .ticker(99.0, 5.0, 101.0, 1.0)
        .quiet_ms(100)
        .trade(Side::Sell, 1.0, 99.0)
        .quiet_ms(10);
    let rest = (10 * MS, submit(1, buy(2.0, 99.0)));
    let cases = [
        (
            modify(1, 99.0, 1.0),
            "accepted, replaced 99 0/1, fill 0.5@99 maker",
        ),
        (modify(1, 99.0, 3.0), "accepted, replaced 99 0/3"),
        (modify(1, 98.5, 2.0), "accepted, replaced 98.5 0/2"),
        (
            modify(1, 101.0, 2.0),
            "accepted, replaced 101 0/2, fill 1@101 taker, fill 1@101 maker",
        ),
        (
            modify(1, 99.0, 0.0),
            "accepted, modify-rejected invalid-size 0/2, fill 0.5@99 maker",
        ),
        (
            modify(1, 0.0, 2.0),
            "accepted, modify-rejected invalid-price 0/2, fill 0.5@99 maker",
        ),
        (
            modify(1, 99.0, 0.01),
            "accepted, modify-rejected min-notional 0/2, fill 0.5@99 maker",
        ),
        (
            modify(1, 100.0, 99_999.0),
            "accepted, modify-rejected insufficient-funds 0/2, fill 0.5@99 maker",
        ),
        (
            modify(7, 99.0, 1.0),
            "accepted, modify-rejected unknown-order 0/0, fill 0.5@99 maker",
        ),
    ];
    for (change, said) in cases {
        assert_eq!(
            played(&market, terms(), &[rest, (150 * MS, change)]),
            said,
            "{change:?}"
        );
    }
    let post_only = (
        10 * MS,
        submit(
            1,
            Submit {
                flags: OrderFlags::POST_ONLY,
                ..buy(2.0, 99.0)
            },
        ),
    );
    assert_eq!(
        played(
            &market,
            terms(),
            &[post_only, (150 * MS, modify(1, 101.0, 2.0))]
        ),
        "accepted, modify-rejected would-cross 0/2, fill 0.5@99 maker"
    );
    let filled = still_market()
        .ticker(99.0, 0.5, 101.0, 1.0)
        .trade(Side::Sell, 1.5, 99.0)
        .quiet_ms(100);
    assert_eq!(
        played(
            &filled,
            terms(),
            &[
                rest,
                (150 * MS, modify(1, 99.0, 1.0)),
                (160 * MS, modify(1, 99.0, 1.5))
            ]
        ),
        "accepted, fill 1@99 maker, modify-rejected invalid-size 1/2, replaced 99 1/1.5"
    );
}

#[test]
fn a_cancel_ends_a_working_order_and_is_refused_for_any_other() {
    let commands = [
        (10 * MS, submit(1, buy(1.0, 99.0))),
        (20 * MS, cancel(1)),
        (30 * MS, cancel(1)),
        (40 * MS, cancel(5)),
    ];
    assert_eq!(
        played(&still_market(), terms(), &commands),
        "accepted, canceled normal 0/1, cancel-rejected unknown-order 0/1, cancel-rejected unknown-order 0/0"
    );
}

#[test]
fn a_day_order_expires_at_midnight_utc_and_not_when_the_tape_ends_before() {
    let day = Submit {
        time_in_force: TimeInForce::Day,
        ..buy(1.0, 90.0)
    };
    let short = Market::starting(DAY_NS - 200 * MS).quiet_ms(100);
    assert_eq!(
        played(&short, terms(), &[(DAY_NS - 190 * MS, submit(1, day))]),
        "accepted"
    );
    let over = Market::starting(DAY_NS - 200 * MS).quiet_ms(300);
    let (events, _) = harness::play(&over, terms(), &[(DAY_NS - 190 * MS, submit(1, day))], &[]);
    assert_eq!(harness::ours(&events), "accepted, expired day-end 0/1");
    let expiry = events
        .iter()
        .rfind(|event| matches!(event.body(), Body::Order(_)))
        .unwrap();
    assert_eq!((expiry.ts_venue, expiry.ts_host), (DAY_NS, DAY_NS + MS));
}

#[test]
fn an_order_meets_the_book_of_its_arrival_and_its_answer_comes_a_feed_latency_later() {
    // Sent at 99.5 ms, arriving at 100.5 ms; the ask moves away at 100 ms.
    let market = still_market().ticker(99.0, 2.0, 102.0, 2.0).quiet_ms(10);
    let sent = 99 * MS + MS / 2;
    let (events, _) = harness::play(&market, terms(), &[(sent, submit(1, buy(1.0, 101.5)))], &[]);
    assert_eq!(harness::ours(&events), "accepted");
    let accepted = events
        .iter()
        .find(|event| matches!(event.body(), Body::Order(_)))
        .unwrap();
    assert_eq!(
        (accepted.ts_venue, accepted.ts_host),
        (sent + MS, sent + 2 * MS)
    );
    let fast = PlaybackConfig {
        latency: Latency {
            order_ns: 0,
            answer_ns: 0,
        },
        ..terms()
    };
    let (events, lookahead_ns) =
        harness::play(&market, fast, &[(sent, submit(1, buy(1.0, 101.5)))], &[]);
    assert_eq!(
        (harness::ours(&events).as_str(), lookahead_ns),
        ("accepted, fill 1@101 taker", 1)
    );
}

#[test]
fn while_the_book_is_stale_only_the_exchanges_top_trades() {
    let all = Submit {
        kind: OrderType::Market,
        price: Price::ZERO,
        ..buy(4.0, 0.0)
    };
    let market = still_market()
        .gap()
        .depth(&[(90.0, 1.0)], &[(110.0, 50.0)])
        .quiet_ms(100);
    assert_eq!(
        played(&market, terms(), &[(150 * MS, submit(1, all))]),
        "accepted, fill 1@101 taker, canceled no-liquidity 1/4"
    );
}

#[test]
fn fees_and_balances_follow_each_fill_to_the_last_digit() {
    let fees = Fees {
        maker: FeeRate::parse("-0.0001").unwrap(),
        taker: FeeRate::parse("0.001").unwrap(),
    };
    let config = PlaybackConfig { fees, ..terms() };
    let market = still_market()
        .ticker(100.0, 1.0, 101.0, 1.0)
        .trade(Side::Buy, 9.0, 101.0)
        .quiet_ms(10);
    let commands = [
        (10 * MS, submit(1, buy(0.5, 101.0))),
        (20 * MS, submit(2, sell(0.5, 101.0))),
    ];
    let (events, _) = harness::play(&market, config, &commands, &[]);
    let money: Vec<String> = events
        .iter()
        .filter_map(|event| match event.body() {
            Body::Fill(fill) => Some(format!("fee {} of {}", fill.fee.at(8), fill.fee_currency)),
            Body::Account(account) => Some(format!(
                "{}: {} free {}",
                account.currency,
                account.total.at(8),
                account.free.at(8)
            )),
            _ => None,
        })
        .collect();
    // Currency 0 is USDT, 1 is BTC. 50.5 costs 0.0505; the sale of 50.5 earns a rebate of 0.00505.
    assert_eq!(
        money,
        [
            "fee 0.05050000 of 0",
            "0: 999949.44950000 free 999949.44950000",
            "1: 0.50000000 free 0.50000000",
            "fee -0.00505000 of 0",
            "0: 999999.95455000 free 999999.95455000",
            "1: 0.00000000 free 0.00000000",
        ]
    );
}

#[test]
fn a_snapshot_is_the_book_as_of_its_delivery_so_that_no_delta_is_undone() {
    // Asked at 99 ms: arrives at 100, is answered at 101. A delta comes between.
    let market = still_market()
        .quiet_us(500)
        .depth(&[(99.0, 7.0)], &[])
        .quiet_ms(10);
    let snapshot = Command::Snapshot {
        instrument: InstrumentId(0),
    };
    for bounds in [vec![], vec![100 * MS + 1, 100 * MS + 600_000, 101 * MS]] {
        let (events, _) = harness::play(&market, terms(), &[(99 * MS, snapshot)], &bounds);
        let lines: Vec<String> = events
            .iter()
            .filter(|event| event.ts_host == 101 * MS)
            .filter_map(|event| match event.body() {
                Body::Book(level) => Some(format!(
                    "{} {}x{} {}",
                    level.change, level.price.0, level.size.0, level.last
                )),
                _ => None,
            })
            .collect();
        assert_eq!(
            lines[..3],
            [
                "clear 0x0 false",
                "snapshot 9900x700000 false",
                "snapshot 9800x500000 false"
            ]
        );
        assert_eq!(
            (lines.len(), lines[6].as_str()),
            (7, "snapshot 10300x500000 true")
        );
    }
    // Folding the events gives the book, whatever was asked in between.
    let (events, _) = harness::play(&market, terms(), &[(99 * MS, snapshot)], &[]);
    let mut bids = std::collections::BTreeMap::new();
    for event in &events {
        if let Body::Book(level) = event.body() {
            match level.change {
                BookChange::Clear => bids.clear(),
                BookChange::Snapshot | BookChange::Delta => {
                    bids.insert((level.side, level.price), level.size);
                }
            }
        }
    }
    assert_eq!(bids[&(Side::Buy, Price(9_900))], Size(700_000));
}

#[test]
fn the_capture_is_over_when_the_tape_and_the_last_answers_are() {
    let market = still_market();
    let scratch = market.write();
    let mut capture = Playback::open(PlaybackConfig {
        files: vec![scratch.0.clone()],
        ..terms()
    })
    .unwrap();
    capture.register(&mut Registry::new()).unwrap();
    capture.poll(EPOCH + 200 * MS, &mut Vec::new()).unwrap();
    assert_eq!(capture.next_due(), Due::Over);
    capture.send(EPOCH + 300 * MS, submit(1, buy(1.0, 101.0)));
    assert_eq!(capture.next_due(), Due::At(EPOCH + 302 * MS));
    let mut events = Vec::new();
    capture.poll(EPOCH + 302 * MS + 1, &mut events).unwrap();
    assert_eq!(harness::ours(&events), "accepted, fill 1@101 taker");
    assert_eq!(capture.next_due(), Due::Over);
}

/// A market that moves at random, and orders of every kind thrown at it.
fn scenario() -> impl Strategy<Value = (Market, Vec<(Timestamp, Command)>)> {
    let moves = prop::collection::vec((0u8..6, 0i64..4, 1i64..9, 0u64..3), 5..60);
    let orders = prop::collection::vec(
        (
            (0i64..200, 0u8..6),
            (any::<bool>(), 0u8..4, 0u8..4, any::<bool>()),
            (95i64..106, 1i64..30),
        ),
        1..25,
    );
    (moves, orders).prop_map(|(moves, orders)| {
        let mut market = Market::new();
        for (kind, step, size, quiet) in moves {
            let (step, size) = (step as f64, size as f64 / 4.0);
            market = match kind {
                0 => market.ticker(97.0 + step, size, 99.0 + step, size),
                1 => market.trade(Side::Sell, size, 97.0 + step),
                2 => market.trade(Side::Buy, size, 99.0 + step),
                3 => market.depth(&[(96.0 + step, size)], &[(100.0 + step, size)]),
                4 => market.depth(&[(96.0 + step, 0.0)], &[(102.0 + step, size)]),
                _ if step == 3.0 => market.gap(),
                _ => market,
            };
            market = market.quiet_us(quiet * 700);
        }
        let market = market.quiet_ms(5);
        let mut commands: Vec<(Timestamp, Command)> = Vec::new();
        for (at, ((when, action), (is_buy, kind, tif, post_only), (price, size))) in
            orders.into_iter().enumerate()
        {
            let number = at as u64 + 1;
            let (limit, size) = (
                harness::price(price as f64),
                harness::size(size as f64 / 4.0),
            );
            let kind = OrderType::ALL[usize::from(kind)];
            let order = Submit {
                flags: OrderFlags::none().set(OrderFlags::POST_ONLY, post_only),
                order: number,
                side: if is_buy { Side::Buy } else { Side::Sell },
                kind,
                time_in_force: TimeInForce::ALL[usize::from(tif)],
                size,
                price: if kind.has_price() { limit } else { Price::ZERO },
                stop_price: if kind.has_stop() { limit } else { Price::ZERO },
                ..buy(1.0, 1.0)
            };
            let earlier = id(number / 2);
            let instrument = InstrumentId(0);
            let command = match action {
                0 => Command::Cancel {
                    id: earlier,
                    instrument,
                },
                1 => Command::Modify {
                    id: earlier,
                    instrument,
                    terms: NewTerms {
                        price: limit,
                        stop_price: Price::ZERO,
                        size,
                    },
                },
                2 if price == 100 => Command::Snapshot { instrument },
                _ => Command::Submit {
                    id: id(number),
                    order,
                },
            };
            commands.push((when * 250_000, command));
        }
        commands.sort_by_key(|(at, _)| *at);
        (market, commands)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_polls_are_cut_the_events_are_the_same(
        (market, commands) in scenario(),
        cuts in prop::collection::vec(0i64..80_000_000, 0..60),
        order_ns in 0u64..3_000_000,
        answer_ns in 0u64..3_000_000,
        preload: bool,
    ) {
        let config = PlaybackConfig { latency: Latency { order_ns, answer_ns }, ..terms() };
        let (whole, _) = harness::play(&market, config.clone(), &commands, &[]);
        let (cut, lookahead_ns) = harness::play(&market, PlaybackConfig { preload, ..config }, &commands, &cuts);
        prop_assert_eq!(&whole, &cut);
        prop_assert!(whole.is_sorted_by_key(|event: &Event| event.ts_host));
        let first_command = commands.first().map_or(0, |(at, _)| *at);
        let first_answer = whole.iter().find(|event| matches!(event.body(), Body::Order(_)));
        prop_assert!(first_answer.is_none_or(|event| event.ts_host >= first_command + lookahead_ns as i64));
    }
}
