//! A strategy that keeps the others waiting is held, and a replay holds it at the same event without measuring anything.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tickdeck_engine::port::{Clock, Fault, StopReason, Strategy, Version};
use tickdeck_engine::{
    BudgetConfig, Effect, Engine, EngineConfig, Notice, NullObserver, Overload, Replayed, Report,
    Stepping, StrategyChange, StrategyOutcome, StrategyState, VersionChange,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::counting::{Traits, config, market, started, traits, version};
use toy::reel::{Played, Reel};
use toy::{At, NoClock, Notices, Ticking, ToyVenue};

const EVENTS: u64 = 3_000;
const MS: u64 = 1_000_000;
/// Event time per poll.
const STEP_NS: i64 = 50;
/// Duration of a call that faults because it timed out.
const TIME_LIMIT_NS: u64 = 15 * MS;
const SLOW: StrategyId = StrategyId(3);

/// Trades, and is slow at some events. It reports its own times, so no clock is needed.
struct Slow {
    inner: Box<dyn Strategy>,
    /// Slow at one event in this many.
    every: u64,
    takes_ns: u64,
    trades: bool,
    seen: u64,
    took_ns: Option<u64>,
}

impl Strategy for Slow {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.seen += 1;
        let is_slow = self.seen.is_multiple_of(self.every);
        self.took_ns = is_slow.then_some(self.takes_ns);
        if !self.trades {
            return Ok(1);
        }
        let handled = self.inner.on_events(&batch[..1], book, actions);
        if handled.is_err() {
            self.took_ns = Some(TIME_LIMIT_NS);
        }
        handled
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.took_ns = None;
        self.inner.save()
    }

    fn long_call_ns(&self) -> Option<u64> {
        self.took_ns
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.inner.stop(reason)
    }
}

fn slow(every: u64, takes_ns: u64) -> Version {
    slow_one(traits(), every, takes_ns, true)
}

/// Trades, and so many times a call times out at its 500th event.
fn timing_out(times: u64) -> Version {
    let traps = Some((500, Arc::new(AtomicU64::new(times))));
    slow_one(Traits { traps, ..traits() }, u64::MAX, 0, true)
}

fn slow_one(traits: Traits, every: u64, takes_ns: u64, trades: bool) -> Version {
    let version = toy::version("slow", market(), Arc::new(traits));
    toy::wrapped(version, move |inner, _| {
        Box::new(Slow {
            inner,
            every,
            takes_ns,
            trades,
            seen: 0,
            took_ns: None,
        })
    })
}

/// An engine with two strategies that trade, and the given one.
fn engine(config: EngineConfig, clock: Box<dyn Clock>, third: Version) -> Engine {
    let plain = version("1", traits());
    let cast = [
        ("first", plain.clone()),
        ("second", plain),
        ("third", third),
    ];
    let cast = cast.map(|(name, version)| {
        let instance = started(&version);
        (name, version, instance)
    });
    toy::engine_at(ToyVenue::new(5, EVENTS), clock, config, cast.into())
}

fn budgeted(stepping: Stepping, workers: usize) -> EngineConfig {
    EngineConfig {
        stepping,
        budget: Some(BudgetConfig::default()),
        ..config(workers, 64, None)
    }
}

/// Runs it by a clock, and records it.
fn recorded(config: EngineConfig, third: Version) -> (Report, Vec<Notice>, Reel) {
    let reel = Reel::default();
    let mut engine = engine(config, Ticking::new(STEP_NS).0, third);
    engine.record(reel.recorder());
    let mut notices = Notices::default();
    let report = engine.run(&mut notices).unwrap();
    (report, notices.0, reel)
}

fn replayed(config: EngineConfig, third: Version, reel: &Reel) -> Replayed {
    let mut tape = Played::of(&reel.all(), &[slow(1, 8 * MS)]);
    let engine = engine(config, Ticking::new(STEP_NS).0, third);
    engine.replay(&mut tape, &mut NullObserver).unwrap()
}

fn state_of(report: &Report, strategy: StrategyId) -> StrategyState {
    let mut all = report.status.strategies.iter();
    all.find(|one| one.id == strategy).unwrap().state
}

fn events_of(report: &Report, strategy: StrategyId) -> u64 {
    let mut all = report.status.strategies.iter();
    all.find(|one| one.id == strategy).unwrap().events
}

fn why_ended(notices: &[Notice]) -> Option<&str> {
    notices.iter().find_map(|notice| match notice {
        Notice::Ended { problem, .. } => Some(problem.as_str()),
        _ => None,
    })
}

const PLACES: [(Stepping, usize); 4] = [
    (Stepping::Lockstep, 1),
    (Stepping::Lockstep, 2),
    (Stepping::Free, 1),
    (Stepping::Free, 2),
];

#[test]
fn a_strategy_that_keeps_the_others_waiting_ends_and_a_replay_ends_it_at_the_same_event() {
    for (stepping, workers) in PLACES {
        for every in [1, 20] {
            let place = format!("{stepping:?}, {workers} workers, every {every}");
            let (report, notices, reel) =
                recorded(budgeted(stepping, workers), slow(every, 8 * MS));
            assert_eq!(
                state_of(&report, SLOW),
                StrategyState::Quarantined,
                "{place}"
            );
            let handled = events_of(&report, SLOW);
            assert!(handled <= 20 * every, "{place}: {handled}");
            let why = why_ended(&notices).unwrap();
            assert!(
                why.starts_with("kept the other strategies waiting"),
                "{place}: {why}"
            );
            for honest in [StrategyId(1), StrategyId(2)] {
                assert_eq!(state_of(&report, honest), StrategyState::Stopped, "{place}");
                assert!(events_of(&report, honest) >= EVENTS, "{place}");
            }
            // Slow again or quick now: the recorded measurement counts.
            for takes_ns in [8 * MS, 0] {
                let again = replayed(budgeted(stepping, 1), slow(every, takes_ns), &reel);
                assert_eq!(again.divergence, None, "{place}");
                assert!(again.ended, "{place}");
                assert_eq!(again.report.actions_hash, report.actions_hash, "{place}");
                assert_eq!(events_of(&again.report, SLOW), handled, "{place}");
            }
        }
    }
}

#[test]
fn a_strategy_that_timed_out_comes_back_in_the_next_turn_and_in_a_replay_too() {
    for (stepping, workers) in PLACES {
        let (report, notices, reel) = recorded(budgeted(stepping, workers), timing_out(1));
        let place = format!("{stepping:?}, {workers} workers");
        let suspended = reel.effects().into_iter().filter(|(_, effect)| {
            matches!(effect, Effect::Settled { strategy, outcome: StrategyOutcome::Suspended, .. } if *strategy == SLOW)
        });
        assert_eq!(suspended.count(), 1, "{place}");
        if stepping == Stepping::Lockstep {
            // Running freely, the tape may be over before it is back.
            assert_eq!(why_ended(&notices), None, "{place}");
            assert_eq!(state_of(&report, SLOW), StrategyState::Stopped, "{place}");
        }
        let again = replayed(budgeted(stepping, 1), timing_out(0), &reel);
        assert_eq!(again.divergence, None, "{place}");
        assert_eq!(again.report.actions_hash, report.actions_hash, "{place}");
    }
}

#[test]
fn a_strategy_that_timed_out_comes_back_once_the_others_had_their_turns() {
    for workers in [1, 2] {
        let reel = Reel::default();
        let third = timing_out(1);
        let clock = Ticking::new(STEP_NS).0.measuring(MS);
        let mut engine = engine(budgeted(Stepping::Lockstep, workers), clock, third);
        engine.record(reel.recorder());
        engine.run(&mut NullObserver).unwrap();
        let effects = reel.effects();
        let place_of = |wanted: &dyn Fn(&Effect) -> bool| {
            let found = effects.iter().find(|(_, effect)| wanted(effect));
            found.map(|(position, _)| *position).unwrap()
        };
        let suspended = place_of(&|effect| {
            let outcome = StrategyOutcome::Suspended;
            matches!(effect, Effect::Settled { outcome: one, .. } if *one == outcome)
        });
        let back = place_of(&|effect| matches!(effect, Effect::GaveUp { .. }));
        assert!(
            back > suspended + 4,
            "{workers} workers: from {suspended} to {back}"
        );
    }
}

#[test]
fn in_lockstep_too_a_strategy_ends_by_whose_short_calls_the_others_are_late() {
    // Each call is shorter than a turn, and all of them together take longer than the market does.
    let run = |is_real_time| {
        let budget = BudgetConfig {
            is_real_time,
            burst_ns: 10 * MS,
            ..BudgetConfig::default()
        };
        let config = EngineConfig {
            budget: Some(budget),
            ..budgeted(Stepping::Lockstep, 1)
        };
        let engine = engine(config, Box::new(Behind::default()), slow(1, MS / 50));
        let report = engine.run(&mut NullObserver).unwrap();
        assert_eq!(state_of(&report, StrategyId(1)), StrategyState::Stopped);
        state_of(&report, SLOW)
    };
    assert_eq!(run(true), StrategyState::Quarantined);
    assert_eq!(
        run(false),
        StrategyState::Stopped,
        "a pace that is too fast for the machine is nobody's fault"
    );
}

/// A clock that event time is a second behind.
#[derive(Default)]
struct Behind {
    due: Timestamp,
    measured: AtomicU64,
}

impl Clock for Behind {
    fn wait_until(&mut self, due: Timestamp) {
        self.due = due;
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        self.due + 1_000_000_000
    }

    fn now_ns(&self) -> u64 {
        self.measured.fetch_add(MS / 50, Ordering::Relaxed)
    }
}

#[test]
fn the_others_decide_as_if_it_were_quick() {
    // One that never trades: the market is the same without it.
    let idle = |takes_ns| slow_one(traits(), 1, takes_ns, false);
    let slow = recorded(budgeted(Stepping::Lockstep, 2), idle(8 * MS)).0;
    let quick = recorded(budgeted(Stepping::Lockstep, 2), idle(0)).0;
    assert_eq!(state_of(&slow, SLOW), StrategyState::Quarantined);
    assert_eq!(state_of(&quick, SLOW), StrategyState::Stopped);
    assert_eq!(slow.actions_hash, quick.actions_hash);
    assert_eq!(slow.tape_hash, quick.tape_hash);
}

#[test]
fn nobody_is_held_where_no_time_goes_by() {
    let engine = engine(
        budgeted(Stepping::Lockstep, 1),
        Box::new(NoClock),
        slow(1, 8 * MS),
    );
    let report = engine.run(&mut NullObserver).unwrap();
    assert_eq!(state_of(&report, SLOW), StrategyState::Stopped);
}

#[test]
fn a_strategy_that_is_alone_is_slow_to_nobodys_harm() {
    for stepping in [Stepping::Lockstep, Stepping::Free] {
        let third = slow(1, 8 * MS);
        let instance = started(&third);
        let engine = toy::engine_at(
            ToyVenue::new(5, EVENTS),
            Ticking::new(STEP_NS).0,
            budgeted(stepping, 1),
            vec![("alone", third, instance)],
        );
        let report = engine.run(&mut NullObserver).unwrap();
        let state = state_of(&report, StrategyId(1));
        assert_eq!(state, StrategyState::Stopped, "{stepping:?}");
    }
}

#[test]
fn a_strategy_with_a_worker_of_its_own_is_slow_to_nobodys_harm_while_it_keeps_up() {
    let report = recorded(budgeted(Stepping::Free, 3), slow(1, 8 * MS)).0;
    assert_eq!(state_of(&report, SLOW), StrategyState::Stopped);
}

#[test]
fn where_the_operator_decides_there_is_an_alert_and_no_end() {
    let budget = BudgetConfig {
        overload: Overload::Alert,
        ..BudgetConfig::default()
    };
    let config = EngineConfig {
        budget: Some(budget),
        ..budgeted(Stepping::Lockstep, 1)
    };
    let (report, notices, _) = recorded(config, slow(1, 8 * MS));
    assert_eq!(state_of(&report, SLOW), StrategyState::Stopped);
    let alerts = notices.iter().filter(|notice| {
        matches!(notice, Notice::Overloaded { strategy, limit_ns: None, .. } if *strategy == SLOW)
    });
    assert_eq!(alerts.count(), 1, "{notices:?}");
}

#[test]
fn a_new_version_that_keeps_the_others_waiting_is_rolled_back() {
    let mut engine = engine(
        budgeted(Stepping::Lockstep, 2),
        Ticking::new(STEP_NS).0,
        version("1", traits()),
    );
    let reel = Reel::default();
    engine.record(reel.recorder());
    let controls = engine.controls();
    let mut asked = false;
    let swap = move || {
        if !std::mem::replace(&mut asked, true) {
            let to = Box::new(slow(1, 8 * MS));
            drop(controls.change(StrategyChange::Swap(SLOW, to)));
        }
    };
    let mut observer = Swapping(At(5, swap), Notices::default());
    let report = engine.run(&mut observer).unwrap();
    let rolled_back = |notice: &&Notice| {
        matches!(
            notice,
            Notice::Version { change: VersionChange::RolledBack { problem, .. }, .. }
                if problem.starts_with("kept the other strategies waiting")
        )
    };
    let notices = observer.1.0;
    assert_eq!(notices.iter().filter(rolled_back).count(), 1, "{notices:?}");
    assert_eq!(state_of(&report, SLOW), StrategyState::Stopped);
    let again = replayed(
        budgeted(Stepping::Lockstep, 1),
        version("1", traits()),
        &reel,
    );
    assert_eq!(again.divergence, None);
    assert_eq!(again.report.actions_hash, report.actions_hash);
}

/// Requests a swap at a status, and keeps the notices.
struct Swapping<F>(At<F>, Notices);

impl<F: FnMut()> tickdeck_engine::Observer for Swapping<F> {
    fn notice(&mut self, at: Timestamp, notice: Notice) {
        self.1.notice(at, notice);
    }

    fn status(&mut self, status: &tickdeck_engine::Status) {
        self.0.status(status);
    }
}
