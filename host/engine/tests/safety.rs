//! The safety path: a command holds whatever a strategy does, and a replay of the run denies the same.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tickdeck_engine::port::{
    Clock, Command, Due, Fault, Gateway, GatewayError, StopReason, Strategy, VenueTerms, Version,
};
use tickdeck_engine::{
    CommandInForce, Effect, Engine, EngineConfig, EngineHandle, Haste, Notice, NullObserver,
    Observer, OfferedBatches, OperatorCommand, RecordError, Recorder, Replayed, Report, Status,
    Stepping, StrategyChange,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::counting::{config, started, traits, version};
use toy::reel::{Item, Played, Reel};
use toy::{NoClock, Ticking, ToyVenue};

/// A test that would wait forever fails after this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// A tape that does not end before the test does.
const LONG: u64 = 500_000;
/// Event time per poll.
const STEP_NS: i64 = 50;

/// The places at which the kernel waits for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// In lockstep, at the end of a window, for one of two workers.
    AtTheBarrier,
    /// In lockstep, at the end of a window, for the only worker.
    ForTheOnlyWorker,
    /// Running freely, for space on the ring.
    ForSpace,
}

const ALL: [Waits; 3] = [
    Waits::AtTheBarrier,
    Waits::ForTheOnlyWorker,
    Waits::ForSpace,
];

impl Waits {
    fn config(self) -> EngineConfig {
        let workers = match self {
            Self::AtTheBarrier => 2,
            Self::ForTheOnlyWorker | Self::ForSpace => 1,
        };
        let stepping = match self {
            Self::ForSpace => Stepping::Free,
            _ => Stepping::Lockstep,
        };
        EngineConfig {
            stepping,
            ring_capacity: 64,
            ..config(workers, 64, None)
        }
    }

    fn clock(self) -> Box<dyn Clock> {
        match self {
            Self::AtTheBarrier => Box::new(NoClock),
            _ => Ticking::new(STEP_NS).0,
        }
    }
}

/// A venue that records the commands it was sent.
struct Telling(ToyVenue, Arc<Mutex<Vec<Command>>>);

impl Gateway for Telling {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.0.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        self.1.lock().unwrap().push(command);
        self.0.send(at, command);
    }

    fn next_due(&mut self) -> Due {
        self.0.next_due()
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        self.0.poll(until, out)
    }
}

/// Sends an order that rests and, once that is working, an order at every event; does something at one of its events.
struct Eager<F> {
    number: u64,
    works: bool,
    at: u64,
    seen: u64,
    act: Option<F>,
}

impl<F: FnOnce() + Send> Eager<F> {
    fn acting(at: u64, act: F) -> Box<Self> {
        Box::new(Self {
            number: 0,
            works: false,
            at,
            seen: 0,
            act: Some(act),
        })
    }
}

impl<F: FnOnce() + Send> Strategy for Eager<F> {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            if let Body::Order(update) = event.body() {
                self.works |= update.status == OrderStatus::Accepted;
            }
            if !matches!(event.kind(), Kind::Quote | Kind::Trade) {
                continue;
            }
            if self.works {
                self.seen += 1;
                if self.seen == self.at
                    && let Some(act) = self.act.take()
                {
                    act();
                }
            }
            if self.number == 0 || self.works {
                self.number += 1;
                let order = toy::order(self.number, OrderType::Limit, Side::Buy, 9_900, 1);
                actions.push(Action::Submit(order));
                return Ok(at + 1);
            }
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Err("it keeps no state".to_owned()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

type Cast = Vec<(&'static str, Version, Box<dyn Strategy>)>;

/// The strategy, and one that does nothing, so that there may be two workers.
fn cast(strategy: Box<dyn Strategy>) -> Cast {
    let quiet = toy::Toy(|_: &Event, _: &StrategyBook, _: &mut Vec<Action>| Ok(()));
    vec![
        ("eager", version("1", traits()), strategy),
        ("quiet", version("1", traits()), Box::new(quiet)),
    ]
}

/// An engine, the commands that its venue is sent, and its reel.
struct Deck {
    engine: Engine,
    sent: Arc<Mutex<Vec<Command>>>,
    reel: Reel,
}

fn deck(waits: Waits, strategy: Box<dyn Strategy>) -> Deck {
    let (sent, reel) = (Arc::default(), Reel::default());
    let venue = Telling(ToyVenue::new(7, LONG), Arc::clone(&sent));
    let mut engine = toy::engine_at(venue, waits.clock(), waits.config(), cast(strategy));
    engine.record(reel.recorder());
    Deck { engine, sent, reel }
}

/// A strategy that does not return from a call until it is released.
fn stuck(at: u64) -> (Box<dyn Strategy>, Receiver<()>, Sender<()>) {
    let (tell, is_stuck) = channel();
    let (release, wait) = channel::<()>();
    let strategy = Eager::acting(at, move || {
        tell.send(()).unwrap();
        // An error: the test is over.
        let _ = wait.recv_timeout(PATIENCE);
    });
    (strategy, is_stuck, release)
}

fn start(engine: Engine) -> std::thread::JoinHandle<Report> {
    std::thread::spawn(move || engine.run(&mut NullObserver).unwrap())
}

fn is_submit(command: &Command) -> bool {
    matches!(command, Command::Submit { .. })
}

#[test]
fn a_kill_holds_while_a_strategy_does_not_return() {
    for waits in ALL {
        let (strategy, is_stuck, release) = stuck(5);
        let Deck { engine, sent, .. } = deck(waits, strategy);
        let controls = engine.controls();
        let running = start(engine);
        is_stuck.recv_timeout(PATIENCE).unwrap();
        let asked = controls.command(OperatorCommand::Kill);
        let in_force: CommandInForce = asked.recv_timeout(PATIENCE).unwrap();
        // All of this holds while the strategy is still in its call.
        let before = sent.lock().unwrap().clone();
        let canceled = |id| {
            before
                .iter()
                .any(|command| matches!(command, Command::Cancel { id: other, .. } if *other == id))
        };
        assert!(!in_force.canceling.is_empty(), "{waits:?}");
        assert!(
            in_force.canceling.iter().all(|id| canceled(*id)),
            "{waits:?}"
        );
        assert_eq!(in_force.unreachable, [], "{waits:?}");
        let submits = before.iter().filter(|command| is_submit(command)).count();
        release.send(()).unwrap();
        controls.stop();
        let report = running.join().unwrap();
        let after = sent
            .lock()
            .unwrap()
            .iter()
            .filter(|one| is_submit(one))
            .count();
        assert_eq!(after, submits, "no later order leaves: {waits:?}");
        assert!(report.status.denied[&Reason::Killed] > 0, "{waits:?}");
        assert_eq!(report.status.working, [], "{waits:?}");
    }
}

#[test]
fn a_pause_of_one_strategy_and_a_resume_hold_while_it_does_not_return() {
    for waits in ALL {
        let (strategy, is_stuck, release) = stuck(5);
        let Deck { engine, reel, .. } = deck(waits, strategy);
        let controls = engine.controls();
        let running = start(engine);
        is_stuck.recv_timeout(PATIENCE).unwrap();
        let commands = [
            OperatorCommand::Pause(Some(StrategyId(1))),
            OperatorCommand::Resume(None),
            OperatorCommand::Reduce(None),
        ];
        for command in commands {
            let in_force = controls.command(command).recv_timeout(PATIENCE).unwrap();
            assert_eq!(in_force.canceling, [], "{waits:?}");
        }
        release.send(()).unwrap();
        controls.stop();
        running.join().unwrap();
        let operated = reel
            .effects()
            .into_iter()
            .filter_map(|(_, effect)| match effect {
                Effect::Operated { order, .. } => Some(order),
                _ => None,
            });
        let expected = [&commands[..], &[OperatorCommand::Stop]].concat();
        assert_eq!(operated.collect::<Vec<_>>(), expected, "{waits:?}");
    }
}

/// Does not return from `save` until it is released.
struct SavesSlowly(Box<dyn Strategy>, Sender<()>, Receiver<()>);

impl Strategy for SavesSlowly {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.0.on_events(batch, book, actions)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        // An error: it was asked before.
        let _ = self.1.send(());
        let _ = self.2.recv_timeout(PATIENCE);
        self.0.save()
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.0.stop(reason)
    }
}

#[test]
fn a_kill_holds_while_a_version_hands_over_and_the_run_replays_equal() {
    let (saves, is_saving) = channel();
    let (release, wait) = channel();
    let slow = SavesSlowly(started(&version("1", traits())), saves, wait);
    let Deck { engine, reel, .. } = deck(Waits::AtTheBarrier, Box::new(slow));
    let controls = engine.controls();
    let second = version("2", traits());
    let swapped = controls.change(StrategyChange::Swap(
        StrategyId(1),
        Box::new(second.clone()),
    ));
    let running = start(engine);
    is_saving.recv_timeout(PATIENCE).unwrap();
    let asked = controls.command(OperatorCommand::Kill);
    asked.recv_timeout(PATIENCE).unwrap();
    // Here, to save for the swap, and at the end.
    drop(release);
    swapped.recv_timeout(PATIENCE).unwrap().unwrap();
    controls.stop();
    let report = running.join().unwrap();
    let again = Box::new(Plain(started(&version("1", traits()))));
    let replayed = replay(Waits::AtTheBarrier, again, &reel, &[second]);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
    assert_eq!(replayed.report.tape_hash, report.tape_hash);
}

/// Behaves like the one inside.
struct Plain(Box<dyn Strategy>);

impl Strategy for Plain {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.0.on_events(batch, book, actions)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.0.save()
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.0.stop(reason)
    }
}

fn replay(
    waits: Waits,
    strategy: Box<dyn Strategy>,
    reel: &Reel,
    versions: &[Version],
) -> Replayed {
    let venue = ToyVenue::new(7, LONG);
    let engine = toy::engine_at(venue, waits.clock(), waits.config(), cast(strategy));
    let mut tape = Played::of(&reel.all(), versions);
    engine.replay(&mut tape, &mut NullObserver).unwrap()
}

#[test]
fn a_stop_takes_the_orders_off_and_ends_the_run_without_a_strategy_that_never_returns() {
    for waits in ALL {
        let (strategy, is_stuck, release) = stuck(5);
        let Deck { engine, reel, sent } = deck(waits, strategy);
        let controls = engine.controls();
        let running = start(engine);
        is_stuck.recv_timeout(PATIENCE).unwrap();
        let asked = controls.command(OperatorCommand::Stop);
        let in_force = asked.recv_timeout(PATIENCE).unwrap();
        assert!(!in_force.canceling.is_empty(), "{waits:?}");
        let submits = sent
            .lock()
            .unwrap()
            .iter()
            .filter(|one| is_submit(one))
            .count();
        controls.hasten(Haste::WithoutWorkers);
        let report = running.join().unwrap();
        assert_eq!(
            report.status.working,
            [],
            "confirmed by the venue: {waits:?}"
        );
        let after = sent
            .lock()
            .unwrap()
            .iter()
            .filter(|one| is_submit(one))
            .count();
        assert_eq!(after, submits, "{waits:?}");
        let left_behind = |(_, effect): &(u64, Effect)| *effect == Effect::LeftBehind;
        assert_eq!(
            reel.effects().iter().filter(|one| left_behind(one)).count(),
            1
        );
        drop(release);
        // Decisions that the strategy would have made were never carried out, and are not missed.
        let replayed = replay(waits, Eager::acting(0, || {}), &reel, &[]);
        assert_eq!(replayed.divergence, None, "{waits:?}");
        assert!(replayed.ended, "{waits:?}");
        assert_eq!(
            replayed.report.actions_hash, report.actions_hash,
            "{waits:?}"
        );
        assert_eq!(replayed.report.tape_hash, report.tape_hash, "{waits:?}");
    }
}

/// The orders that were sent, and those of them that were not canceled.
fn sent_and_left(sent: &Mutex<Vec<Command>>) -> (usize, Vec<ClientOrderId>) {
    let (mut submitted, mut canceled) = (Vec::new(), Vec::new());
    for command in &*sent.lock().unwrap() {
        match command {
            Command::Submit { id, .. } => submitted.push(*id),
            Command::Cancel { id, .. } => canceled.push(*id),
            _ => {}
        }
    }
    let count = submitted.len();
    submitted.retain(|id| !canceled.contains(id));
    (count, submitted)
}

#[test]
fn a_panic_of_a_worker_ends_the_run_and_takes_the_orders_off() {
    for waits in ALL {
        let strategy = Eager::acting(5, || panic!("a bug in the host"));
        let Deck { engine, sent, reel } = deck(waits, strategy);
        let error = engine.run(&mut NullObserver).unwrap_err().to_string();
        assert!(error.contains("a bug in the host"), "{waits:?}: {error}");
        let (count, left) = sent_and_left(&sent);
        assert!(count > 0, "{waits:?}");
        assert_eq!(left, [], "{waits:?}");
        let replayed = replay(waits, Eager::acting(0, || {}), &reel, &[]);
        assert_eq!(replayed.divergence, None, "{waits:?}");
    }
}

/// Has no space left once orders were sent and so many commits came after.
struct Overflowing(u64, Arc<Mutex<Vec<Command>>>);

impl Recorder for Overflowing {
    fn events(&mut self, _: &[Event]) {}

    fn effect(&mut self, _: u64, _: &Effect) {}

    fn offered(&mut self, _: u64, _: StrategyId, _: &OfferedBatches) {}

    fn commit(&mut self, _: bool) -> Result<(), RecordError> {
        let has_sent = !self.1.lock().unwrap().is_empty();
        self.0 = self.0.saturating_sub(u64::from(has_sent));
        match self.0 {
            0 => Err(RecordError {
                problem: "nothing more can wait for the disk".to_owned(),
                overflows: true,
            }),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), RecordError> {
        Ok(())
    }
}

#[test]
fn a_run_that_can_no_longer_be_recorded_ends_and_takes_the_orders_off() {
    for waits in ALL {
        let (sent, venue) = (Arc::default(), ToyVenue::new(7, LONG));
        let venue = Telling(venue, Arc::clone(&sent));
        let strategies = cast(Eager::acting(0, || {}));
        let mut engine = toy::engine_at(venue, waits.clock(), waits.config(), strategies);
        engine.record(Box::new(Overflowing(40, Arc::clone(&sent))));
        let error = engine.run(&mut NullObserver).unwrap_err().to_string();
        assert!(
            error.contains("nothing more can wait"),
            "{waits:?}: {error}"
        );
        let (count, left) = sent_and_left(&sent);
        assert!(count > 0, "{waits:?}");
        assert_eq!(left, [], "{waits:?}");
    }
}

/// Refuses the first cancels of each order.
struct Refusing {
    inner: Telling,
    refused: BTreeMap<ClientOrderId, u32>,
    most: u32,
    answers: Vec<OrderUpdate>,
}

impl Gateway for Refusing {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.inner.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        let Command::Cancel { id, instrument } = command else {
            return self.inner.send(at, command);
        };
        let refused = self.refused.entry(id).or_default();
        if *refused == self.most {
            return self.inner.send(at, command);
        }
        *refused += 1;
        self.inner.1.lock().unwrap().push(command);
        self.answers.push(OrderUpdate {
            account: AccountId(0),
            reserved: Pad::ZERO,
            stop_price: Price::ZERO,
            instrument,
            strategy: id.strategy,
            order: id.number,
            price: Price(9_900),
            size: Size(1),
            filled: Size::ZERO,
            status: OrderStatus::CancelRejected,
            reason: Reason::Venue,
            side: Side::Buy,
            pad: Pad::ZERO,
        });
    }

    fn next_due(&mut self) -> Due {
        self.inner.next_due()
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        self.inner.poll(until, out)?;
        let answers = std::mem::take(&mut self.answers);
        let at = until - 1;
        out.extend(
            answers
                .into_iter()
                .map(|update| Event::new(at, at - 1, update)),
        );
        Ok(())
    }
}

/// Cancels of an order that a venue may refuse.
const MOST_CANCELS: u32 = 5;

/// Waits until each order that is canceled at all has been canceled as often as it ever is.
fn await_cancels(sent: &Mutex<Vec<Command>>) {
    let start = Instant::now();
    loop {
        let mut asked = BTreeMap::<ClientOrderId, u32>::new();
        for id in sent.lock().unwrap().iter().filter_map(canceled) {
            *asked.entry(id).or_default() += 1;
        }
        if !asked.is_empty() && asked.values().all(|asked| *asked >= MOST_CANCELS) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{asked:?}");
        std::thread::yield_now();
    }
}

/// Runs until an order works, kills, and returns what was sent. The run replays equal.
fn killed_at_a_venue_that_refuses(waits: Waits, most: u32) -> Vec<Command> {
    let (sent, (strategy, works, release)) = (Arc::default(), stuck(5));
    let venue = Refusing {
        inner: Telling(ToyVenue::new(7, 2_000), Arc::clone(&sent)),
        refused: BTreeMap::new(),
        most,
        answers: Vec::new(),
    };
    let mut engine = toy::engine_at(venue, waits.clock(), waits.config(), cast(strategy));
    let reel = Reel::default();
    engine.record(reel.recorder());
    let controls = engine.controls();
    let running = start(engine);
    works.recv_timeout(PATIENCE).unwrap();
    let killed = controls.command(OperatorCommand::Kill);
    killed.recv_timeout(PATIENCE).unwrap();
    release.send(()).unwrap();
    if most > MOST_CANCELS {
        // Nothing will confirm them: the end of the run need not wait.
        await_cancels(&sent);
        controls.hasten(Haste::AtOnce);
    }
    running.join().unwrap();
    let replayed = replay(waits, Eager::acting(0, || {}), &reel, &[]);
    assert_eq!(replayed.divergence, None, "{waits:?}");
    std::mem::take(&mut *sent.lock().unwrap())
}

#[test]
fn a_kill_asks_a_venue_again_that_refuses_a_cancel() {
    for waits in ALL {
        let sent = killed_at_a_venue_that_refuses(waits, 2);
        let cancels = |wanted: &ClientOrderId| {
            let cancels = sent
                .iter()
                .filter(|command| matches!(command, Command::Cancel { id, .. } if id == wanted));
            cancels.count()
        };
        let orders: BTreeSet<ClientOrderId> = sent.iter().filter_map(canceled).collect();
        assert!(!orders.is_empty(), "{waits:?}");
        // Two that are refused, and the one that the venue carries out.
        assert!(
            orders.iter().all(|id| cancels(id) == 3),
            "{waits:?}: {sent:?}"
        );
    }
}

#[test]
fn a_venue_that_refuses_every_cancel_is_not_asked_for_ever() {
    for waits in ALL {
        let sent = killed_at_a_venue_that_refuses(waits, u32::MAX);
        let cancels = sent.iter().filter_map(canceled);
        let orders: BTreeSet<ClientOrderId> = cancels.clone().collect();
        assert!(!orders.is_empty(), "{waits:?}");
        for order in orders {
            let asked = cancels.clone().filter(|id| *id == order).count();
            // Five times for the kill, and once more at the end of the run.
            assert!((5..=6).contains(&asked), "{waits:?}: {asked}");
        }
    }
}

fn canceled(command: &Command) -> Option<ClientOrderId> {
    match command {
        Command::Cancel { id, .. } => Some(*id),
        _ => None,
    }
}

/// Never confirms anything.
struct Silent(Telling);

impl Gateway for Silent {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.0.register(registry)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        if !matches!(command, Command::Cancel { .. }) {
            self.0.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        self.0.next_due()
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        self.0.poll(until, out)
    }
}

#[test]
fn in_haste_an_end_waits_neither_for_strategies_nor_for_venues() {
    for waits in ALL {
        let (strategy, is_stuck, release) = stuck(5);
        let venue = Silent(Telling(ToyVenue::new(7, LONG), Arc::default()));
        let engine = toy::engine_at(venue, waits.clock(), waits.config(), cast(strategy));
        let controls = engine.controls();
        let running = start(engine);
        is_stuck.recv_timeout(PATIENCE).unwrap();
        controls.stop();
        controls.hasten(Haste::AtOnce);
        let report = running.join().unwrap();
        assert!(
            !report.status.working.is_empty(),
            "nobody confirmed: {waits:?}"
        );
        drop(release);
    }
}

/// The next event is never due, and no time passes by the clock.
struct Still;

impl Clock for Still {
    fn wait_until(&mut self, _: Timestamp) {
        unreachable!("it waits a while at a time");
    }

    fn wait_a_while(&mut self, _: Timestamp) -> bool {
        std::thread::yield_now();
        false
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        0
    }

    fn now_ns(&self) -> u64 {
        0
    }
}

/// Tells of every status whether the kill switch is on.
struct Killed(Sender<bool>);

impl Observer for Killed {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, status: &Status) {
        let _ = self.0.send(status.killed);
    }
}

#[test]
fn a_status_shows_a_command_that_came_while_the_tape_had_nothing_due() {
    let strategy = Eager::acting(0, || {});
    let config = config(1, 64, None);
    let engine = toy::engine_at(
        ToyVenue::new(7, LONG),
        Box::new(Still),
        config,
        cast(strategy),
    );
    let controls = engine.controls();
    let (tells, told) = channel();
    let running = std::thread::spawn(move || engine.run(&mut Killed(tells)).unwrap());
    for command in [OperatorCommand::Pause(None), OperatorCommand::Kill] {
        let holds = controls.command(command);
        holds.recv_timeout(PATIENCE).unwrap();
    }
    while !told.recv_timeout(PATIENCE).unwrap() {}
    controls.stop();
    controls.hasten(Haste::AtOnce);
    running.join().unwrap();
}

#[test]
fn a_command_to_an_engine_that_has_ended_is_not_waited_for() {
    let Deck { engine, .. } = deck(Waits::AtTheBarrier, Eager::acting(0, || {}));
    let controls = engine.controls();
    controls.stop();
    engine.run(&mut NullObserver).unwrap();
    assert!(controls.command(OperatorCommand::Kill).recv().is_err());
}

/// A strategy whose n-th call waits until a command holds, so that the command comes in the middle of a window.
struct Commanding {
    inner: Box<dyn Strategy>,
    controls: Arc<OnceLock<EngineHandle>>,
    calls_left: u64,
    command: OperatorCommand,
}

impl Strategy for Commanding {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        let done = self.inner.on_events(batch, book, actions)?;
        self.calls_left = self.calls_left.wrapping_sub(1);
        if self.calls_left == 0 {
            let held = self.controls.get().unwrap().command(self.command);
            held.recv_timeout(PATIENCE)
                .map_err(|error| Fault(error.to_string()))?;
        }
        Ok(done)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.inner.save()
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.inner.stop(reason)
    }
}

/// Runs two strategies that trade, one of which gives a command in its n-th call; then replays the run.
fn commanded(
    stepping: Stepping,
    calls: u64,
    command: OperatorCommand,
    max_batch: usize,
) -> (Report, Replayed, Reel) {
    let controls: Arc<OnceLock<EngineHandle>> = Arc::default();
    let config = |workers| EngineConfig {
        stepping,
        ..config(workers, max_batch, None)
    };
    let clock = || Ticking::new(STEP_NS).0;
    let plain = || {
        let first = version("1", traits());
        (first.clone(), started(&first))
    };
    let both = |one: Box<dyn Strategy>| {
        let (first, other) = plain();
        vec![("first", first.clone(), one), ("second", first, other)]
    };
    let commanding = Commanding {
        inner: plain().1,
        controls: Arc::clone(&controls),
        calls_left: calls,
        command,
    };
    let reel = Reel::default();
    let venue = || ToyVenue::new(5, 3_000);
    let mut engine = toy::engine_at(venue(), clock(), config(2), both(Box::new(commanding)));
    engine.record(reel.recorder());
    controls.get_or_init(|| engine.controls());
    let report = engine.run(&mut NullObserver).unwrap();
    let again = toy::engine_at(venue(), clock(), config(1), both(plain().1));
    let mut tape = Played::of(&reel.all(), &[]);
    let replayed = again.replay(&mut tape, &mut NullObserver).unwrap();
    (report, replayed, reel)
}

/// A recorder that waits for the disk, once, until a command holds.
struct WaitsForDisk {
    reel: Box<dyn Recorder>,
    controls: Arc<OnceLock<EngineHandle>>,
    orders_left: u64,
    command: OperatorCommand,
}

impl Recorder for WaitsForDisk {
    fn events(&mut self, events: &[Event]) {
        self.reel.events(events);
    }

    fn effect(&mut self, position: u64, effect: &Effect) {
        self.reel.effect(position, effect);
    }

    fn commit(&mut self, orders: bool) -> Result<(), RecordError> {
        self.reel.commit(orders)
    }

    fn commit_while(
        &mut self,
        orders: bool,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(), RecordError> {
        if orders {
            self.orders_left = self.orders_left.wrapping_sub(1);
            if self.orders_left == 0 {
                let held = self.controls.get().unwrap().command(self.command);
                meanwhile();
                // On the same thread: it is in force by now, or never.
                held.try_recv().unwrap();
            }
        }
        self.reel.commit(orders)
    }

    fn end(&mut self) -> Result<(), RecordError> {
        self.reel.end()
    }
}

/// Runs two strategies that trade, and gives a command while the n-th order waits for the disk; then replays the run.
fn while_recording(
    stepping: Stepping,
    orders: u64,
    command: OperatorCommand,
) -> (Report, Replayed, Reel) {
    let config = |workers| EngineConfig {
        stepping,
        ..config(workers, 16, None)
    };
    let engine = |workers| {
        let first = version("1", traits());
        let both = ["first", "second"].map(|name| (name, first.clone(), started(&first)));
        let clock = Ticking::new(STEP_NS).0;
        toy::engine_at(ToyVenue::new(5, 3_000), clock, config(workers), both.into())
    };
    let (reel, controls) = (Reel::default(), Arc::<OnceLock<EngineHandle>>::default());
    let mut recorded = engine(2);
    recorded.record(Box::new(WaitsForDisk {
        reel: reel.recorder(),
        controls: Arc::clone(&controls),
        orders_left: orders,
        command,
    }));
    controls.get_or_init(|| recorded.controls());
    let report = recorded.run(&mut NullObserver).unwrap();
    let mut tape = Played::of(&reel.all(), &[]);
    let replayed = engine(1).replay(&mut tape, &mut NullObserver).unwrap();
    (report, replayed, reel)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_command_at_any_point_of_a_window_replays_equal(
        calls in 1u64..400, max_batch in 1usize..40, free in any::<bool>(), kind in 0usize..4,
    ) {
        let command = [
            OperatorCommand::Kill,
            OperatorCommand::Pause(Some(StrategyId(1))),
            OperatorCommand::Reduce(None),
            OperatorCommand::Stop,
        ][kind];
        let stepping = if free { Stepping::Free } else { Stepping::Lockstep };
        // Running freely, a strategy is called less often.
        let calls = if free { 1 + calls % 30 } else { calls };
        let (report, replayed, reel) = commanded(stepping, calls, command, max_batch);
        let operated = |(_, effect): &(u64, Effect)| matches!(effect, Effect::Operated { .. });
        prop_assert!(reel.effects().iter().any(operated));
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert!(replayed.ended);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
        prop_assert_eq!(replayed.report.tape_hash, report.tape_hash);
        prop_assert_eq!(replayed.report.status.denied, report.status.denied);
        prop_assert_eq!(replayed.report.status.fills, report.status.fills);
    }

    #[test]
    fn a_command_while_an_order_waits_for_the_disk_replays_equal(
        orders in 1u64..40, free in any::<bool>(), kind in 0usize..3,
    ) {
        let command = [
            OperatorCommand::Kill,
            OperatorCommand::Pause(Some(StrategyId(2))),
            OperatorCommand::Stop,
        ][kind];
        let stepping = if free { Stepping::Free } else { Stepping::Lockstep };
        // Running freely, several orders wait at once; on a busy machine all of them may, so that only few waits are sure.
        let orders = if free { 1 + orders % 4 } else { orders };
        let (report, replayed, reel) = while_recording(stepping, orders, command);
        let operated = |(_, effect): &(u64, Effect)| matches!(effect, Effect::Operated { .. });
        prop_assume!(!free || orders == 1 || reel.effects().iter().any(operated));
        let is_ahead = |(_, effect): &(u64, Effect)| {
            matches!(effect, Effect::Operated { ahead: Some(_), .. })
        };
        prop_assert!(reel.effects().iter().any(is_ahead));
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
        prop_assert_eq!(replayed.report.tape_hash, report.tape_hash);
        prop_assert_eq!(replayed.report.status.denied, report.status.denied);
    }

    #[test]
    fn a_run_with_a_kill_in_a_window_that_is_cut_off_anywhere_goes_on(
        calls in 1u64..300, cut in 0.0f64..1.0,
    ) {
        let (_, _, reel) = commanded(Stepping::Lockstep, calls, OperatorCommand::Kill, 16);
        let items = reel.all();
        let cut = (items.len() as f64 * cut) as usize;
        let rest = Reel::default();
        let first = version("1", traits());
        let both = ["first", "second"].map(|name| (name, first.clone(), started(&first)));
        let mut engine = toy::engine_of(ToyVenue::new(5, 3_000), config(1, 16, None), both.into());
        engine.record(rest.recorder());
        engine.resume(&mut Played::of(&items[..cut], &[]), &mut NullObserver).unwrap();
        engine.run(&mut NullObserver).unwrap();
        let whole: Vec<Item> = [&items[..cut], &rest.all()[..]].concat();
        let both = ["first", "second"].map(|name| (name, first.clone(), started(&first)));
        let engine = toy::engine_of(ToyVenue::new(5, 3_000), config(2, 7, None), both.into());
        let replayed = engine.replay(&mut Played::of(&whole, &[]), &mut NullObserver).unwrap();
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert!(replayed.ended);
    }
}
