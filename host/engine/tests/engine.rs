//! The engine as a whole, with a toy venue and native strategies.

mod toy;

use proptest::prelude::*;
use tickdeck_engine::middleware::{Change, Denial, OrderMiddleware, Situation};
use tickdeck_engine::port::{Fault, Strategy};
use tickdeck_engine::{
    Ending, EngineConfig, Limits, Notice, OrderRate, Report, RiskConfig, StrategyState, Wait,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::{Toy, feed, order, run};

fn loose() -> RiskConfig {
    let default = Limits {
        max_notional: None,
        max_position_notional: None,
        collar_bps: None,
        order_rate: None,
        duplicate_window_ns: None,
        max_quote_age_ns: None,
        allow: None,
    };
    RiskConfig {
        default,
        ..RiskConfig::default()
    }
}

/// Does everything a strategy can do, driven by what it sees, and lets all of that depend on its store.
fn busy(every: u64) -> Box<dyn Strategy> {
    let mut seen = 0u64;
    let mut number = 0;
    Box::new(Toy(
        move |event: &Event, book: &StrategyBook, actions: &mut Vec<Action>| {
            seen = seen.wrapping_mul(31).wrapping_add(event.kind() as u64 + 1);
            seen = seen
                .wrapping_add_signed(book.position_size(InstrumentId(0)).0)
                .wrapping_add(book.orders().count() as u64);
            if !seen.is_multiple_of(every) {
                return Ok(());
            }
            let side = if book.position_size(InstrumentId(0)).0 > 0 {
                Side::Sell
            } else {
                Side::Buy
            };
            match (seen / every) % 9 {
                0 | 1 | 8 => {
                    number += 1;
                    actions.push(Action::Submit(order(
                        number,
                        OrderType::Market,
                        side,
                        0,
                        1 + (seen % 5) as i64,
                    )));
                }
                2 => {
                    number += 1;
                    actions.push(Action::Submit(order(
                        number,
                        OrderType::Limit,
                        side,
                        9_000,
                        2,
                    )));
                }
                3 => actions.extend(
                    book.orders()
                        .next()
                        .map(|order| Action::Cancel(order.number)),
                ),
                4 => {
                    let modify = |order: &tickdeck_portfolio::Order| Modify {
                        order: order.number,
                        price: Price(9_100),
                        size: Size(3),
                    };
                    actions.extend(book.orders().next().map(modify).map(Action::Modify));
                }
                5 => actions.push(Action::SetTimer(TimerRequest {
                    id: 1,
                    pad: Pad::ZERO,
                    due: event.ts_host + 500,
                })),
                6 => actions.push(Action::Notify(Notify {
                    message: 0,
                    severity: Severity::Info,
                    pad: Pad::ZERO,
                    value: 1.0,
                })),
                _ => {
                    let request = feed(Feed::Book, 0, BarBasis::Time);
                    actions.push(if seen.is_multiple_of(2) {
                        Action::Subscribe(request)
                    } else {
                        Action::Unsubscribe(request)
                    });
                }
            }
            Ok(())
        },
    ))
}

fn cast() -> Vec<(&'static str, Vec<FeedRequest>, Box<dyn Strategy>)> {
    let all = vec![
        feed(Feed::Quotes, 0, BarBasis::Time),
        feed(Feed::Trades, 0, BarBasis::Time),
    ];
    let bars = vec![
        feed(Feed::Bars, 3, BarBasis::Trades),
        feed(Feed::Bars, 1, BarBasis::Time),
    ];
    let signals = vec![
        feed(Feed::Signals, 0, BarBasis::Time),
        feed(Feed::Quotes, 0, BarBasis::Time),
    ];
    vec![
        ("quick", all.clone(), busy(3)),
        ("calm", all, busy(11)),
        ("bars", bars, busy(2)),
        ("follower", signals, busy(5)),
        ("idle", Vec::new(), busy(1)),
    ]
}

fn outcome(report: &Report) -> (u128, u128, u64, u64) {
    (
        report.tape_hash,
        report.actions_hash,
        report.status.orders,
        report.status.fills,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn results_depend_neither_on_batching_nor_on_workers_nor_on_the_ring(
        seed: u64,
        workers in 1usize..5,
        max_batch in 1usize..300,
        split_seed: Option<u64>,
        ring_bits in 4u32..12,
    ) {
        let plain = EngineConfig { risk: loose(), ..EngineConfig::default() };
        let (expected, _) = run(seed, 3_000, plain.clone(), cast());
        let wait = Wait::SpinThenPark { spins: 50 };
        let config = EngineConfig { workers, max_batch, split_seed, ring_capacity: 1 << ring_bits, wait, ..plain };
        let (report, _) = run(seed, 3_000, config, cast());
        prop_assert!(expected.status.fills > 100, "the test must trade: {:?}", expected.status);
        prop_assert_eq!(outcome(&report), outcome(&expected));
        prop_assert_eq!(&report.status.strategies, &expected.status.strategies);
        prop_assert_eq!(&report.status.capital, &expected.status.capital);
    }
}

/// Buys one at market at every quote.
fn buyer() -> Box<dyn Strategy> {
    let mut number = 0;
    Box::new(Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if event.kind() == Kind::Quote {
                number += 1;
                actions.push(Action::Submit(order(
                    number,
                    OrderType::Market,
                    Side::Buy,
                    0,
                    1,
                )));
            }
            Ok(())
        },
    ))
}

fn quotes() -> Vec<FeedRequest> {
    vec![feed(Feed::Quotes, 0, BarBasis::Time)]
}

#[test]
fn a_denied_order_is_told_with_its_code_and_values_and_never_reaches_the_venue() {
    let default = Limits {
        max_position_notional: Some(Amount(250)),
        ..loose().default
    };
    let config = EngineConfig {
        risk: RiskConfig {
            default,
            ..RiskConfig::default()
        },
        ..EngineConfig::default()
    };
    let (report, notices) = run(3, 500, config, vec![("buyer", quotes(), buyer())]);
    assert_eq!(report.status.fills, 2, "two at about 100 each fit into 250");
    assert_eq!(
        report.status.denied.get(&Reason::MaxPosition),
        Some(&(report.status.orders - 2))
    );
    let denial = notices.iter().find_map(|notice| match notice {
        Notice::Denied { reason, values, .. } => Some(format!("{}: {values}", reason.code())),
        _ => None,
    });
    let denial = denial.unwrap();
    assert!(
        denial.starts_with("MAX_POSITION: position=30") && denial.ends_with(", limit=250"),
        "{denial}"
    );
}

#[test]
fn working_orders_count_at_their_worst_case() {
    // Every order is sent before the first is answered: only the count of open orders can stop the third.
    let mut number = 0;
    let burst = Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if event.kind() == Kind::Quote && number == 0 {
                for _ in 0..5 {
                    number += 1;
                    actions.push(Action::Submit(order(
                        number,
                        OrderType::Limit,
                        Side::Buy,
                        10_000,
                        1,
                    )));
                }
            }
            Ok(())
        },
    );
    let default = Limits {
        max_position_notional: Some(Amount(250)),
        ..loose().default
    };
    let config = EngineConfig {
        risk: RiskConfig {
            default,
            ..RiskConfig::default()
        },
        ..EngineConfig::default()
    };
    let (report, _) = run(3, 200, config, vec![("burst", quotes(), Box::new(burst))]);
    assert_eq!(report.status.denied.get(&Reason::MaxPosition), Some(&3));
}

#[test]
fn orders_above_the_rate_are_denied_until_the_window_has_passed() {
    let rate = OrderRate {
        orders: 3,
        window_ns: 1_000,
    };
    let default = Limits {
        order_rate: Some(rate),
        ..loose().default
    };
    let config = EngineConfig {
        risk: RiskConfig {
            default,
            ..RiskConfig::default()
        },
        ..EngineConfig::default()
    };
    let (report, _) = run(3, 1_000, config, vec![("buyer", quotes(), buyer())]);
    let passed = report.status.fills;
    let windows = (report.status.now - 1_000) as u64 / 1_000 + 1;
    assert!(
        passed > 10 && passed <= windows * 3,
        "{passed} orders in {windows} windows of 3"
    );
    assert!(report.status.denied[&Reason::OrderRate] > 0);
}

#[test]
fn a_fault_ends_one_strategy_and_cancels_its_orders_while_the_other_trades_on() {
    let run_with = |max_batch, workers| {
        let mut number = 0;
        let faulty = Toy(
            move |_: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
                number += 1;
                if number > 50 {
                    return Err(Fault("divided by zero".to_owned()));
                }
                if number % 7 == 0 {
                    actions.push(Action::Submit(order(
                        number,
                        OrderType::Limit,
                        Side::Buy,
                        9_000,
                        1,
                    )));
                }
                Ok(())
            },
        );
        let config = EngineConfig {
            risk: loose(),
            max_batch,
            workers,
            ..EngineConfig::default()
        };
        run(
            3,
            1_000,
            config,
            vec![
                ("faulty", quotes(), Box::new(faulty)),
                ("buyer", quotes(), buyer()),
            ],
        )
    };
    let (report, notices) = run_with(1_024, 1);
    assert_eq!(report.status.strategies[0].state, StrategyState::Faulted);
    assert_eq!(report.status.strategies[1].state, StrategyState::Stopped);
    assert!(report.status.fills > 300);
    assert!(
        report.status.working.is_empty(),
        "{:?}",
        report.status.working
    );
    let ended = notices.iter().any(
        |notice| matches!(notice, Notice::Ended { problem, .. } if problem == "divided by zero"),
    );
    assert!(ended, "{notices:?}");
    // Where the batch was cut does not matter even then.
    assert_eq!(outcome(&run_with(1, 1).0), outcome(&report));
    assert_eq!(outcome(&run_with(7, 2).0), outcome(&report));
}

#[test]
fn an_order_number_used_twice_ends_the_strategy() {
    let twice = Toy(|_: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
        actions.push(Action::Submit(order(1, OrderType::Market, Side::Buy, 0, 1)));
        Ok(())
    });
    let config = EngineConfig {
        risk: loose(),
        ..EngineConfig::default()
    };
    let (report, notices) = run(3, 200, config, vec![("twice", quotes(), Box::new(twice))]);
    assert_eq!(report.status.strategies[0].state, StrategyState::Faulted);
    assert_eq!(report.status.fills, 1);
    assert!(notices.iter().any(
        |notice| matches!(notice, Notice::Ended { problem, .. } if problem.contains("order 1"))
    ));
}

#[test]
fn a_timer_fires_at_its_time_and_not_before() {
    let fired = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&fired);
    let mut asked = false;
    let timed = Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if let Body::Timer(timer) = event.body() {
                log.lock()
                    .unwrap()
                    .push((timer.id, timer.due, event.ts_host));
            } else if !asked {
                asked = true;
                for (id, due) in [(1, 5_000), (2, 0), (3, 7_000)] {
                    actions.push(Action::SetTimer(TimerRequest {
                        id,
                        pad: Pad::ZERO,
                        due,
                    }));
                }
                actions.push(Action::ClearTimer(3));
            }
            Ok(())
        },
    );
    let config = EngineConfig {
        risk: loose(),
        ..EngineConfig::default()
    };
    run(3, 1_000, config, vec![("timed", quotes(), Box::new(timed))]);
    let fired = fired.lock().unwrap();
    assert_eq!(fired.len(), 2, "{fired:?}");
    assert_eq!((fired[0].0, fired[0].1), (2, 0));
    assert_eq!(fired[1], (1, 5_000, 5_000));
}

#[test]
fn the_run_ends_at_its_limit_with_every_order_off_the_book() {
    let config = EngineConfig {
        risk: loose(),
        max_market_events: Some(500),
        ..EngineConfig::default()
    };
    let (report, _) = run(9, 100_000, config, cast());
    assert_eq!(report.ending, Ending::Limit);
    assert!(report.status.working.is_empty());
    assert!(report.status.events >= 500);
}

#[test]
fn a_worker_that_panics_is_an_error_and_not_a_hang() {
    for workers in [2, 3] {
        let panics = Toy(|event: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
            assert!(event.sequence < 100, "a bug in the host");
            Ok(())
        });
        let mut registry = Registry::new();
        let mut venue = toy::ToyVenue::new(1, 1_000);
        let terms = tickdeck_engine::port::Gateway::register(&mut venue, &mut registry).unwrap();
        let mut seats = Vec::new();
        for (name, strategy) in [
            ("panics", Box::new(panics) as Box<dyn Strategy>),
            ("buyer", buyer()),
        ] {
            seats.push(tickdeck_engine::port::Seat {
                id: registry.add_strategy(name),
                name: name.to_owned(),
                version: String::new(),
                feeds: quotes(),
                accounts: false,
                messages: Vec::new(),
                order_policy: tickdeck_engine::port::OrderPolicy::Cancel,
                allocation: Vec::new(),
                next_order: 1,
                strategy,
            });
        }
        let config = EngineConfig {
            risk: loose(),
            workers,
            ..EngineConfig::default()
        };
        let venues: Vec<(Box<dyn tickdeck_engine::port::Gateway>, _)> =
            vec![(Box::new(venue), terms)];
        let clock = Box::new(toy::NoClock);
        let engine = tickdeck_engine::Engine::new(
            config,
            std::sync::Arc::new(registry),
            venues,
            seats,
            clock,
            std::sync::Arc::new(|| 0),
        );
        let error = engine
            .unwrap()
            .run(&mut toy::Notices::default())
            .unwrap_err();
        assert!(
            error.to_string().contains("panicked: a bug in the host"),
            "{error}"
        );
    }
}

/// Lets nothing but sells through.
struct NoBuys;

impl OrderMiddleware for NoBuys {
    fn check(&mut self, order: &Submit, _: &Situation<'_>) -> Result<(), Denial> {
        match order.side {
            Side::Sell => Ok(()),
            Side::Buy => Err(Denial {
                reason: Reason::NotAllowed,
                values: "no buys".to_owned(),
            }),
        }
    }

    fn check_change(&mut self, _: &Change, _: &Situation<'_>) -> Result<(), Denial> {
        Ok(())
    }
}

#[test]
fn an_order_middleware_of_the_user_s_own_has_its_say_after_risk() {
    let config = EngineConfig {
        risk: loose(),
        ..EngineConfig::default()
    };
    let strategies = vec![("buyer", quotes(), buyer())];
    let mut engine = toy::engine(3, 200, config, strategies);
    engine.push_order_middleware(Box::new(NoBuys));
    let report = engine.run(&mut toy::Notices::default()).unwrap();
    assert_eq!(report.status.fills, 0);
    assert_eq!(
        report.status.denied.get(&Reason::NotAllowed),
        Some(&report.status.orders)
    );
}
