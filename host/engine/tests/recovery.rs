//! A strategy that takes long to recover is brought back slice by slice: the others have their turns in between, and a replay
//! does all of it at once and comes out the same.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tickdeck_engine::port::{Clock, Fault, StopReason, Strategy, Version};
use tickdeck_engine::{
    BudgetConfig, Effect, Engine, EngineConfig, EngineHandle, Notice, OperatorCommand, Replayed,
    Report, SentKind, Stepping, StrategyChange, StrategyOutcome, StrategyState, VersionChange,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::counting::{Traits, config, market, started, traits};
use toy::reel::{Item, Played, Reel};
use toy::{NoClock, Notices, ToyVenue};

const EVENTS: u64 = 6_000;
const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// What the clock advances by with every window.
const WINDOW_NS: u64 = 5 * MS;

/// A slice and the longest call.
const MOST_NS: u64 = 20 * MS;

const OTHER: StrategyId = StrategyId(1);
const SLOW: StrategyId = StrategyId(2);

/// Time as the clock, the workers and the strategies have it: it goes by with windows and with calls.
#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Time {
    fn pass(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An operator, who looks at every window: at its number, and at what is on the reel.
type Operator = Box<dyn FnMut(&EngineHandle, u64, &Reel) + Send>;

fn nobody() -> Operator {
    Box::new(|_, _, _| {})
}

/// A clock that time goes by with at every window; running freely, with every look.
struct Passing {
    time: Time,
    event: AtomicI64,
    /// Event time of one look.
    step: i64,
    windows: u64,
    operator: Operator,
    controls: Arc<OnceLock<EngineHandle>>,
    reel: Reel,
}

impl Clock for Passing {
    fn wait_until(&mut self, due: Timestamp) {
        self.event.fetch_max(due, Ordering::Relaxed);
        self.windows += 1;
        self.time.pass(WINDOW_NS);
        let controls = self.controls.get().unwrap();
        (self.operator)(controls, self.windows, &self.reel);
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        match self.event.load(Ordering::Relaxed) {
            Timestamp::MIN => Timestamp::MIN,
            _ => {
                self.time.pass(self.step.unsigned_abs() * 10 * US);
                self.event.fetch_add(self.step, Ordering::Relaxed)
            }
        }
    }

    fn now_ns(&self) -> u64 {
        self.time.now()
    }
}

/// Code whose instances trade, and take their time with each event.
#[derive(Clone)]
struct Costly {
    traits: Traits,
    time: Time,
    event_ns: u64,
    /// What an event takes that is handled once more, or late: this many after each restore.
    restored: (u64, u64),
    one_by_one: bool,
    /// When each call began and ended.
    calls: Arc<Mutex<Vec<(u64, u64)>>>,
    /// Each order that it was told of as canceled: the sequence of the event, and whether the book still had it.
    canceled: Arc<Mutex<Vec<(u64, bool)>>>,
}

impl Costly {
    fn new(time: &Time, traits: Traits, event_ns: u64) -> Self {
        Self {
            traits,
            time: time.clone(),
            event_ns,
            restored: (0, 0),
            one_by_one: false,
            calls: Arc::default(),
            canceled: Arc::default(),
        }
    }

    fn version(&self, label: &str) -> Version {
        let code = self.clone();
        let version = toy::version(label, market(), Arc::new(self.traits.clone()));
        toy::wrapped(version, move |inner, is_next| {
            code.instance(inner, if is_next { code.restored.0 } else { 0 })
        })
    }

    fn instance(&self, inner: Box<dyn Strategy>, dear: u64) -> Box<dyn Strategy> {
        let code = self.clone();
        Box::new(CostlyInstance { inner, code, dear })
    }

    /// The longest time between two calls.
    fn longest_gap_ns(&self) -> u64 {
        let calls = self.calls.lock().unwrap();
        let gaps = calls.windows(2).map(|pair| pair[1].0 - pair[0].1);
        gaps.max().unwrap()
    }
}

struct CostlyInstance {
    inner: Box<dyn Strategy>,
    code: Costly,
    /// Events that still take longer.
    dear: u64,
}

impl CostlyInstance {
    fn look(&self, first: &Event, book: &StrategyBook) {
        if let View::Order(update) = first.view()
            && update.status == OrderStatus::Canceled
        {
            let is_there = book.orders().any(|order| order.number == update.order);
            self.code
                .canceled
                .lock()
                .unwrap()
                .push((first.sequence, is_there));
        }
    }
}

impl Strategy for CostlyInstance {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.look(&batch[0], book);
        let began = self.code.time.now();
        let offered = if self.code.one_by_one { 1 } else { batch.len() };
        let handled = self.inner.on_events(&batch[..offered], book, actions);
        let count = *handled.as_ref().unwrap_or(&1) as u64;
        let dear = count.min(self.dear);
        self.dear -= dear;
        let took_ns = dear * self.code.restored.1 + (count - dear) * self.code.event_ns;
        self.code.time.pass(took_ns);
        let call = (began, self.code.time.now());
        self.code.calls.lock().unwrap().push(call);
        handled
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.inner.save()
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.inner.stop(reason)
    }
}

fn budgeted(stepping: Stepping, workers: usize) -> EngineConfig {
    EngineConfig {
        stepping,
        budget: Some(BudgetConfig {
            // Nobody is to be held here for what it takes when it handles an event first.
            burst_ns: u64::MAX / 2,
            ..BudgetConfig::default()
        }),
        ..config(workers, 64, None)
    }
}

fn lockstep() -> EngineConfig {
    budgeted(Stepping::Lockstep, 1)
}

fn trap(at: u64) -> Traits {
    let traps = Some((at, Arc::new(AtomicU64::new(1))));
    Traits { traps, ..traits() }
}

/// An engine whose time goes by.
fn engine(
    time: &Time,
    config: EngineConfig,
    cast: Vec<(&'static str, Version)>,
    (reel, operator): (&Reel, Operator),
) -> Engine {
    let controls = Arc::new(OnceLock::new());
    let clock = Passing {
        time: time.clone(),
        event: AtomicI64::new(Timestamp::MIN),
        step: if config.stepping == Stepping::Free {
            50
        } else {
            0
        },
        windows: 0,
        operator,
        controls: Arc::clone(&controls),
        reel: reel.clone(),
    };
    let measured = time.clone();
    let clock: (Box<dyn Clock>, toy::NowNs) = (Box::new(clock), Arc::new(move || measured.now()));
    let venue = Box::new(ToyVenue::new(5, EVENTS));
    let engine = toy::try_engine_measuring(vec![venue], clock, config, instances(cast)).unwrap();
    controls.set(engine.controls()).ok();
    engine
}

fn instances(
    cast: Vec<(&'static str, Version)>,
) -> Vec<(&'static str, Version, Box<dyn Strategy>)> {
    let cast = cast.into_iter().map(|(name, version)| {
        let instance = started(&version);
        (name, version, instance)
    });
    cast.collect()
}

/// A run and what was recorded of it.
struct Run {
    report: Report,
    notices: Vec<Notice>,
    reel: Reel,
}

impl Run {
    fn of(
        time: &Time,
        config: EngineConfig,
        cast: Vec<(&'static str, Version)>,
        operator: Operator,
    ) -> Self {
        let reel = Reel::default();
        let mut engine = engine(time, config, cast, (&reel, operator));
        engine.record(reel.recorder());
        let mut notices = Notices::default();
        let report = engine.run(&mut notices).unwrap();
        let notices = notices.0;
        Self {
            report,
            notices,
            reel,
        }
    }

    fn state(&self, strategy: StrategyId) -> StrategyState {
        let mut all = self.report.status.strategies.iter();
        all.find(|one| one.id == strategy).unwrap().state
    }

    fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        let effects = self.reel.effects().into_iter();
        effects.filter(|(_, effect)| wanted(effect)).count()
    }

    /// Positions at which a strategy began to catch up.
    fn began(&self) -> Vec<u64> {
        self.positions(|effect| matches!(effect, Effect::CatchingUp { .. }))
    }

    /// Positions at which a strategy was back, or ended.
    fn came_back(&self) -> Vec<u64> {
        self.positions(|effect| matches!(effect, Effect::GaveUp { .. }))
    }

    fn positions(&self, wanted: impl Fn(&Effect) -> bool) -> Vec<u64> {
        let effects = self.reel.effects().into_iter();
        let wanted = effects.filter(|(_, effect)| wanted(effect));
        wanted.map(|(at, _)| at).collect()
    }

    fn why_ended(&self) -> Option<&str> {
        self.notices.iter().find_map(|notice| match notice {
            Notice::Ended { problem, .. } => Some(problem.as_str()),
            _ => None,
        })
    }

    fn recovered(&self) -> Option<u32> {
        self.notices.iter().find_map(|notice| match notice {
            Notice::Recovered { events, .. } => Some(*events),
            _ => None,
        })
    }
}

fn outcome(wanted: StrategyOutcome) -> impl Fn(&Effect) -> bool {
    move |effect| matches!(effect, Effect::Settled { outcome, .. } if *outcome == wanted)
}

/// The versions without their faults, where no time goes by: what happened is on the tape.
fn bare(config: EngineConfig, names: &[&'static str]) -> Engine {
    let cast = names
        .iter()
        .map(|name| (*name, toy::counting::version("1", traits())));
    let venue = ToyVenue::new(5, EVENTS);
    let config = EngineConfig {
        stepping: config.stepping,
        ..config
    };
    let clock: Box<dyn Clock> = match config.stepping {
        Stepping::Lockstep => Box::new(NoClock),
        Stepping::Free => toy::Ticking::new(50).0,
    };
    toy::engine_at(venue, clock, config, instances(cast.collect()))
}

const TWO: [&str; 2] = ["other", "slow"];

fn bad_version() -> Version {
    let traits = Traits {
        every: 11,
        ..traits()
    };
    toy::counting::version("bad", traits)
}

fn replayed(config: EngineConfig, names: &[&'static str], items: &[Item]) -> Replayed {
    let mut tape = Played::of(items, &[bad_version()]);
    bare(config, names)
        .replay(&mut tape, &mut Notices::default())
        .unwrap()
}

fn assert_replays_equal(run: &Run, names: &[&'static str], stepping: Stepping) {
    for (workers, batch) in [(1, 64), (2, 7), (1, 1_024)] {
        let config = EngineConfig {
            stepping,
            ..config(workers, batch, None)
        };
        let again = replayed(config, names, &run.reel.all());
        assert_eq!(again.divergence, None);
        assert_eq!(again.report.actions_hash, run.report.actions_hash);
        assert_eq!(again.report.tape_hash, run.report.tape_hash);
    }
}

/// Another strategy, whose calls are watched and take no time, and one that is slow.
fn beside(time: &Time, slow: &Costly) -> (Costly, Vec<(&'static str, Version)>) {
    let other = Costly::new(time, traits(), 0);
    let cast = vec![("other", other.version("1")), ("slow", slow.version("1"))];
    (other, cast)
}

#[test]
fn a_quick_recovery_needs_no_slices() {
    let time = Time::default();
    let slow = Costly::new(&time, trap(1_000), 3 * US);
    let (_, cast) = beside(&time, &slow);
    let run = Run::of(&time, lockstep(), cast, nobody());
    assert_eq!(run.count(outcome(StrategyOutcome::Recovered)), 1);
    assert_eq!(run.count(outcome(StrategyOutcome::Suspended)), 0);
    assert_eq!(run.state(SLOW), StrategyState::Stopped);
}

#[test]
fn the_others_have_their_turns_while_a_strategy_comes_back() {
    for one_by_one in [false, true] {
        let time = Time::default();
        let slow = Costly {
            one_by_one,
            ..Costly::new(&time, trap(1_000), 50 * US)
        };
        let (other, cast) = beside(&time, &slow);
        let run = Run::of(&time, lockstep(), cast, nobody());
        let gap_ns = other.longest_gap_ns();
        assert!(
            gap_ns < WINDOW_NS + 7 * MS,
            "{gap_ns}, one by one: {one_by_one}"
        );
        assert_eq!(run.state(SLOW), StrategyState::Stopped, "{:?}", run.notices);
        assert!(run.recovered().unwrap() > 1_000, "and what came meanwhile");
        assert_eq!((run.began().len(), run.came_back().len()), (1, 1));
        assert_replays_equal(&run, &TWO, Stepping::Lockstep);
    }
}

#[test]
fn a_strategy_that_is_alone_comes_back_at_once() {
    let time = Time::default();
    let slow = Costly::new(&time, trap(1_000), 200 * US);
    let run = Run::of(
        &time,
        lockstep(),
        vec![("slow", slow.version("1"))],
        nobody(),
    );
    assert_eq!(run.count(outcome(StrategyOutcome::Recovered)), 1);
    assert_eq!(run.came_back(), []);
}

#[test]
fn a_strategy_that_spins_in_each_event_that_it_handles_once_more_ends_and_the_others_do_not_wait() {
    // Just below what is charged, and just below the limit of a call.
    for each_ns in [240 * US, 15 * MS] {
        let time = Time::default();
        let slow = Costly {
            restored: (u64::MAX, each_ns),
            one_by_one: true,
            ..Costly::new(&time, trap(1_000), US)
        };
        let (other, cast) = beside(&time, &slow);
        let run = Run::of(&time, lockstep(), cast, nobody());
        let gap_ns = other.longest_gap_ns();
        assert!(gap_ns <= WINDOW_NS + MOST_NS, "{gap_ns} at {each_ns}");
        assert_eq!(run.state(SLOW), StrategyState::Quarantined);
        let why = run.why_ended().unwrap();
        assert!(why.contains("took more than 250 ms"), "{why}");
        assert_eq!(run.state(OTHER), StrategyState::Stopped);
        assert_replays_equal(&run, &TWO, Stepping::Lockstep);
    }
}

#[test]
fn of_several_strategies_that_come_back_one_has_its_slice_at_a_time() {
    const FOUR: [&str; 4] = ["other", "slow", "slower", "slowest"];
    let time = Time::default();
    let other = Costly::new(&time, traits(), 0);
    let mut cast = vec![("other", other.version("1"))];
    for name in &FOUR[1..] {
        let slow = Costly {
            restored: (1_100, 20 * US),
            ..Costly::new(&time, trap(1_000), 3 * US)
        };
        cast.push((name, slow.version("1")));
    }
    let run = Run::of(&time, lockstep(), cast, nobody());
    assert_eq!(run.came_back().len(), 3);
    assert_eq!(run.why_ended(), None);
    let gap_ns = other.longest_gap_ns();
    // One recovery in place, and one slice.
    assert!(gap_ns < WINDOW_NS + 2 * 6 * MS, "{gap_ns}");
    assert_replays_equal(&run, &FOUR, Stepping::Lockstep);
}

#[test]
fn of_several_strategies_that_come_back_in_slices_all_rest_after_each() {
    const FOUR: [&str; 4] = ["other", "slow", "slower", "slowest"];
    let time = Time::default();
    let other = Costly::new(&time, traits(), 0);
    let mut cast = vec![("other", other.version("1"))];
    for name in &FOUR[1..] {
        let slow = Costly {
            restored: (1_100, 100 * US),
            ..Costly::new(&time, trap(1_000), US)
        };
        cast.push((name, slow.version("1")));
    }
    let run = Run::of(&time, lockstep(), cast, nobody());
    assert_eq!(run.came_back().len(), 3);
    let calls = other.calls.lock().unwrap().clone();
    let gaps = calls.windows(2).map(|pair| pair[1].0 - pair[0].1);
    let has_slice: Vec<bool> = gaps.map(|gap_ns| gap_ns > WINDOW_NS + 4 * MS).collect();
    let slices = has_slice.iter().filter(|is_one| **is_one).count();
    assert!(slices > 30, "{slices}");
    let one_after_another = has_slice.windows(2).filter(|pair| pair[0] && pair[1]);
    // The first slice may come right behind a recovery in place, which each of them tried once.
    let count = one_after_another.count();
    assert!(count <= 3, "{count} of {slices}");
    assert_replays_equal(&run, &FOUR, Stepping::Lockstep);
}

/// Swaps the slow strategy to a version that faults at its 2,600th event and is rolled back.
fn swapped_to_a_bad_version(time: &Time, event_ns: u64, fault_at: u64) -> Run {
    let bad = Traits {
        traps: Some((fault_at, Arc::new(AtomicU64::new(u64::MAX)))),
        every: 11,
        ..traits()
    };
    let bad = Costly::new(time, bad, event_ns).version("bad");
    let slow = Costly::new(time, traits(), event_ns);
    let (_, cast) = beside(time, &slow);
    let operator = move |controls: &EngineHandle, window: u64, _: &Reel| {
        if window == 200 {
            let to = Box::new(bad.clone());
            drop(controls.change(StrategyChange::Swap(SLOW, to)));
        }
    };
    Run::of(time, lockstep(), cast, Box::new(operator))
}

#[test]
fn a_rollback_comes_in_slices_too_and_its_late_orders_are_denied() {
    let run = swapped_to_a_bad_version(&Time::default(), 30 * US, 2_600);
    assert_eq!((run.began().len(), run.came_back().len()), (1, 1));
    assert!(run.came_back()[0] > run.began()[0] + 4);
    let rolled_back = |notice: &&Notice| {
        let change = match notice {
            Notice::Version { change, .. } => change,
            _ => return false,
        };
        matches!(change, VersionChange::RolledBack { to, .. } if to == "1")
    };
    assert_eq!(run.notices.iter().filter(rolled_back).count(), 1);
    assert!(run.count(|effect| matches!(effect, Effect::Applied(it) if it.late)) > 0);
    assert_eq!(run.state(SLOW), StrategyState::Stopped);
    assert_replays_equal(&run, &TWO, Stepping::Lockstep);
}

#[test]
fn a_fault_by_a_quota_whose_recovery_takes_long_has_the_same_outcome_in_a_replay() {
    let limited = |config| EngineConfig {
        max_actions_per_s: 40,
        ..config
    };
    let time = Time::default();
    let slow = Costly::new(&time, traits(), 50 * US);
    let slow = slow.version("1");
    let never = Costly::new(
        &time,
        Traits {
            every: u64::MAX,
            ..traits()
        },
        0,
    );
    let cast = vec![("other", never.version("1")), ("slow", slow)];
    let run = Run::of(&time, limited(lockstep()), cast, nobody());
    assert!(run.count(outcome(StrategyOutcome::Faulted(None))) > 0);
    assert!(run.count(outcome(StrategyOutcome::Suspended)) > 0);
    assert_eq!(run.state(SLOW), StrategyState::Quarantined);
    let never = Traits {
        every: u64::MAX,
        ..traits()
    };
    let cast = [("other", never), ("slow", traits())];
    let cast = cast.map(|(name, traits)| (name, toy::counting::version("1", traits)));
    let venue = ToyVenue::new(5, EVENTS);
    let config = limited(config(1, 64, None));
    let engine = toy::engine_at(venue, Box::new(NoClock), config, instances(cast.into()));
    let mut tape = Played::of(&run.reel.all(), &[]);
    let again = engine.replay(&mut tape, &mut Notices::default()).unwrap();
    assert_eq!(again.divergence, None);
    assert_eq!(again.report.actions_hash, run.report.actions_hash);
}

/// Carries out something once a strategy has begun to catch up.
fn once_it_catches_up(mut act: impl FnMut(&EngineHandle) + Send + 'static) -> Operator {
    let mut is_done = false;
    Box::new(move |controls, _, reel| {
        let has_begun = || {
            let effects = reel.effects();
            effects
                .iter()
                .any(|(_, effect)| matches!(effect, Effect::CatchingUp { .. }))
        };
        if !is_done && has_begun() {
            is_done = true;
            act(controls);
        }
    })
}

/// A strategy that needs several slices, and an operator who does something meanwhile.
fn while_it_catches_up(act: impl FnMut(&EngineHandle) + Send + 'static) -> Run {
    let time = Time::default();
    let slow = Costly::new(&time, trap(1_000), 50 * US);
    let (_, cast) = beside(&time, &slow);
    let run = Run::of(&time, lockstep(), cast, once_it_catches_up(act));
    assert_eq!(run.began().len(), 1);
    run
}

#[test]
fn what_comes_while_a_strategy_catches_up_is_in_its_book_when_it_is_told() {
    let mut canceled_meanwhile = 0;
    for fault_at in (900..1_000).step_by(10) {
        let time = Time::default();
        let slow = Costly::new(&time, trap(fault_at), 50 * US);
        let (_, cast) = beside(&time, &slow);
        let kill = |controls: &EngineHandle| controls.order(OperatorCommand::Kill);
        let run = Run::of(&time, lockstep(), cast, once_it_catches_up(kill));
        let (began, back) = (run.began()[0], run.came_back()[0]);
        let told = slow.canceled.lock().unwrap();
        let meanwhile = told.iter().filter(|(at, _)| (began..back).contains(at));
        for (at, is_there) in meanwhile {
            assert!(!is_there, "event {at} of a fault at {fault_at}");
            canceled_meanwhile += 1;
        }
    }
    assert!(canceled_meanwhile > 0, "the kill canceled its orders");
}

#[test]
fn a_kill_holds_while_a_strategy_catches_up() {
    let run = while_it_catches_up(|controls| controls.order(OperatorCommand::Kill));
    let effects = run.reel.effects();
    let killed = |(_, effect): &(u64, Effect)| {
        matches!(
            effect,
            Effect::Operated {
                order: OperatorCommand::Kill,
                ..
            }
        )
    };
    let at = effects.iter().position(killed).unwrap();
    let sent = effects[at..].iter().filter(|(_, effect)| {
        matches!(
            effect,
            Effect::Sent {
                what: SentKind::Submit | SentKind::Modify,
                ..
            }
        )
    });
    assert_eq!(sent.count(), 0);
    assert!(run.report.status.working.is_empty());
    assert_eq!(run.came_back().len(), 1, "it is back all the same");
    assert_replays_equal(&run, &TWO, Stepping::Lockstep);
}

#[test]
fn a_strategy_that_is_removed_while_it_catches_up_is_gone() {
    let run = while_it_catches_up(|controls| {
        drop(controls.change(StrategyChange::Remove(SLOW)));
    });
    assert_eq!(run.came_back(), []);
    assert_eq!(run.state(SLOW), StrategyState::Stopped);
    assert_replays_equal(&run, &TWO, Stepping::Lockstep);
}

#[test]
fn a_change_of_a_strategy_that_catches_up_is_refused_until_it_is_back() {
    for change in [
        || StrategyChange::Swap(SLOW, Box::new(bad_version())),
        || StrategyChange::RollBack(SLOW),
    ] {
        let run = while_it_catches_up(move |controls| drop(controls.change(change())));
        let refused = |effect: &Effect| matches!(effect, Effect::Refused { .. });
        assert_eq!(run.count(refused), 1);
        assert_eq!(run.came_back().len(), 1);
        assert_replays_equal(&run, &TWO, Stepping::Lockstep);
    }
}

#[test]
fn a_run_that_ends_while_a_strategy_catches_up_replays_equal() {
    let run = while_it_catches_up(|controls| controls.stop());
    assert_eq!(run.came_back(), []);
    assert_replays_equal(&run, &TWO, Stepping::Lockstep);
}

#[test]
fn a_swap_that_would_catch_up_for_long_is_refused_and_the_old_version_goes_on() {
    let time = Time::default();
    let slow = Costly::new(&time, traits(), 2 * US);
    let to = Costly {
        restored: (u64::MAX, 500 * US),
        ..slow.clone()
    };
    let to = to.version("bad");
    let fails = Arc::new(AtomicBool::new(false));
    let failing = toy::wrapped(slow.version("1"), {
        let fails = Arc::clone(&fails);
        move |inner, _| Box::new(FailingInstance(inner, Arc::clone(&fails)))
    });
    let other = Costly::new(&time, traits(), 0);
    let cast = vec![("other", other.version("1")), ("slow", failing)];
    let answer = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&answer);
    let operator = move |controls: &EngineHandle, window: u64, _: &Reel| {
        if window == 450 {
            fails.store(true, Ordering::Relaxed);
            let change = StrategyChange::Swap(SLOW, Box::new(to.clone()));
            *kept.lock().unwrap() = Some(controls.change(change));
        }
    };
    let run = Run::of(&time, lockstep(), cast, Box::new(operator));
    let answer = answer.lock().unwrap().take().unwrap().recv().unwrap();
    let why = answer.err().unwrap();
    assert!(why.contains("more than 20 ms"), "{why}");
    assert_eq!(run.state(SLOW), StrategyState::Stopped);
    assert_eq!(run.report.status.strategies[1].version, "1");
    assert!(other.longest_gap_ns() <= WINDOW_NS + 2 * MOST_NS);
}

/// Traps in its next `save`, once it is told to.
struct FailingInstance(Box<dyn Strategy>, Arc<AtomicBool>);

impl Strategy for FailingInstance {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.0.on_events(batch, book, actions)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        match self.1.swap(false, Ordering::Relaxed) {
            true => Err(Fault("save took too long".to_owned())),
            false => self.0.save(),
        }
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.0.stop(reason)
    }
}

/// Plays a run on from where it was cut off, and returns both parts.
fn cut_and_resumed(items: &[Item], cut: usize) -> Vec<Item> {
    let time = Time::default();
    let rest = Reel::default();
    let (_, cast) = beside(&time, &Costly::new(&time, traits(), 40 * US));
    let mut engine = engine(&time, lockstep(), cast, (&rest, nobody()));
    engine.record(rest.recorder());
    let mut tape = Played::of(&items[..cut], &[bad_version()]);
    engine.resume(&mut tape, &mut Notices::default()).unwrap();
    engine.run(&mut Notices::default()).unwrap();
    [&items[..cut], &rest.all()[..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recovery_in_slices_replays_equal_wherever_the_fault_was(
        fault_at in 20u64..2_500, event_us in 2u64..120, one_by_one in any::<bool>(), workers in 1usize..3,
        is_free in any::<bool>(), again in 1usize..3, max_batch in 1usize..300,
    ) {
        let time = Time::default();
        let stepping = if is_free { Stepping::Free } else { Stepping::Lockstep };
        let slow = Costly { one_by_one, ..Costly::new(&time, trap(fault_at), event_us * US) };
        let (_, cast) = beside(&time, &slow);
        let run = Run::of(&time, budgeted(stepping, workers), cast, nobody());
        let config = EngineConfig { stepping, ..config(again, max_batch, None) };
        let replayed = replayed(config, &TWO, &run.reel.all());
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert_eq!(replayed.report.actions_hash, run.report.actions_hash);
        prop_assert_eq!(replayed.report.tape_hash, run.report.tape_hash);
    }

    #[test]
    fn a_rollback_in_slices_replays_equal_wherever_the_fault_was(
        fault_at in 850u64..3_500, event_us in 2u64..60, again in 1usize..3, max_batch in 1usize..300,
    ) {
        let run = swapped_to_a_bad_version(&Time::default(), event_us * US, fault_at);
        let replayed = replayed(config(again, max_batch, None), &TWO, &run.reel.all());
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert_eq!(replayed.report.actions_hash, run.report.actions_hash);
    }

    #[test]
    fn a_run_that_is_cut_off_while_a_strategy_catches_up_goes_on_and_replays_equal(
        place in 0.0f64..1.0, event_us in 30u64..60, rolls_back in any::<bool>(),
    ) {
        let time = Time::default();
        let run = match rolls_back {
            true => swapped_to_a_bad_version(&time, event_us * US, 2_600),
            false => {
                let slow = Costly::new(&time, trap(1_000), event_us * US);
                let (_, cast) = beside(&time, &slow);
                Run::of(&time, lockstep(), cast, nobody())
            }
        };
        let items = run.reel.all();
        let at = |wanted: fn(&Effect) -> bool| {
            items.iter().position(|item| matches!(item, Item::Effect(_, effect) if wanted(effect)))
        };
        let from = at(|effect| matches!(effect, Effect::CatchingUp { .. })).unwrap();
        let until = at(|effect| matches!(effect, Effect::GaveUp { .. })).unwrap();
        // Some items before, some behind.
        let cut = from - 5 + ((until - from + 10) as f64 * place) as usize;
        let both = cut_and_resumed(&items, cut);
        let replayed = replayed(config(1, 64, None), &TWO, &both);
        prop_assert_eq!(&replayed.divergence, &None, "cut at {}, between {} and {}", cut, from, until);
    }
}
