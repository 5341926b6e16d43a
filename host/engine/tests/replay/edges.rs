//! Runs that are cut off, or come out otherwise, at the edges of windows, changes and faults.

use super::*;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tickdeck_engine::port::{Code, Fault, State, StopReason};
use tickdeck_engine::{Ending, RecordError, Recorder};
use tickdeck_portfolio::StrategyBook;

/// A test that would wait for ever fails after this long.
const PATIENCE: Duration = Duration::from_secs(60);

type Handler = Box<dyn FnMut(&Event, &StrategyBook, &mut Vec<Action>) -> Result<(), Fault> + Send>;
type Make = Arc<dyn Fn() -> Handler + Send + Sync>;

/// Whether the n-th save traps.
#[derive(Clone, Default)]
struct Fun {
    make: Option<Make>,
    saves: bool,
    /// Saves that trap, counted down over all instances, when the saves count comes to it.
    save_traps: Option<Arc<AtomicU64>>,
}

struct Running(Handler, Fun, u64);

impl Code for Fun {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(Running(
            (self.make.as_ref().unwrap())(),
            self.clone(),
            0,
        )))
    }
    fn restore(&self, book: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        self.start(book)
    }
    fn schema(&self) -> u32 {
        1
    }
    fn restores(&self) -> &[u32] {
        &[1]
    }
}

impl Strategy for Running {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            self.2 += 1;
            (self.0)(event, book, actions)?;
            if !actions.is_empty() {
                return Ok(at + 1);
            }
        }
        Ok(batch.len())
    }
    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        if let Some(left) = &self.1.save_traps
            && self.2 > 1_500
            && left.load(Ordering::Relaxed) > 0
        {
            left.fetch_sub(1, Ordering::Relaxed);
            return Err(Fault("save took too long".to_owned()));
        }
        match self.1.saves {
            true => Ok(Ok(vec![0; 8])),
            false => Ok(Err("no state".to_owned())),
        }
    }
    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

fn fun(handler: impl Fn() -> Handler + Send + Sync + 'static) -> Fun {
    Fun {
        make: Some(Arc::new(handler)),
        saves: true,
        save_traps: None,
    }
}

fn of(code: Fun) -> Version {
    toy::version("1", toy::counting::market(), Arc::new(code))
}

pub(super) fn alone(config: EngineConfig, events: u64, version: Version) -> Engine {
    let strategy = started(&version);
    toy::engine_of(
        ToyVenue::new(5, events),
        config,
        vec![("first", version, strategy)],
    )
}

pub(super) fn kept(mut engine: Engine) -> (Vec<Item>, Report) {
    let reel = Reel::default();
    engine.record(reel.recorder());
    let report = engine.run(&mut Notices::default()).unwrap();
    (reel.all(), report)
}

pub(super) fn again(engine: Engine, items: &[Item]) -> Replayed {
    engine
        .replay(&mut Played::of(items, &versions()), &mut Notices::default())
        .unwrap()
}

/// A strategy that moves its timer at every quote, as one that waits for silence does.
fn watchdog() -> Version {
    of(fun(|| {
        Box::new(|event, _, actions| {
            if event.kind() == Kind::Quote {
                actions.push(Action::SetTimer(TimerRequest {
                    id: 1,
                    pad: Pad::ZERO,
                    due: event.ts_host + 130,
                }));
            }
            Ok(())
        })
    }))
}

#[test]
fn a_timer_that_is_moved_in_the_window_in_which_it_fires_replays_equal() {
    let (items, report) = kept(alone(plain(), 2_000, watchdog()));
    let fired = items
        .iter()
        .filter(|item| matches!(item, Item::Event(event) if event.kind() == Kind::Timer))
        .count();
    assert!(fired > 0);
    let replayed = again(alone(plain(), 2_000, watchdog()), &items);
    assert_eq!(replayed.divergence, None);
    // The whole tape, cut only before its last item.
    let mut engine = alone(plain(), 2_000, watchdog());
    let resumed = engine.resume(
        &mut Played::of(&items[..items.len() - 1], &[]),
        &mut Notices::default(),
    );
    assert!(resumed.is_ok());
    let after = engine.run(&mut Notices::default()).unwrap();
    assert_eq!(after.tape_hash, report.tape_hash);
}

#[test]
fn a_run_with_a_timer_that_is_always_moved_resumes_like_its_twin() {
    let (items, report) = kept(alone(plain(), 2_000, watchdog()));
    let (mut refused, mut other) = (0, 0);
    for cut in (10..items.len()).step_by(items.len() / 60) {
        let mut engine = alone(plain(), 2_000, watchdog());
        match engine.resume(&mut Played::of(&items[..cut], &[]), &mut Notices::default()) {
            Err(_) => refused += 1,
            Ok(_) => {
                let after = engine.run(&mut Notices::default()).unwrap();
                other += u32::from(after.tape_hash != report.tape_hash);
            }
        }
    }
    assert_eq!(
        (refused, other),
        (0, 0),
        "refused, another tape than the twin"
    );
}

#[test]
fn a_run_that_is_cut_off_before_the_refusal_of_a_change_resumes() {
    // Another schema: refused.
    let other = || {
        version(
            "2",
            Traits {
                schema: 9,
                restores: vec![9],
                ..traits()
            },
        )
    };
    let wishes = vec![(
        900,
        Request::StrategyChange(StrategyChange::Swap(FIRST, Box::new(other()))),
    )];
    let (items, _) = kept(engine(plain(), wishes));
    let changed = items
        .iter()
        .position(|item| matches!(item, Item::Effect(_, Effect::Changed { .. })))
        .unwrap();
    assert!(matches!(
        &items[changed + 1],
        Item::Effect(_, Effect::Refused { .. })
    ));
    let mut engine = engine(plain(), Vec::new());
    let resumed = engine.resume(
        &mut Played::of(&items[..=changed], &[other()]),
        &mut Notices::default(),
    );
    assert!(resumed.is_ok(), "{resumed:?}");
}

#[test]
fn a_change_that_is_refused_after_something_settled_replays_equal() {
    let shadow = || Version {
        swap: SwapPolicy {
            shadow: true,
            ..SwapPolicy::default()
        },
        ..version(
            "2",
            Traits {
                save: toy::counting::Save::Traps,
                ..traits()
            },
        )
    };
    let wishes = vec![
        (
            900,
            Request::StrategyChange(StrategyChange::Swap(FIRST, Box::new(shadow()))),
        ),
        (
            1_500,
            Request::StrategyChange(StrategyChange::Promote(FIRST)),
        ),
    ];
    let (items, report) = kept(engine(plain(), wishes));
    let mut tape = Played::of(&items, &[shadow()]);
    let replayed = bare(plain())
        .replay(&mut tape, &mut Notices::default())
        .unwrap();
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

#[test]
fn a_fault_by_a_bound_on_actions_replays_equal() {
    let config = || EngineConfig {
        max_actions_per_s: 20,
        ..plain()
    };
    let first = || version("1", traits());
    let (items, report) = kept(alone(config(), 6_000, first()));
    let replayed = again(alone(config(), 6_000, first()), &items);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

#[test]
fn a_save_that_always_traps_at_the_end_replays_equal() {
    // Deterministic: the save for the reel at the end of the run traps; nobody else saves then.
    let first = || {
        version(
            "1",
            Traits {
                save: toy::counting::Save::Traps,
                ..traits()
            },
        )
    };
    let (items, _) = kept(alone(plain(), 700, first()));
    let replayed = again(alone(plain(), 700, first()), &items);
    assert_eq!(replayed.divergence, None);
}

#[test]
fn a_save_for_the_reel_that_traps_replays_equal_where_nobody_else_saves() {
    // Periodic states every 65,536 events: a strategy that has seen few of them (bars, say) and whose save traps.
    let first = || {
        let mut version = version(
            "1",
            Traits {
                save: toy::counting::Save::Traps,
                ..traits()
            },
        );
        version.feeds = vec![toy::feed(Feed::Bars, 1_000_000_000, BarBasis::Time)];
        version
    };
    let (items, _) = kept(alone(plain(), 140_000, first()));
    let replayed = again(alone(plain(), 140_000, first()), &items);
    assert_eq!(replayed.divergence, None);
}

#[test]
fn two_traps_in_one_window_with_a_decision_between_replay_equal() {
    let code = || {
        let left = Arc::new(AtomicU64::new(2));
        of(fun(move || {
            let left = Arc::clone(&left);
            Box::new(move |event, _, actions| {
                if event.sequence >= 500 && event.sequence < 540 {
                    // Traps at the first event of it, decides, and traps at the next.
                    let turn = left.load(Ordering::Relaxed);
                    if turn == 2 || (turn == 1 && event.sequence % 2 == 1) {
                        left.fetch_sub(1, Ordering::Relaxed);
                        return Err(Fault("trapped".to_owned()));
                    }
                    if turn == 1 {
                        actions.push(Action::ClearTimer(7));
                    }
                }
                Ok(())
            })
        }))
    };
    let (items, report) = kept(alone(plain(), 2_000, code()));
    assert_eq!(report.status.strategies[0].traps, 2);
    let replayed = again(alone(plain(), 2_000, code()), &items);
    assert_eq!(replayed.divergence, None);
}

#[test]
fn a_free_replay_whose_checks_come_out_otherwise_is_not_equal() {
    let make = |config| running_freely(config, EVENTS);
    let (items, _) = kept(make(free()));
    // Today's code denies everything.
    let mut strict = free();
    strict.killed = true;
    let replayed = again(make(strict), &items);
    assert!(replayed.divergence.is_some());
}

#[test]
fn a_lockstep_replay_whose_checks_come_out_otherwise_is_not_equal() {
    let make = |killed| {
        let mut config = plain();
        config.killed = killed;
        alone(config, EVENTS, version("1", traits()))
    };
    let (items, _) = kept(make(false));
    let replayed = again(make(true), &items);
    assert!(replayed.divergence.is_some());
}

#[test]
fn a_recorded_signal_that_nobody_sends_now_is_a_difference() {
    // What was recorded as denied passes now, etc.: a signal that is on the tape and derived by nobody.
    let code = |loud: bool| {
        let mut version = of(fun(move || {
            Box::new(move |event, _, actions| {
                if event.sequence == 300 && loud {
                    actions.push(Action::Notify(Notify {
                        message: 0,
                        severity: Severity::Info,
                        pad: Pad::ZERO,
                        value: 1.0,
                    }));
                }
                Ok(())
            })
        }));
        version.label = "1".to_owned();
        version
    };
    let (items, _) = kept(alone(plain(), 2_000, code(true)));
    let signals = items
        .iter()
        .filter(|item| matches!(item, Item::Event(event) if event.kind() == Kind::Signal))
        .count();
    assert_eq!(signals, 1);
    // Neither the decision nor the deed, but the signal is still on the tape.
    let items: Vec<Item> = items
        .into_iter()
        .filter(|item| !matches!(item, Item::Effect(_, Effect::Applied(_))))
        .collect();
    let replayed = again(alone(plain(), 2_000, code(false)), &items);
    assert!(
        replayed.divergence.is_some(),
        "a signal that nobody sent passes"
    );
}

#[test]
fn a_decision_more_before_the_end_of_a_run_is_a_difference() {
    // Only recorded until its order is placed; decides ClearTimer now and then.
    let code = |more: bool| {
        of(fun(move || {
            let mut count = 0;
            Box::new(move |event, _, actions| {
                count += 1;
                if count == 100 {
                    actions.push(Action::Submit(toy::order(
                        1,
                        OrderType::Limit,
                        Side::Buy,
                        9_000,
                        1,
                    )));
                }
                if more && event.sequence > 1_000 && count % 50 == 0 {
                    actions.push(Action::ClearTimer(7));
                }
                Ok(())
            })
        }))
    };
    let (items, _) = kept(alone(plain(), 2_000, code(false)));
    let replayed = again(alone(plain(), 2_000, code(true)), &items);
    assert!(replayed.divergence.is_some());
}

fn busy() -> Version {
    of(fun(|| {
        Box::new(|event, _, actions| {
            actions.push(Action::ClearTimer(event.sequence as u32));
            Ok(())
        })
    }))
}

#[test]
fn a_run_that_is_cut_off_in_the_last_moments_of_the_market_resumes() {
    let (items, report) = kept(alone(plain(), 300, busy()));
    let mut wrong = Vec::new();
    for cut in items.len() - 60..items.len() {
        let mut engine = alone(plain(), 300, busy());
        engine
            .resume(
                &mut Played::of(&items[..cut], &versions()),
                &mut Notices::default(),
            )
            .unwrap();
        let after = engine.run(&mut Notices::default()).unwrap();
        if after.tape_hash != report.tape_hash || after.actions_hash != report.actions_hash {
            wrong.push((items.len() - cut, after.status.events, after.status.actions));
        }
    }
    assert!(
        wrong.is_empty(),
        "items from the end, events, actions: {wrong:?}; twin {} {}",
        report.status.events,
        report.status.actions
    );
}

fn free() -> EngineConfig {
    EngineConfig {
        stepping: Stepping::Free,
        ..config(2, 64, None)
    }
}

/// An engine that runs freely over so many market events, with one strategy.
fn running_freely(config: EngineConfig, events: u64) -> Engine {
    let first = version("1", traits());
    let strategy = started(&first);
    let clock = toy::Ticking::new(50).0;
    let cast = vec![("first", first, strategy)];
    toy::engine_at(ToyVenue::new(5, events), clock, config, cast)
}

#[test]
fn a_free_run_that_was_cut_while_it_stopped_comes_to_its_end_when_resumed() {
    let make = || running_freely(free(), 2_000);
    let (items, _) = kept(make());
    let stopping = items
        .iter()
        .position(|item| matches!(item, Item::Effect(_, Effect::Stopping { .. })))
        .unwrap();
    let mut engine = make();
    engine
        .resume(
            &mut Played::of(&items[..=stopping], &[]),
            &mut Notices::default(),
        )
        .unwrap();
    // Time does not begin by itself in a run that is resumed only to end: without that it would wait for ever here.
    let report = engine.run(&mut Notices::default()).unwrap();
    assert_eq!(report.ending, Ending::Asked);
    assert!(report.status.working.is_empty());
}

#[test]
fn every_order_that_leaves_is_on_the_reel_as_sent() {
    let (items, _) = kept(engine_short(plain()));
    let sent = |items: &[Item]| {
        items
            .iter()
            .filter(|item| matches!(item, Item::Effect(_, Effect::Sent { .. })))
            .count()
    };
    let mut wrong = Vec::new();
    for cut in (5..items.len()).step_by(5) {
        let reel = Reel::default();
        let mut engine = engine_short(plain());
        engine.record(reel.recorder());
        engine
            .resume(
                &mut Played::of(&items[..cut], &versions()),
                &mut Notices::default(),
            )
            .unwrap();
        engine.run(&mut Notices::default()).unwrap();
        let both = [&items[..cut], &reel.all()[..]].concat();
        if sent(&both) != sent(&items) {
            wrong.push((cut, sent(&both), sent(&items)));
        }
    }
    assert!(
        wrong.is_empty(),
        "cut, sent on both, sent on the twin's: {wrong:?}"
    );
}

#[test]
fn a_run_that_is_cut_off_twice_resumes_like_its_twin() {
    let (items, report) = kept(engine(plain(), Vec::new()));
    let mut wrong = Vec::new();
    for cut in (100..items.len()).step_by(items.len() / 25) {
        let reel = Reel::default();
        let mut one = engine(plain(), Vec::new());
        one.record(reel.recorder());
        one.resume(&mut Played::of(&items[..cut], &[]), &mut Notices::default())
            .unwrap();
        one.run(&mut Notices::default()).unwrap();
        let both = [&items[..cut], &reel.all()[..]].concat();
        for more in [1, 2, 3, 5, 8, 13, 21, 40, 100] {
            if cut + more > both.len() {
                continue;
            }
            let mut two = engine(plain(), Vec::new());
            match two.resume(
                &mut Played::of(&both[..cut + more], &[]),
                &mut Notices::default(),
            ) {
                Err(error) => wrong.push((cut, more, error.to_string())),
                Ok(_) => {
                    let after = two.run(&mut Notices::default()).unwrap();
                    if after.tape_hash != report.tape_hash {
                        wrong.push((cut, more, "another tape".to_owned()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn engine_short(config: EngineConfig) -> Engine {
    alone(config, 900, version("1", traits()))
}

#[test]
fn a_run_with_a_limit_ends_where_its_twin_ends() {
    let limited = || EngineConfig {
        max_market_events: Some(700),
        ..plain()
    };
    let (items, report) = kept(engine_short(limited()));
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for cut in (10..items.len()).step_by(7) {
        let mut engine = engine_short(limited());
        engine
            .resume(
                &mut Played::of(&items[..cut], &versions()),
                &mut Notices::default(),
            )
            .unwrap();
        let after = engine.run(&mut Notices::default()).unwrap();
        tried += 1;
        if after.tape_hash != report.tape_hash {
            wrong.push((cut, after.status.events));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried} end elsewhere; twin {} events, first {:?}",
        wrong.len(),
        report.status.events,
        &wrong[..wrong.len().min(5)]
    );
}

/// Fails from the commit after so many deeds on, for a while.
#[derive(Clone)]
struct FailsAt {
    reel: Arc<Mutex<Vec<Item>>>,
    effects: u64,
    at: u64,
    failing: u64,
    failed_at: Arc<AtomicU64>,
}

impl Recorder for FailsAt {
    fn events(&mut self, events: &[Event]) {
        self.reel
            .lock()
            .unwrap()
            .extend(events.iter().copied().map(Item::Event));
    }
    fn effect(&mut self, position: u64, effect: &Effect) {
        self.effects += 1;
        self.reel
            .lock()
            .unwrap()
            .push(Item::Effect(position, effect.clone()));
    }
    fn commit(&mut self, orders: bool) -> Result<(), RecordError> {
        if self.failing == 0 && orders && self.effects == self.at {
            self.failing = 1;
            self.failed_at.store(self.effects, Ordering::Relaxed);
        }
        if self.failing > 0 && self.failing < 100 {
            self.failing += 1;
            return Err(RecordError {
                problem: "full".to_owned(),
                overflows: false,
            });
        }
        Ok(())
    }
    fn end(&mut self) -> Result<(), RecordError> {
        Ok(())
    }
}

#[test]
fn a_halt_just_behind_what_is_read_ahead_replays_equal() {
    let make = || {
        alone(
            plain(),
            60_000,
            version(
                "1",
                Traits {
                    every: 4,
                    ..traits()
                },
            ),
        )
    };
    fn plain() -> EngineConfig {
        EngineConfig {
            max_actions_per_s: 1_000_000,
            ..super::plain()
        }
    }
    let failed_at = Arc::new(AtomicU64::new(0));
    let reel = Arc::new(Mutex::new(Vec::new()));
    let mut engine = make();
    engine.record(Box::new(FailsAt {
        reel: Arc::clone(&reel),
        effects: 0,
        at: 8_192,
        failing: 0,
        failed_at: Arc::clone(&failed_at),
    }));
    let report = engine.run(&mut Notices::default()).unwrap();
    assert_eq!(failed_at.load(Ordering::Relaxed), 8_192, "it never failed");
    let items = reel.lock().unwrap().clone();
    let replayed = again(make(), &items);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

#[test]
fn a_run_that_is_cut_off_anywhere_resumes() {
    let (items, _) = kept(engine(plain(), story()));
    let mut wrong = Vec::new();
    for cut in (0..items.len()).step_by(items.len() / 150) {
        let mut engine = engine(plain(), Vec::new());
        let resumed = engine.resume(
            &mut Played::of(&items[..cut], &versions()),
            &mut Notices::default(),
        );
        if let Err(error) = resumed {
            wrong.push((cut, error.to_string()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_free_run_that_is_cut_off_anywhere_resumes_ends_and_replays_equal() {
    let make = || running_freely(free(), 2_000);
    let (items, _) = kept(make());
    let mut wrong = Vec::new();
    let mut replays = Vec::new();
    for cut in (1..items.len())
        .step_by(items.len() / 60)
        .chain(items.len() - 60..items.len())
    {
        let reel = Reel::default();
        let mut engine = make();
        engine.record(reel.recorder());
        let resumed = engine.resume(&mut Played::of(&items[..cut], &[]), &mut Notices::default());
        match resumed {
            Err(error) => wrong.push((cut, error.to_string())),
            Ok(_) => {
                let (say, hear) = std::sync::mpsc::channel();
                std::thread::spawn(move || {
                    say.send(engine.run(&mut Notices::default()).is_ok()).ok();
                });
                // A run that hangs would go on for ever.
                match hear.recv_timeout(PATIENCE) {
                    Ok(ended_well) => assert!(ended_well, "cut {cut}"),
                    Err(_) => panic!("cut {cut} of {}: the resumed run hangs", items.len()),
                }
                let both = [&items[..cut], &reel.all()[..]].concat();
                let replayed = again(make(), &both);
                if replayed.divergence.is_some() {
                    replays.push((cut, replayed.divergence));
                }
            }
        }
    }
    assert!(
        wrong.is_empty() && replays.is_empty(),
        "{wrong:?} {replays:?}"
    );
}

#[test]
fn a_run_that_is_cut_off_in_the_window_in_which_a_strategy_ends_goes_on_like_its_twin() {
    let mut wrong = Vec::new();
    // A lookahead is longer than the first gap, and shorter than the second.
    for (seed, gap) in [1, 10, 14, 20, 23]
        .into_iter()
        .flat_map(|seed| [(seed, 50), (seed, 600)])
    {
        let make = || {
            let trapping = Traits {
                traps: traps(300 + 10 * seed, u64::MAX),
                every: 5,
                ..traits()
            };
            let other = Traits {
                every: 3,
                ..traits()
            };
            let cast = [("first", trapping), ("second", other)].map(|(name, traits)| {
                let version = version("1", traits);
                let strategy = started(&version);
                (name, version, strategy)
            });
            let venue = ToyVenue::new(seed, 1_000).sparse(gap);
            toy::engine_of(venue, plain(), cast.into())
        };
        let (items, twin) = kept(make());
        let ended = |item: &Item| match item {
            Item::Effect(_, Effect::Settled { outcome, .. }) => *outcome == StrategyOutcome::Ended,
            _ => false,
        };
        let ended = items.iter().position(ended).unwrap();
        for cut in ended - 24..ended + 4 {
            let mut engine = make();
            let mut tape = Played::of(&items[..cut], &[]);
            engine.resume(&mut tape, &mut Notices::default()).unwrap();
            let report = engine.run(&mut Notices::default()).unwrap();
            if (report.tape_hash, report.actions_hash) != (twin.tape_hash, twin.actions_hash) {
                wrong.push((seed, gap, cut as i64 - ended as i64));
            }
        }
    }
    assert_eq!(wrong, []);
}

/// Sets a timer far away, at every event that `when` wants.
fn idle(when: impl Fn(&Event) -> bool + Send + Sync + Clone + 'static) -> Version {
    of(fun(move || {
        let when = when.clone();
        Box::new(move |event, _, actions| {
            if when(event) {
                actions.push(Action::SetTimer(TimerRequest {
                    id: 1,
                    pad: Pad::ZERO,
                    due: 1_000_000_000_000,
                }));
            }
            Ok(())
        })
    }))
}

#[test]
fn decisions_that_nothing_answers_long_before_a_run_was_cut_off_are_a_difference() {
    let make = |decides: bool| {
        let second = idle(move |event| {
            let when = (100..2_000).contains(&event.sequence);
            decides && when && event.kind() == Kind::Quote
        });
        let cast = [("first", version("1", traits())), ("second", second)];
        let cast = cast.map(|(name, version)| {
            let strategy = started(&version);
            (name, version, strategy)
        });
        toy::engine_of(ToyVenue::new(5, 6_000), plain(), cast.into())
    };
    let (items, _) = kept(make(false));
    let cut = &items[..items.len() / 4 * 3];
    let divergence = again(make(true), cut).divergence.unwrap();
    assert_eq!(divergence.recorded, Finding::Nothing);
    let resumed = make(true).resume(&mut Played::of(cut, &[]), &mut Notices::default());
    assert!(resumed.is_err());
    assert_eq!(again(make(false), cut).divergence, None);
}

#[test]
fn a_fault_is_found_again_wherever_it_stands_in_what_is_read_ahead() {
    let make = |traps_at: Option<u64>| {
        let left = Arc::new(AtomicU64::new(1));
        let first = of(fun(move || {
            let left = Arc::clone(&left);
            Box::new(move |event, _, _| {
                let due = traps_at.is_some_and(|at| event.sequence >= at);
                match due && left.swap(0, Ordering::Relaxed) == 1 {
                    true => Err(Fault("too long".to_owned())),
                    false => Ok(()),
                }
            })
        }));
        let mut cast = vec![("first", first.clone(), started(&first))];
        for name in ["second", "third", "fourth", "fifth"] {
            let version = idle(|_| true);
            let strategy = started(&version);
            cast.push((name, version, strategy));
        }
        let config = EngineConfig {
            max_actions_per_s: 1_000_000,
            ..plain()
        };
        toy::engine_of(ToyVenue::new(5, 5_000), config, cast)
    };
    // Four deeds an event: 8,192 of them end at an event of each of these neighbourhoods.
    for at in (2_036..2_050).chain(4_084..4_098) {
        let (items, report) = kept(make(Some(at)));
        assert_eq!(report.status.strategies[0].traps, 1, "{at}");
        let replayed = again(make(None), &items);
        assert_eq!(replayed.divergence, None, "{at}");
    }
}

#[test]
fn a_start_that_was_refused_refuses_no_change_after_it() {
    let second = version("2", traits());
    let seat = tickdeck_engine::port::StrategyStart {
        id: FIRST,
        name: "first".to_owned(),
        allocation: Vec::new(),
        next_order: 1_000_000,
        last_order: 2_000_000,
        strategy: started(&second),
        version: second,
    };
    let refused = Request::StrategyChange(StrategyChange::Start(Box::new(seat)));
    let swap = Request::StrategyChange(StrategyChange::Swap(
        FIRST,
        Box::new(version("3", traits())),
    ));
    let (items, report) = kept(engine(plain(), vec![(900, refused), (1_500, swap)]));
    let is_refusal = |item: &Item| matches!(item, Item::Effect(_, Effect::Refused { .. }));
    assert_eq!(items.iter().filter(|item| is_refusal(item)).count(), 1);
    let versions = [version("2", traits()), version("3", traits())];
    let replayed = replay(plain(), &items, &versions);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}
