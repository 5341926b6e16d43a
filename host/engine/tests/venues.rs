//! Several venues in one engine: orders go to the venue that lists their instrument, whatever the batching, the workers
//! and the way the kernel steps; and a venue with a thread of its own wakes a parked kernel.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tickdeck_engine::port::{
    Clock, Command, Continuity, Due, Gateway, GatewayError, Strategy, VenueTerms, Version, Waker,
};
use tickdeck_engine::{Ending, Engine, EngineConfig, EngineError, Report, Stepping, Wait};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::reel::{Item, Played, Reel};
use toy::{NoClock, Notices, Once, Ticking, Toy, ToyVenue, feed, order, version};

/// Market events of the two venues; one is over long before the other.
const EVENTS: [u64; 2] = [4_000, 2_500];

/// A thread gives up waiting after this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn two_venues() -> Vec<Box<dyn Gateway>> {
    let [first, second] = EVENTS;
    vec![
        Box::new(ToyVenue::new(7, first)),
        Box::new(ToyVenue::new(11, second).named("OTHER")),
    ]
}

fn config(stepping: Stepping, workers: usize) -> EngineConfig {
    let mut config = EngineConfig {
        stepping,
        workers,
        ..EngineConfig::default()
    };
    let limits = &mut config.risk.default;
    (limits.order_rate, limits.duplicate_window_ns) = (None, None);
    config
}

/// Takes the quotes and trades of both venues.
fn both_markets() -> Version {
    let of = |target| {
        let kinds = [Feed::Quotes, Feed::Trades];
        kinds.map(|kind| FeedRequest {
            target,
            ..feed(kind, 0, BarBasis::Time)
        })
    };
    version("1.0.0", [of(0), of(1)].concat(), Arc::new(Once))
}

/// Alternately buys and sells one at every `every`-th quote: a quote of one venue causes an order at the other.
fn crosser(every: u64) -> Box<dyn Strategy> {
    let (mut quotes, mut number) = (0, 0);
    Box::new(Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            let Body::Quote(quote) = event.body() else {
                return Ok(());
            };
            quotes += 1;
            if quotes % every == 0 {
                number += 1;
                let side = if number % 4 < 2 {
                    Side::Buy
                } else {
                    Side::Sell
                };
                actions.push(Action::Submit(Submit {
                    instrument: InstrumentId(1 - quote.instrument.0),
                    ..order(number, OrderType::Market, side, 0, 1)
                }));
            }
            Ok(())
        },
    ))
}

fn crossers() -> Vec<(&'static str, Version, Box<dyn Strategy>)> {
    let periods = [("one", 13), ("two", 29), ("three", 41)];
    periods
        .map(|(name, every)| (name, both_markets(), crosser(every)))
        .into()
}

fn lockstep(config: EngineConfig) -> Engine {
    toy::try_engine_on(two_venues(), Box::new(NoClock), config, crossers()).unwrap()
}

fn free(config: EngineConfig) -> Engine {
    let (clock, _) = Ticking::new(50);
    toy::try_engine_on(two_venues(), clock, config, crossers()).unwrap()
}

/// Runs an engine, and returns what it recorded.
fn recorded(mut engine: Engine) -> (Vec<Item>, Report) {
    let reel = Reel::default();
    engine.record(reel.recorder());
    let report = engine.run(&mut Notices::default()).unwrap();
    (reel.all(), report)
}

/// Asserts that both venues were traded on, and that every order ended at its venue.
fn assert_traded_on_both(items: &[Item], report: &Report) {
    assert_eq!(report.ending, Ending::TapeOver);
    let fills_of = |instrument| {
        let of_it = |item: &&Item| match item {
            Item::Event(event) => match event.body() {
                Body::Fill(fill) => fill.instrument == InstrumentId(instrument),
                _ => false,
            },
            Item::Effect(..) => false,
        };
        items.iter().filter(of_it).count() as u64
    };
    let fills = [fills_of(0), fills_of(1)];
    assert!(fills.iter().all(|fills| *fills > 50), "{fills:?}");
    let denied: u64 = report.status.denied.values().sum();
    assert_eq!(report.status.fills, fills[0] + fills[1]);
    assert_eq!(report.status.fills + denied, report.status.orders);
    assert!(report.status.working.is_empty());
    let seen = report.status.instruments.iter().map(|one| one.events);
    assert_eq!(seen.collect::<Vec<_>>(), EVENTS);
}

#[test]
fn two_venues_in_lockstep_give_the_same_run_with_any_batching_and_any_workers() {
    let (items, expected) = recorded(lockstep(config(Stepping::Lockstep, 1)));
    assert_traded_on_both(&items, &expected);
    for workers in [1, 2, 3] {
        for (max_batch, split_seed) in [(1, None), (7, None), (1_024, Some(3)), (64, Some(9))] {
            let config = EngineConfig {
                max_batch,
                split_seed,
                ..config(Stepping::Lockstep, workers)
            };
            let report = lockstep(config).run(&mut Notices::default()).unwrap();
            let which = format!("{workers} workers, {max_batch} a batch");
            assert_eq!(report.tape_hash, expected.tape_hash, "{which}");
            assert_eq!(report.actions_hash, expected.actions_hash, "{which}");
        }
    }
}

#[test]
fn two_venues_are_traded_freely_and_every_order_comes_back() {
    for workers in [1, 3] {
        let (items, report) = recorded(free(config(Stepping::Free, workers)));
        assert_traded_on_both(&items, &report);
    }
}

#[test]
fn a_run_on_two_venues_is_replayed_equal_in_lockstep_and_freely() {
    type Make = fn(EngineConfig) -> Engine;
    let kinds: [(Stepping, Make); 2] = [(Stepping::Lockstep, lockstep), (Stepping::Free, free)];
    for (stepping, engine) in kinds {
        let (items, report) = recorded(engine(config(stepping, 2)));
        for workers in [1, 3] {
            let replayed = engine(config(stepping, workers))
                .replay(&mut Played::of(&items, &[]), &mut Notices::default())
                .unwrap();
            assert_eq!(replayed.divergence, None, "{stepping:?}");
            assert!(replayed.ended);
            assert_eq!(replayed.report.tape_hash, report.tape_hash);
            assert_eq!(replayed.report.actions_hash, report.actions_hash);
        }
    }
}

#[test]
fn an_interrupted_run_on_two_venues_is_resumed_as_if_it_had_not_been() {
    let (items, report) = recorded(lockstep(config(Stepping::Lockstep, 2)));
    for cut in (100..items.len()).step_by(items.len() / 7) {
        let mut engine = lockstep(config(Stepping::Lockstep, 1));
        let mut tape = Played::of(&items[..cut], &[]);
        engine.resume(&mut tape, &mut Notices::default()).unwrap();
        let resumed = engine.run(&mut Notices::default()).unwrap();
        assert_eq!(resumed.tape_hash, report.tape_hash, "cut at {cut}");
        assert_eq!(resumed.actions_hash, report.actions_hash, "cut at {cut}");
    }
}

#[test]
fn a_run_with_a_venue_that_lives_on_is_not_resumed() {
    let venues: Vec<Box<dyn Gateway>> = vec![
        Box::new(ToyVenue::new(7, 100)),
        Box::new(ToyVenue::new(11, 100).named("LIVE").living_on()),
    ];
    let config = config(Stepping::Lockstep, 1);
    let mut engine = toy::try_engine_on(venues, Box::new(NoClock), config, crossers()).unwrap();
    let resumed = engine.resume(&mut Played::of(&[], &[]), &mut Notices::default());
    let error = resumed.unwrap_err();
    assert!(matches!(&error, EngineError::LivesOn { venue } if venue == "LIVE"));
    assert!(error.to_string().contains("`LIVE` lives on"), "{error}");
}

/// Quotes that the threaded venue sends, each after the order that the one before caused.
const ROUNDS: u64 = 1_000;

/// What the threaded venue's thread and its gateway share.
#[derive(Default)]
struct Link {
    events: VecDeque<Event>,
    over: bool,
}

/// A venue with a thread of its own, which quotes, waits for the order, and quotes again. Its gateway never says when
/// something is due: without the waker the kernel would not look again.
struct ThreadedVenue {
    link: Arc<Mutex<Link>>,
    orders: Sender<(ClientOrderId, Submit)>,
    market: Option<Receiver<(ClientOrderId, Submit)>>,
}

impl ThreadedVenue {
    fn new() -> Self {
        let (orders, market) = channel();
        Self {
            link: Arc::default(),
            orders,
            market: Some(market),
        }
    }
}

/// The venue's own thread.
fn trade(link: &Mutex<Link>, orders: &Receiver<(ClientOrderId, Submit)>, waker: &Waker) {
    let put = |at: Timestamp, body: Body| {
        link.lock()
            .unwrap()
            .events
            .push_back(Event::new(at, at, body));
        waker.wake();
    };
    for round in 0..ROUNDS {
        let at = 1_000_000 * (round as i64 + 1);
        let quote = Quote {
            reserved: Pad::ZERO,
            instrument: InstrumentId(0),
            pad: Pad::ZERO,
            bid: Price(9_999),
            bid_size: Size(1),
            ask: Price(10_000),
            ask_size: Size(1),
        };
        put(at, quote.into());
        // Without an order the feed ends early, and the test fails.
        let Ok((id, order)) = orders.recv_timeout(PATIENCE) else {
            break;
        };
        put(
            at + 1,
            toy::update(id, &order, OrderStatus::Rejected).into(),
        );
    }
    link.lock().unwrap().over = true;
    waker.wake();
}

impl Gateway for ThreadedVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        let terms = ToyVenue::new(1, 0).register(registry)?;
        Ok(VenueTerms {
            continuity: Continuity::LivesOn,
            lookahead_ns: 1,
            ..terms
        })
    }

    fn set_waker(&mut self, waker: Waker) {
        let (link, market) = (Arc::clone(&self.link), self.market.take().unwrap());
        std::thread::spawn(move || trade(&link, &market, &waker));
    }

    fn send(&mut self, _: Timestamp, command: Command) {
        if let Command::Submit { id, order } = command {
            self.orders.send((id, order)).unwrap();
        }
    }

    fn next_due(&mut self) -> Due {
        let link = self.link.lock().unwrap();
        match link.over && link.events.is_empty() {
            true => Due::Over,
            false => Due::Idle,
        }
    }

    fn poll(&mut self, _: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        out.extend(self.link.lock().unwrap().events.drain(..));
        Ok(())
    }
}

/// Event time is far ahead of the venue's, and measured time stands still: neither makes the kernel look again.
struct StandingClock;

impl Clock for StandingClock {
    fn wait_until(&mut self, _: Timestamp) {}

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        1_000_000_000_000_000
    }

    fn now_ns(&self) -> u64 {
        0
    }
}

#[test]
fn a_venue_s_own_thread_wakes_a_parked_kernel_and_no_wake_up_is_lost() {
    for spins in [0, 3, 100] {
        let mut config = config(Stepping::Free, 1);
        config.wait = Wait::SpinThenPark { spins };
        config.risk.default.max_quote_age_ns = None;
        let quotes = version(
            "1.0.0",
            vec![feed(Feed::Quotes, 0, BarBasis::Time)],
            Arc::new(Once),
        );
        let mut number = 0;
        let answering = Toy(
            move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
                if event.kind() == Kind::Quote {
                    number += 1;
                    let order = order(number, OrderType::Limit, Side::Buy, 9_999, 1);
                    actions.push(Action::Submit(order));
                }
                Ok(())
            },
        );
        let strategies: Vec<(&str, Version, Box<dyn Strategy>)> =
            vec![("answering", quotes, Box::new(answering))];
        let clock = Box::new(StandingClock);
        let engine = toy::engine_at(ThreadedVenue::new(), clock, config, strategies);
        let report = engine.run(&mut Notices::default()).unwrap();
        assert_eq!(report.ending, Ending::TapeOver);
        assert_eq!(report.status.orders, ROUNDS, "with {spins} spins");
        assert!(report.status.denied.is_empty());
    }
}

#[test]
fn a_waker_of_no_kernel_can_be_called() {
    let waker = Waker::default();
    waker.clone().wake();
    waker.wake();
}

/// A venue that has one more event after its last: at the end of time.
struct EndlessVenue {
    inner: ToyVenue,
    last: Timestamp,
}

impl Gateway for EndlessVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.inner.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        self.inner.send(at, command);
    }

    fn next_due(&mut self) -> Due {
        match self.inner.next_due() {
            Due::Over => Due::At(self.last),
            due => due,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        self.inner.poll(until, out)
    }
}

#[test]
fn a_venue_with_an_event_behind_the_end_of_time_fails_by_name_and_the_run_ends() {
    for last in [END_OF_TIME, Timestamp::MAX - 1, Timestamp::MAX] {
        let venue = EndlessVenue {
            inner: ToyVenue::new(7, 50),
            last,
        };
        let engine = toy::engine_at(
            venue,
            Box::new(NoClock),
            config(Stepping::Lockstep, 1),
            Vec::new(),
        );
        let mut notices = Notices::default();
        let report = engine.run(&mut notices).unwrap();
        assert_eq!(report.ending, Ending::Broken);
        let said = format!("{:?}", notices.0);
        assert!(
            said.contains("event time ends before 2250-01-01: play it up to there"),
            "{said}"
        );
    }
}

/// Delivers one event once more after it delivered a later one.
struct LateVenue {
    inner: ToyVenue,
    first: Option<Event>,
    polls: u32,
}

impl Gateway for LateVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.inner.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        self.inner.send(at, command);
    }

    fn next_due(&mut self) -> Due {
        self.inner.next_due()
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let start = out.len();
        self.inner.poll(until, out)?;
        self.polls += 1;
        match self.first {
            Some(first) if self.polls == 20 => out.push(first),
            Some(_) => {}
            None => self.first = out.get(start).copied(),
        }
        Ok(())
    }
}

#[test]
fn a_venue_that_delivers_an_event_too_late_fails_by_name_and_the_run_ends() {
    for workers in [1, 2] {
        let venue = LateVenue {
            inner: ToyVenue::new(7, 500),
            first: None,
            polls: 0,
        };
        let engine = toy::engine_at(
            venue,
            Box::new(NoClock),
            config(Stepping::Lockstep, workers),
            Vec::new(),
        );
        let mut notices = Notices::default();
        let report = engine.run(&mut notices).unwrap();
        assert_eq!(report.ending, Ending::Broken);
        assert!(report.status.events > 0 && report.status.events < 500);
        let said = format!("{:?}", notices.0);
        assert!(said.contains("TOY"), "{said}");
        assert!(said.contains("it delivered an event of"), "{said}");
    }
}
