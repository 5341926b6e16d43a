//! Golden accounts and the rules of the scripted venue.

use super::*;
use crate::broker::{FeeRate, Fees};
use tickdeck_model::{Body, OrderFlags, OrderType, StrategyId};

const MINUTE: i64 = 60_000_000_000;
const MS: u64 = 1_000_000;

fn id(number: u64) -> ClientOrderId {
    ClientOrderId {
        strategy: StrategyId(1),
        number,
    }
}

fn order(number: u64, side: Side, kind: OrderType, size: i64, price: i64) -> Submit {
    Submit {
        order: number,
        instrument: InstrumentId(0),
        side,
        kind,
        time_in_force: TimeInForce::Gtc,
        size: Size(size),
        price: Price(price),
        stop_price: Price::ZERO,
        ..Submit::EMPTY
    }
}

/// AUD/USD, one quote a minute with equal bid and ask, 20 ppm, a million dollars.
fn audusd(prices: &[i64], size: i64) -> Script {
    let quote = |(minute, price): (i64, &i64)| ScriptStep {
        at: minute * MINUTE,
        instrument: 0,
        tick: ScriptedTick::Quote {
            bid: (Price(*price), Size(size)),
            ask: (Price(*price), Size(size)),
        },
    };
    Script {
        venue: "SCRIPT".to_owned(),
        instruments: vec![ScriptedInstrument {
            ticker: "AUDUSD".to_owned(),
            base: ("AUD".to_owned(), 2),
            quote: ("USD".to_owned(), 2),
            price_scale: 5,
            size_scale: 0,
        }],
        steps: (1..).zip(prices).map(quote).collect(),
        latency: Latency {
            order_ns: MS,
            answer_ns: MS,
        },
        fees: Fees {
            maker: FeeRate { ppm: 20 },
            taker: FeeRate { ppm: 20 },
        },
        allow_short: true,
        margin: true,
        balances: vec![("USD".to_owned(), 2, Amount(100_000_000))],
    }
}

/// Plays a script; each command is sent when the step of that number (from 1) is heard.
fn play(script: Script, commands: &[(i64, Command)]) -> Vec<Event> {
    let mut venue = ScriptedVenue::new(script);
    venue.register(&mut Registry::new()).unwrap();
    for (minute, command) in commands {
        venue.send(minute * MINUTE + MS as i64, *command);
    }
    let mut events = Vec::new();
    while let Due::At(due) = venue.next_due() {
        venue.poll(due + 1, &mut events).unwrap();
    }
    events
}

fn submit(minute: i64, order: Submit) -> (i64, Command) {
    (
        minute,
        Command::Submit {
            id: id(order.order),
            order,
        },
    )
}

/// Our own events in short.
fn describe(events: &[Event]) -> Vec<String> {
    let lines = events.iter().filter_map(|event| match event.body() {
        Body::Order(update) => Some(format!(
            "{} {} {}",
            update.order, update.status, update.reason
        )),
        Body::Fill(fill) => Some(format!(
            "{} {} {}@{} fee {}",
            fill.order,
            fill.liquidity,
            fill.size.0,
            fill.price.at(5),
            fill.fee.at(2)
        )),
        Body::Account(account) => Some(format!(
            "account {} {}",
            account.currency,
            account.total.at(2)
        )),
        _ => None,
    });
    lines.collect()
}

/// Buys 100,000 on the second quote and sells them on the fourth.
fn round_trip(script: Script) -> Vec<String> {
    let commands = [
        submit(2, order(1, Side::Buy, OrderType::Market, 100_000, 0)),
        submit(4, order(2, Side::Sell, OrderType::Market, 100_000, 0)),
    ];
    describe(&play(script, &commands))
}

const PRICES: [i64; 5] = [70_000, 70_000, 70_010, 70_020, 70_020];

#[test]
fn a_round_trip_in_audusd_leaves_17_dollars_20() {
    let expected = [
        "1 accepted normal",
        "1 taker 100000@0.70000 fee 1.40",
        "account 0 999998.60",
        "2 accepted normal",
        "2 taker 100000@0.70020 fee 1.40",
        "account 0 1000017.20",
    ];
    assert_eq!(round_trip(audusd(&PRICES, 1_000_000)), expected);
}

#[test]
fn the_same_round_trip_on_spot_moves_both_currencies() {
    let script = Script {
        margin: false,
        ..audusd(&PRICES, 1_000_000)
    };
    let mut lines = round_trip(script);
    lines.retain(|line| line.starts_with("account"));
    let expected = [
        "account 0 929998.60",
        "account 1 100000.00",
        "account 0 1000017.20",
        "account 1 0.00",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_quote_offers_its_size_once() {
    let commands = [
        submit(1, order(1, Side::Buy, OrderType::Market, 700, 0)),
        submit(1, order(2, Side::Buy, OrderType::Market, 700, 0)),
    ];
    let mut lines = describe(&play(audusd(&[70_000], 1_000), &commands));
    lines.retain(|line| !line.starts_with("account"));
    let expected = [
        "1 accepted normal",
        "1 taker 700@0.70000 fee 0.01",
        "2 accepted normal",
        "2 taker 300@0.70000 fee 0.00",
        "2 canceled no-liquidity",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_resting_limit_is_filled_at_its_own_price_once_a_quote_reaches_it() {
    let commands = [submit(
        1,
        order(1, Side::Buy, OrderType::Limit, 100_000, 69_990),
    )];
    let lines = describe(&play(
        audusd(&[70_000, 69_995, 69_980], 1_000_000),
        &commands,
    ));
    assert_eq!(
        lines[..2],
        ["1 accepted normal", "1 maker 100000@0.69990 fee 1.40"]
    );
}

#[test]
fn each_kind_of_order_acts_as_its_type_says() {
    let stop = Submit {
        stop_price: Price(70_010),
        ..order(1, Side::Buy, OrderType::Stop, 1_000, 0)
    };
    let fok = Submit {
        time_in_force: TimeInForce::Fok,
        ..order(2, Side::Buy, OrderType::Limit, 2_000, 70_000)
    };
    let ioc = Submit {
        time_in_force: TimeInForce::Ioc,
        ..order(3, Side::Sell, OrderType::Limit, 500, 70_010)
    };
    let post_only = Submit {
        flags: OrderFlags::POST_ONLY,
        ..order(4, Side::Sell, OrderType::Limit, 500, 70_000)
    };
    let commands = [
        submit(1, stop),
        submit(1, fok),
        submit(1, ioc),
        submit(1, post_only),
    ];
    let lines = describe(&play(audusd(&[70_000, 70_005, 70_010], 1_000), &commands));
    let expected = [
        "1 accepted normal",
        "2 accepted normal",
        "2 expired fok-unfilled",
        "3 accepted normal",
        "3 expired ioc-remainder",
        "4 rejected would-cross",
        "1 triggered normal",
        "1 taker 1000@0.70010 fee 0.01",
    ];
    assert_eq!(lines[..8], expected);
}
