//! The engine as a whole, with a toy venue and native strategies.

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use proptest::prelude::*;
use tickdeck_engine::middleware::{Denial, OrderChange, OrderContext, OrderMiddleware};
use tickdeck_engine::port::{Fault, Strategy};
use tickdeck_engine::{
    Ending, EngineConfig, Notice, OrderLimits, OrderRate, Report, RiskConfig, StrategyState,
    StrategyStatus, Wait,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::{Toy, feed, order, run};

fn loose() -> RiskConfig {
    RiskConfig {
        default: OrderLimits::none(),
        ..RiskConfig::default()
    }
}

/// Does everything a strategy can do, driven by what it sees and by its store.
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
                        reserved: Pad::ZERO,
                        stop_price: Price::ZERO,
                        trail: 0,
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
                    let request = if seen.is_multiple_of(3) {
                        feed(Feed::Book, 0, BarBasis::Time)
                    } else {
                        feed(Feed::Bars, 4, BarBasis::Trades)
                    };
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

/// The final status of the strategies, without measured times: which calls are timed depends on batches.
fn untimed(report: &Report) -> Vec<StrategyStatus> {
    let mut strategies = report.status.strategies.clone();
    for strategy in &mut strategies {
        strategy.times = Default::default();
        // It includes the room for a batch.
        strategy.held_bytes = 0;
    }
    strategies
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn results_depend_neither_on_batching_nor_on_workers_nor_on_the_ring(
        seed: u64,
        workers in 1usize..5,
        max_batch in 1usize..300,
        split_seed: Option<u64>,
        ring_bits in 4u32..12,
    ) {
        let plain = EngineConfig { risk: loose(), ..EngineConfig::default() };
        let (expected, _) = run(seed, 1_500, plain.clone(), cast());
        let wait = Wait::SpinThenPark { spins: 50 };
        let config = EngineConfig { workers, max_batch, split_seed, ring_capacity: 1 << ring_bits, wait, ..plain };
        let (report, _) = run(seed, 1_500, config, cast());
        prop_assert!(expected.status.fills > 40, "the test must trade: {:?}", expected.status);
        prop_assert_eq!(outcome(&report), outcome(&expected));
        prop_assert_eq!(untimed(&report), untimed(&expected));
        prop_assert_eq!(&report.status.capital, &expected.status.capital);
    }
}

/// Buys one at market on every quote.
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
    let default = OrderLimits {
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
    let default = OrderLimits {
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
    let default = OrderLimits {
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
    assert_eq!(
        report.status.strategies[0].state,
        StrategyState::Quarantined
    );
    assert_eq!(report.status.strategies[1].state, StrategyState::Stopped);
    assert!(report.status.fills > 300);
    assert!(
        report.status.working.is_empty(),
        "{:?}",
        report.status.working
    );
    let ended = notices.iter().any(
        |notice| matches!(notice, Notice::Ended { problem, .. } if problem.starts_with("divided by zero")),
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
    assert_eq!(
        report.status.strategies[0].state,
        StrategyState::Quarantined
    );
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
fn a_run_tells_when_its_first_action_was_carried_out_if_there_was_one() {
    let first = |strategies| {
        let (report, _) = run(3, 500, EngineConfig::default(), strategies);
        report.first_action_ns
    };
    assert!(first(vec![("buyer", quotes(), buyer())]).is_some());
    assert_eq!(first(Vec::new()), None);
}

#[test]
fn a_worker_that_panics_is_an_error_and_not_a_hang() {
    for workers in [2, 3] {
        let panics = Toy(|event: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
            assert!(event.sequence < 100, "a bug in the host");
            Ok(())
        });
        let version = || toy::version("1.0.0", quotes(), std::sync::Arc::new(toy::Once));
        let strategies = vec![
            ("panics", version(), Box::new(panics) as Box<dyn Strategy>),
            ("buyer", version(), buyer()),
        ];
        let config = EngineConfig {
            risk: loose(),
            workers,
            ..EngineConfig::default()
        };
        let engine = toy::engine_of(toy::ToyVenue::new(1, 1_000), config, strategies);
        let error = engine.run(&mut toy::Notices::default()).unwrap_err();
        assert!(
            error.to_string().contains("panicked: a bug in the host"),
            "{error}"
        );
    }
}

/// Passes only sells.
struct NoBuys;

impl OrderMiddleware for NoBuys {
    fn check(&mut self, order: &Submit, _: &OrderContext<'_>) -> Result<(), Denial> {
        match order.side {
            Side::Sell => Ok(()),
            Side::Buy => Err(Denial {
                reason: Reason::NotAllowed,
                values: "no buys".to_owned(),
            }),
        }
    }

    fn check_change(&mut self, _: &OrderChange, _: &OrderContext<'_>) -> Result<(), Denial> {
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

/// What ended a strategy that answers every quote with these actions.
fn ended_by(actions: Vec<Action>) -> String {
    let strategy = Toy(move |_: &Event, _: &StrategyBook, out: &mut Vec<Action>| {
        out.extend_from_slice(&actions);
        Ok(())
    });
    let config = EngineConfig {
        risk: loose(),
        ..EngineConfig::default()
    };
    let mut feeds = quotes();
    feeds.push(feed(Feed::Signals, 0, BarBasis::Time));
    let strategies: Vec<(&str, _, Box<dyn Strategy>)> = vec![
        ("wild", feeds, Box::new(strategy)),
        ("buyer", quotes(), buyer()),
    ];
    let (report, notices) = run(3, 400, config, strategies);
    assert_eq!(
        report.status.strategies[0].state,
        StrategyState::Quarantined
    );
    assert!(report.status.fills > 100, "the other must trade on");
    let problem = notices.iter().find_map(|notice| match notice {
        Notice::Ended { problem, .. } => Some(problem.clone()),
        _ => None,
    });
    problem.expect("someone says why it ended")
}

#[test]
fn a_feed_that_cannot_be_ends_the_strategy_and_nothing_else() {
    let mut request = feed(Feed::Quotes, 0, BarBasis::Time);
    request.target = u32::MAX;
    let problem = ended_by(vec![Action::Subscribe(request)]);
    assert!(problem.contains("no instrument 4294967295"), "{problem}");
    let problem = ended_by(vec![Action::Subscribe(feed(Feed::Bars, 0, BarBasis::Time))]);
    assert!(problem.contains("step above 0"), "{problem}");
}

#[test]
fn a_strategy_that_feeds_on_its_own_timers_or_signals_is_ended_by_a_named_limit() {
    let timer = |id| {
        Action::SetTimer(TimerRequest {
            id,
            pad: Pad::ZERO,
            due: 0,
        })
    };
    let problem = ended_by((0..200).map(timer).collect());
    assert!(problem.contains("max_actions_per_s"), "{problem}");
    let notify = Action::Notify(Notify {
        message: 0,
        severity: Severity::Info,
        pad: Pad::ZERO,
        value: 1.0,
    });
    let problem = ended_by(vec![notify; 2]);
    assert!(problem.contains("max_actions_per_s"), "{problem}");
    let far = |id| {
        Action::SetTimer(TimerRequest {
            id,
            pad: Pad::ZERO,
            due: i64::MAX,
        })
    };
    let problem = ended_by((0..1_025).map(far).collect());
    assert!(problem.contains("1025 timers waiting"), "{problem}");
    let bars = |step| Action::Subscribe(feed(Feed::Bars, step, BarBasis::Trades));
    let problem = ended_by((1..=65).map(bars).collect());
    assert!(problem.contains("65 kinds of bar"), "{problem}");
}

#[test]
fn a_modify_after_a_cancel_is_refused_and_nothing_is_wrong() {
    let answers = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&answers);
    let mut sent = false;
    let strategy = Toy(
        move |event: &Event, _: &StrategyBook, out: &mut Vec<Action>| {
            if let Body::Order(update) = event.body() {
                log.lock().unwrap().push(update.status);
                if update.status == OrderStatus::Accepted {
                    let modify = Modify {
                        reserved: Pad::ZERO,
                        stop_price: Price::ZERO,
                        trail: 0,
                        order: 1,
                        price: Price(8_000),
                        size: Size(2),
                    };
                    out.extend([
                        Action::Modify(modify),
                        Action::Cancel(1),
                        Action::Modify(modify),
                    ]);
                }
            } else if !std::mem::replace(&mut sent, true) {
                let limit = order(1, OrderType::Limit, Side::Buy, 9_000, 1);
                out.push(Action::Submit(limit));
            }
            Ok(())
        },
    );
    let config = EngineConfig {
        risk: loose(),
        ..EngineConfig::default()
    };
    let (report, notices) = run(
        3,
        200,
        config,
        vec![("hasty", quotes(), Box::new(strategy))],
    );
    let wrong = notices
        .iter()
        .find(|notice| matches!(notice, Notice::Anomaly { .. } | Notice::Denied { .. }));
    assert!(wrong.is_none(), "{wrong:?}");
    assert!(report.status.denied.is_empty());
    use OrderStatus as S;
    assert_eq!(
        *answers.lock().unwrap(),
        [
            S::Submitted,
            S::Accepted,
            S::PendingModify,
            S::PendingCancel,
            S::ModifyRejected,
            S::Replaced,
            S::Canceled
        ]
    );
}

#[test]
fn modifies_under_way_count_at_their_worst_until_the_venue_has_answered_each() {
    // Two modifies in one call; when the first is answered, another order must still see the second.
    let (mut seen, mut sent) = (0, false);
    let strategy = Toy(
        move |event: &Event, _: &StrategyBook, out: &mut Vec<Action>| {
            let modify = |size| {
                Action::Modify(Modify {
                    reserved: Pad::ZERO,
                    stop_price: Price::ZERO,
                    trail: 0,
                    order: 1,
                    price: Price(9_000),
                    size: Size(size),
                })
            };
            if let Body::Order(update) = event.body() {
                match update.status {
                    OrderStatus::Accepted if update.order == 1 => {
                        out.extend([modify(2), modify(15), modify(500)]);
                    }
                    OrderStatus::ModifyRejected | OrderStatus::Replaced if seen < 3 => {
                        seen += 1;
                        let second = order(1 + seen, OrderType::Limit, Side::Buy, 9_000, 10);
                        out.push(Action::Submit(second));
                    }
                    _ => {}
                }
            } else if event.kind() == Kind::Quote && !sent {
                sent = true;
                let first = order(1, OrderType::Limit, Side::Buy, 9_000, 1);
                out.push(Action::Submit(first));
            }
            Ok(())
        },
    );
    // 20 at 90.00 is the most.
    let default = OrderLimits {
        max_position_notional: Some(Amount(1_800)),
        ..loose().default
    };
    let config = EngineConfig {
        risk: RiskConfig {
            default,
            ..RiskConfig::default()
        },
        ..EngineConfig::default()
    };
    let strategies: Vec<(&str, _, Box<dyn Strategy>)> =
        vec![("modifier", quotes(), Box::new(strategy))];
    let (report, notices) = run(5, 300, config, strategies);
    // The modify to 500, and every order of 10 beside the 15.
    assert_eq!(
        report.status.denied.get(&Reason::MaxPosition),
        Some(&4),
        "{notices:?}"
    );
}

#[test]
fn pause_reduce_and_kill_do_what_they_say() {
    use tickdeck_engine::OperatorCommand;
    let play = |operate: OperatorCommand| {
        let config = EngineConfig {
            risk: loose(),
            ..EngineConfig::default()
        };
        let strategies = vec![("buyer", quotes(), buyer())];
        let engine = toy::engine(3, 300, config, strategies);
        engine.controls().order(operate);
        engine.run(&mut toy::Notices::default()).unwrap().status
    };
    for (operate, reason) in [
        (OperatorCommand::Pause(None), Reason::Paused),
        (OperatorCommand::Pause(Some(StrategyId(1))), Reason::Paused),
        (OperatorCommand::Reduce(None), Reason::ReduceOnly),
        (OperatorCommand::Kill, Reason::Killed),
    ] {
        let status = play(operate);
        // The order is taken at the end of the first window.
        let denied = status.denied.get(&reason).copied().unwrap_or_default();
        assert!(denied > 100 && status.fills < 10, "{operate:?}: {status:?}");
        assert_eq!(status.killed, operate == OperatorCommand::Kill);
    }
    let status = play(OperatorCommand::Pause(Some(StrategyId(2))));
    assert!(
        status.denied.is_empty(),
        "another strategy's pause: {status:?}"
    );
}

#[test]
fn a_kill_takes_every_order_off_the_book_even_of_a_strategy_that_holds_them() {
    for (killed, expected) in [(false, 1), (true, 0)] {
        let mut sent = false;
        let resting = Toy(
            move |event: &Event, _: &StrategyBook, out: &mut Vec<Action>| {
                if event.kind() == Kind::Quote && !sent {
                    sent = true;
                    out.push(Action::Submit(order(
                        1,
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
            ..EngineConfig::default()
        };
        let strategies: Vec<(&str, _, Box<dyn Strategy>)> =
            vec![("resting", quotes(), Box::new(resting))];
        let policy = tickdeck_engine::port::OrderPolicy::Hold;
        let engine = toy::engine_with(policy, 3, 300, config, strategies);
        let controls = engine.controls();
        let mut killer = toy::At(1, move || {
            if killed {
                controls.order(tickdeck_engine::OperatorCommand::Kill);
            }
        });
        let report = engine.run(&mut killer).unwrap();
        assert_eq!(report.status.working.len(), expected, "killed: {killed}");
    }
}
