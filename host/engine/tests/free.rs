//! The free-running kernel: no thread waits for another, yet nothing is lost or delivered twice.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tickdeck_engine::port::{
    Code, Command, Due, Fault, Gateway, GatewayError, SaveFailed, State, Strategy, VenueTerms,
};
use tickdeck_engine::{
    ChangeResult, Ending, Engine, EngineConfig, EngineError, EngineHandle, InstrumentLimits,
    Notice, Observer, OperatorCommand, Status, Stepping, StrategyChange,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::{Notices, Once, Ticking, Toy, ToyVenue, feed, order, version};

const EVENTS: u64 = 5_000;

/// A tape long enough that threads interact before it ends.
const LONG: u64 = 500_000;

/// A test that would wait forever fails after this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Event time per poll.
const STEP_NS: i64 = 50;

fn free(workers: usize) -> EngineConfig {
    let mut config = EngineConfig {
        stepping: Stepping::Free,
        workers,
        ..EngineConfig::default()
    };
    let limits = &mut config.risk.default;
    (limits.order_rate, limits.duplicate_window_ns) = (None, None);
    config
}

type Cast = Vec<(
    &'static str,
    tickdeck_engine::port::Version,
    Box<dyn Strategy>,
)>;

fn engine(config: EngineConfig, strategies: Cast) -> Engine {
    engine_for(EVENTS, config, strategies)
}

fn engine_for(events: u64, config: EngineConfig, strategies: Cast) -> Engine {
    let (clock, _) = Ticking::new(STEP_NS);
    toy::engine_at(ToyVenue::new(7, events), clock, config, strategies)
}

/// A realistic venue: it may be silent at first, never ends, and may lose commands.
struct Real {
    venue: ToyVenue,
    silent: u32,
    loses_changes: bool,
    /// How many events a strategy has handled.
    handled: Arc<AtomicU64>,
    at_send: Arc<Mutex<Vec<u64>>>,
}

impl Real {
    fn new(events: u64) -> Self {
        Self {
            venue: ToyVenue::new(7, events),
            silent: 0,
            loses_changes: false,
            handled: Arc::default(),
            at_send: Arc::default(),
        }
    }
}

impl Gateway for Real {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.venue.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        let handled = self.handled.load(Ordering::Relaxed);
        self.at_send.lock().unwrap().push(handled);
        if !self.loses_changes || !matches!(command, Command::Modify { .. }) {
            self.venue.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        if self.silent > 0 {
            self.silent -= 1;
            return Due::Idle;
        }
        match self.venue.next_due() {
            Due::Over => Due::Idle,
            due => due,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        self.venue.poll(until, out)
    }
}

/// An order that rests below the market, sent at the first quote.
fn resting() -> Box<dyn Strategy> {
    let mut sent = false;
    Box::new(Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if event.kind() == Kind::Quote && !std::mem::replace(&mut sent, true) {
                let order = order(1, OrderType::Limit, Side::Buy, 9_900, 1);
                actions.push(Action::Submit(order));
            }
            Ok(())
        },
    ))
}

/// Does something at each status, counted from 1.
struct AtEach<F>(u32, F);

impl<F: FnMut(u32)> Observer for AtEach<F> {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, _: &Status) {
        self.0 += 1;
        (self.1)(self.0);
    }
}

fn quotes_and_trades() -> tickdeck_engine::port::Version {
    let feeds = [Feed::Quotes, Feed::Trades].map(|kind| feed(kind, 0, BarBasis::Time));
    version("1.0.0", feeds.into(), Arc::new(Once))
}

/// What a strategy saw of the market: the number of events, and an order-dependent hash of them.
type Heard = Arc<Mutex<(u64, u64)>>;

/// Alternately buys and sells one at every tenth market event, and records what it saw.
fn trader(heard: &Heard) -> Box<dyn Strategy> {
    let heard = Arc::clone(heard);
    let (mut last, mut number) = (None, 0);
    Box::new(Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            assert!(last < Some(event.sequence), "in order, and none twice");
            last = Some(event.sequence);
            if !matches!(event.kind(), Kind::Quote | Kind::Trade) {
                return Ok(());
            }
            let mut heard = heard.lock().unwrap();
            heard.0 += 1;
            heard.1 = heard.1.wrapping_mul(31).wrapping_add(event.sequence);
            if heard.0.is_multiple_of(10) {
                number += 1;
                let side = if number % 2 == 1 {
                    Side::Buy
                } else {
                    Side::Sell
                };
                let order = order(number, OrderType::Market, side, 0, 1);
                actions.push(Action::Submit(order));
            }
            Ok(())
        },
    ))
}

#[test]
fn every_strategy_hears_everything_in_order_and_every_order_comes_back() {
    for workers in 1..=3 {
        let heard: [Heard; 3] = Default::default();
        let names = ["one", "two", "three"];
        let cast = names.into_iter().zip(&heard);
        let cast = cast.map(|(name, heard)| (name, quotes_and_trades(), trader(heard)));
        let mut notices = Notices::default();
        let report = engine(free(workers), cast.collect());
        // The run itself checks that the replicas of the store agree.
        let report = report.run(&mut notices).unwrap();
        assert_eq!(report.ending, Ending::TapeOver);
        let first = *heard[0].lock().unwrap();
        assert_eq!(first.0, EVENTS, "with {workers} workers");
        for other in &heard[1..] {
            assert_eq!(*other.lock().unwrap(), first, "all hear the same");
        }
        assert_eq!(report.status.orders, 3 * EVENTS / 10);
        let denied: u64 = report.status.denied.values().sum();
        assert_eq!(report.status.fills, report.status.orders - denied);
        assert!(report.status.working.is_empty());
        assert!(report.status.fills > EVENTS / 10, "most orders are filled");
        assert!(report.first_action_ns.is_some());
    }
}

#[test]
fn a_strategy_that_does_not_return_holds_up_nobody_with_another_worker() {
    let (tell, wait) = channel::<()>();
    let mut waits = true;
    let stuck = Toy(move |_: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
        if std::mem::take(&mut waits) {
            // In lockstep this never arrives: the other strategy would wait for this one.
            wait.recv_timeout(PATIENCE).unwrap();
        }
        Ok(())
    });
    let mut count = 0;
    let other = Toy(move |_: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
        count += 1;
        if count == EVENTS / 2 {
            tell.send(()).unwrap();
        }
        Ok(())
    });
    let cast: Cast = vec![
        ("stuck", quotes_and_trades(), Box::new(stuck)),
        ("other", quotes_and_trades(), Box::new(other)),
    ];
    let report = engine(free(2), cast).run(&mut Notices::default()).unwrap();
    for strategy in &report.status.strategies {
        assert_eq!(strategy.events, EVENTS, "{}", strategy.name);
    }
}

#[test]
fn a_kill_takes_orders_off_the_book_while_a_strategy_does_not_return() {
    let (tell, wait) = channel::<()>();
    let mut waits = true;
    let stuck = Toy(move |_: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
        if std::mem::take(&mut waits) {
            wait.recv_timeout(PATIENCE).unwrap();
        }
        Ok(())
    });
    let controls: Arc<OnceLock<EngineHandle>> = Arc::default();
    let (operator, mut sent) = (Arc::clone(&controls), false);
    let resting = Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if event.kind() == Kind::Quote && !std::mem::replace(&mut sent, true) {
                let order = order(1, OrderType::Limit, Side::Buy, 9_900, 1);
                actions.push(Action::Submit(order));
            }
            match event.body() {
                Body::Order(update) if update.status == OrderStatus::Accepted => {
                    operator.get().unwrap().order(OperatorCommand::Kill);
                }
                Body::Order(update) if update.status == OrderStatus::Canceled => {
                    tell.send(()).unwrap();
                }
                _ => {}
            }
            Ok(())
        },
    );
    let cast: Cast = vec![
        ("stuck", quotes_and_trades(), Box::new(stuck)),
        ("resting", quotes_and_trades(), Box::new(resting)),
    ];
    let engine = engine_for(LONG, free(2), cast);
    controls.get_or_init(|| engine.controls());
    let report = engine.run(&mut Notices::default()).unwrap();
    assert!(report.status.working.is_empty());
    assert_eq!(report.status.orders, 1);
}

/// Removes a strategy at the first status, and checks that it left.
struct Removes {
    controls: EngineHandle,
    id: StrategyId,
    answer: Option<std::sync::mpsc::Receiver<Result<ChangeResult, String>>>,
    removed: Arc<AtomicBool>,
}

impl Observer for Removes {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, _: &Status) {
        let answer = &mut self.answer;
        let answer =
            answer.get_or_insert_with(|| self.controls.change(StrategyChange::Remove(self.id)));
        if let Ok(answer) = answer.try_recv() {
            assert!(matches!(answer, Ok(ChangeResult::Removed(Some(_)))));
            self.removed.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_strategy_leaves_while_the_others_trade_on() {
    let heard: [Heard; 2] = Default::default();
    let cast: Cast = vec![
        ("leaves", quotes_and_trades(), trader(&heard[0])),
        ("stays", quotes_and_trades(), trader(&heard[1])),
    ];
    let engine = engine(free(2), cast);
    let removed = Arc::new(AtomicBool::new(false));
    let mut observer = Removes {
        controls: engine.controls(),
        id: StrategyId(1),
        answer: None,
        removed: Arc::clone(&removed),
    };
    let report = engine.run(&mut observer).unwrap();
    assert!(removed.load(Ordering::Relaxed));
    assert!(heard[0].lock().unwrap().0 < EVENTS);
    assert_eq!(heard[1].lock().unwrap().0, EVENTS);
    assert!(report.status.working.is_empty());
}

#[test]
fn a_worker_that_panics_is_an_error_and_not_a_hang() {
    let panics = Toy(|event: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
        assert!(event.sequence < 100, "a bug in the host");
        Ok(())
    });
    let cast: Cast = vec![("panics", quotes_and_trades(), Box::new(panics))];
    let error = engine(free(1), cast).run(&mut Notices::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("panicked: a bug in the host"), "{error}");
}

#[test]
fn a_clock_that_never_waits_is_refused() {
    let config = free(1);
    let made = toy::try_engine_at(
        ToyVenue::new(7, EVENTS),
        Box::new(toy::NoClock),
        config,
        Vec::new(),
    );
    let Err(EngineError::Setting { name, .. }) = made.map(|_| ()) else {
        panic!("it must be refused");
    };
    assert_eq!(name, "stepping");
}

#[test]
fn a_timer_set_late_fires_once_and_time_never_falls() {
    let fired = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&fired);
    let mut last = 0;
    let timed = Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            assert!(event.ts_host >= last, "host time never falls");
            last = event.ts_host;
            match event.kind() {
                Kind::Timer => drop(counter.fetch_add(1, Ordering::Relaxed)),
                Kind::Quote if counter.load(Ordering::Relaxed) == 0 => {
                    // In the past by the time the kernel gets it.
                    let due = event.ts_host - 500;
                    actions.push(Action::SetTimer(TimerRequest {
                        id: 1,
                        pad: Pad::ZERO,
                        due,
                    }));
                }
                _ => {}
            }
            Ok(())
        },
    );
    let cast: Cast = vec![("timed", quotes_and_trades(), Box::new(timed))];
    // A short ring: the tape is not over before the worker got its turn.
    let mut config = free(1);
    config.ring_capacity = 64;
    engine(config, cast).run(&mut Notices::default()).unwrap();
    assert!(fired.load(Ordering::Relaxed) >= 1);
}

#[test]
fn a_venue_that_is_silent_at_first_is_heard_when_it_speaks() {
    let heard: Heard = Arc::default();
    let mut venue = Real::new(EVENTS);
    venue.silent = 3;
    let (clock, _) = Ticking::new(STEP_NS);
    let cast: Cast = vec![("one", quotes_and_trades(), trader(&heard))];
    let engine = toy::engine_at(venue, clock, free(1), cast);
    let (controls, count) = (engine.controls(), Arc::clone(&heard));
    let mut observer = AtEach(0, move |_| {
        if count.lock().unwrap().0 == EVENTS {
            controls.stop();
        }
    });
    engine.run(&mut observer).unwrap();
    assert_eq!(heard.lock().unwrap().0, EVENTS);
}

#[test]
fn a_stop_on_a_market_that_fell_silent_long_ago_waits_for_the_cancels() {
    let (clock, event) = Ticking::new(STEP_NS);
    let cast: Cast = vec![("resting", quotes_and_trades(), resting())];
    let engine = toy::engine_at(Real::new(50), clock, free(1), cast);
    let controls = engine.controls();
    let mut observer = AtEach(0, move |status| {
        if status == 1_000 {
            event.fetch_add(300_000_000_000, Ordering::Relaxed);
            controls.stop();
        }
    });
    let report = engine.run(&mut observer).unwrap();
    assert_eq!(report.status.orders, 1);
    assert!(report.status.working.is_empty());
}

/// Code that can be started again, and does nothing.
struct Idle;

impl Code for Idle {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let nothing = |_: &Event, _: &StrategyBook, _: &mut Vec<Action>| Ok(());
        Ok(Box::new(Toy(nothing)))
    }

    fn restore(&self, _: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        Err(Fault("it keeps no state".to_owned()))
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[]
    }
}

#[test]
fn a_version_is_swapped_on_a_silent_market_too() {
    let (clock, _) = Ticking::new(STEP_NS);
    let cast: Cast = vec![("resting", quotes_and_trades(), resting())];
    let engine = toy::engine_at(Real::new(50), clock, free(1), cast);
    let controls = engine.controls();
    let swapped = Arc::new(AtomicBool::new(false));
    let (told, mut answer) = (Arc::clone(&swapped), None);
    let mut observer = AtEach(0, move |status| {
        if status == 1_000 {
            let mut to = version("2.0.0", quotes_and_trades().feeds, Arc::new(Idle));
            to.swap.save_failed = SaveFailed::Fresh;
            answer = Some(controls.change(StrategyChange::Swap(StrategyId(1), Box::new(to))));
        }
        if let Some(Ok(answer)) = answer.as_ref().map(std::sync::mpsc::Receiver::try_recv) {
            assert!(matches!(answer, Ok(ChangeResult::Swapped(_))));
            told.store(true, Ordering::Relaxed);
            controls.stop();
        } else if status == 100_000 {
            controls.stop();
        }
    });
    engine.run(&mut observer).unwrap();
    assert!(swapped.load(Ordering::Relaxed));
}

#[test]
fn an_order_that_comes_through_late_is_held_to_the_age_of_the_quote_when_it_leaves() {
    let (clock, event) = Ticking::new(STEP_NS);
    let mut sent = false;
    let slow = Toy(
        move |quote: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if quote.kind() == Kind::Quote && !std::mem::replace(&mut sent, true) {
                event.fetch_add(100_000_000_000, Ordering::Relaxed);
                let order = order(1, OrderType::Limit, Side::Buy, 9_990, 1);
                actions.push(Action::Submit(order));
            }
            Ok(())
        },
    );
    let cast: Cast = vec![("slow", quotes_and_trades(), Box::new(slow))];
    let engine = toy::engine_at(Real::new(50), clock, free(1), cast);
    let controls = engine.controls();
    let mut observer = AtEach(0, move |status| {
        if status == 10_000 {
            controls.stop();
        }
    });
    let report = engine.run(&mut observer).unwrap();
    let stale = report.status.denied.get(&Reason::StaleData);
    assert_eq!((report.status.orders, stale), (1, Some(&1)));
}

#[test]
fn a_refusal_of_ours_that_comes_late_is_not_taken_for_the_venue_s() {
    let mut config = free(1);
    let limit = InstrumentLimits {
        max_position: Some(Size(5)),
        ..InstrumentLimits::default()
    };
    config.risk.instruments.insert(InstrumentId(0), limit);
    config.risk.default.max_quote_age_ns = None;
    let controls: Arc<OnceLock<EngineHandle>> = Arc::default();
    let (operator, mut sent) = (Arc::clone(&controls), false);
    let denied = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&denied);
    let modify = |size| {
        Action::Modify(Modify {
            reserved: Pad::ZERO,
            stop_price: Price::ZERO,
            trail: 0,
            order: 1,
            price: Price(9_900),
            size: Size(size),
        })
    };
    let strategy = Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if event.kind() == Kind::Quote && !std::mem::replace(&mut sent, true) {
                let order = order(1, OrderType::Limit, Side::Buy, 9_900, 1);
                actions.push(Action::Submit(order));
            }
            let Body::Order(update) = event.body() else {
                return Ok(());
            };
            match (update.order, update.status) {
                (1, OrderStatus::Accepted) => actions.extend([modify(4), modify(9)]),
                // 4 under way and 4 more are beyond the limit of 5.
                (1, OrderStatus::ModifyRejected) => {
                    let order = order(2, OrderType::Limit, Side::Buy, 9_900, 4);
                    actions.push(Action::Submit(order));
                }
                (2, status) if status != OrderStatus::Submitted => {
                    told.store(status == OrderStatus::Denied, Ordering::Relaxed);
                    operator.get().unwrap().stop();
                }
                _ => {}
            }
            Ok(())
        },
    );
    let mut venue = Real::new(LONG);
    venue.loses_changes = true;
    let (clock, _) = Ticking::new(STEP_NS);
    let cast: Cast = vec![("one", quotes_and_trades(), Box::new(strategy))];
    let engine = toy::engine_at(venue, clock, config, cast);
    controls.get_or_init(|| engine.controls());
    engine.run(&mut Notices::default()).unwrap();
    assert!(denied.load(Ordering::Relaxed));
}

#[test]
fn an_order_leaves_before_a_backlog_is_worked_off() {
    let venue = Real::new(EVENTS);
    let (handled, at_send) = (Arc::clone(&venue.handled), Arc::clone(&venue.at_send));
    let mut inner = resting();
    let counter = Arc::clone(&handled);
    let strategy = Toy(
        move |event: &Event, book: &StrategyBook, actions: &mut Vec<Action>| {
            counter.fetch_add(1, Ordering::Relaxed);
            inner.on_events(&[*event], &mut Box::new(book.clone()), actions)?;
            Ok(())
        },
    );
    // Everything is due at the first poll.
    let (clock, _) = Ticking::new(1_000_000_000);
    let mut config = free(1);
    config.ring_capacity = 64;
    config.risk.default.max_quote_age_ns = None;
    let cast: Cast = vec![("one", quotes_and_trades(), Box::new(strategy))];
    let engine = toy::engine_at(venue, clock, config, cast);
    let controls = engine.controls();
    let mut observer = AtEach(0, move |_| {
        if handled.load(Ordering::Relaxed) >= EVENTS {
            controls.stop();
        }
    });
    engine.run(&mut observer).unwrap();
    let first = at_send.lock().unwrap()[0];
    assert!(first < EVENTS / 2, "{first} events were handled by then");
}

/// Sends an order at every quote.
struct Eager;

impl Code for Eager {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let mut number = book.next_order();
        Ok(Box::new(Toy(
            move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
                if event.kind() == Kind::Quote {
                    let order = order(number, OrderType::Limit, Side::Buy, 9_900, 1);
                    actions.push(Action::Submit(order));
                    number += 1;
                }
                Ok(())
            },
        )))
    }

    fn restore(&self, book: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        self.start(book)
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[]
    }
}

/// Sends one order; once that is working it has the host stopped, and traps when the kernel has begun to end the run.
struct TrapsAtTheEnd(EngineHandle, Arc<AtomicI64>);

impl Code for TrapsAtTheEnd {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let (controls, event_time) = (self.0.clone(), Arc::clone(&self.1));
        let mut number = Some(book.next_order());
        Ok(Box::new(Toy(
            move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
                match event.body() {
                    Body::Quote(_) => actions.extend(number.take().map(|number| {
                        Action::Submit(order(number, OrderType::Limit, Side::Buy, 9_900, 1))
                    })),
                    Body::Order(update) if update.status == OrderStatus::Accepted => {
                        controls.stop();
                        until_nobody_looks_at(&event_time);
                        return Err(Fault("a trap".to_owned()));
                    }
                    _ => {}
                }
                Ok(())
            },
        )))
    }

    fn restore(&self, book: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        self.start(book)
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[]
    }
}

/// Waits until the kernel reads no clock: it does not while it waits for the workers at the end.
fn until_nobody_looks_at(event_time: &AtomicI64) {
    loop {
        let seen = event_time.load(Ordering::Relaxed);
        (0..10_000).for_each(|_| std::thread::yield_now());
        if event_time.load(Ordering::Relaxed) == seen {
            return;
        }
    }
}

#[test]
fn a_version_that_fails_its_trial_while_the_host_stops_brings_nobody_back_to_trade() {
    let (clock, event_time) = Ticking::new(STEP_NS);
    let quiet = Toy(|_: &Event, _: &StrategyBook, _: &mut Vec<Action>| Ok(()));
    let feeds = || quotes_and_trades().feeds;
    let before = version("1.0.0", feeds(), Arc::new(Eager));
    let cast: Cast = vec![("one", before, Box::new(quiet))];
    let engine = toy::engine_at(Real::new(LONG), clock, free(1), cast);
    let code = TrapsAtTheEnd(engine.controls(), event_time);
    let to = Box::new(version("2.0.0", feeds(), Arc::new(code)));
    let swapped = engine
        .controls()
        .change(StrategyChange::Swap(StrategyId(1), to));
    let report = engine.run(&mut Notices::default()).unwrap();
    assert!(matches!(swapped.recv(), Ok(Ok(ChangeResult::Swapped(_)))));
    assert_eq!(report.status.orders, 1, "that of the version which trapped");
    assert!(report.status.working.is_empty());
}

/// A venue that never falls silent: a quote at every poll, up to a number of polls.
struct Chatty {
    venue: ToyVenue,
    polls: Arc<AtomicU64>,
}

const MOST_POLLS: u64 = 1_000_000;

impl Gateway for Chatty {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.venue.register(registry)
    }

    fn send(&mut self, _: Timestamp, _: Command) {}

    fn next_due(&mut self) -> Due {
        match self.polls.load(Ordering::Relaxed) {
            MOST_POLLS => Due::Over,
            _ => Due::At(1_000),
        }
    }

    fn poll(&mut self, _: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        if self.polls.load(Ordering::Relaxed) == MOST_POLLS {
            return Ok(());
        }
        self.polls.fetch_add(1, Ordering::Relaxed);
        let quote = Quote {
            reserved: Pad::ZERO,
            instrument: InstrumentId(0),
            pad: Pad::ZERO,
            bid: Price(9_999),
            bid_size: Size(1),
            ask: Price(10_000),
            ask_size: Size(1),
        };
        out.push(Event::new(1_000, 1_000, quote));
        Ok(())
    }
}

#[test]
fn a_worker_that_panics_is_noticed_while_the_market_never_falls_silent() {
    let polls: Arc<AtomicU64> = Arc::default();
    let venue = Chatty {
        venue: ToyVenue::new(7, 0),
        polls: Arc::clone(&polls),
    };
    let panics = Toy(|event: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
        assert!(event.sequence < 100, "a bug in the host");
        Ok(())
    });
    let (clock, _) = Ticking::new(STEP_NS);
    let cast: Cast = vec![("panics", quotes_and_trades(), Box::new(panics))];
    let engine = toy::engine_at(venue, clock, free(1), cast);
    let error = engine.run(&mut Notices::default()).unwrap_err().to_string();
    assert!(error.contains("panicked: a bug in the host"), "{error}");
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < MOST_POLLS, "noticed only at the end");
}
