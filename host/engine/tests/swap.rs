//! Versions of strategies change while others trade: state, orders and events across a swap.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock};
use tickdeck_engine::port::{
    Code, Fault, OtherSchema, SaveFailed, State, StopReason, Strategy, StrategyStart, SwapPolicy,
    Version,
};
use tickdeck_engine::{
    ChangeOrigin, ChangeResult, EngineConfig, EngineHandle, Notice, Observer, Report, StateSource,
    Status, StrategyChange, StrategyState, VersionChange,
};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::counting::{Save, Traits, config, market, started, traits, version};
use toy::{Toy, ToyVenue, feed, order};

const EVENTS: u64 = 20_000;

type Answers = Arc<Mutex<Vec<Receiver<Result<ChangeResult, String>>>>>;

/// The outcome of a run with changes.
struct Outcome {
    report: Report,
    notices: Vec<Notice>,
    answers: Vec<Result<ChangeResult, String>>,
}

impl Outcome {
    fn versions(&self) -> Vec<&VersionChange> {
        let changes = self.notices.iter().filter_map(|notice| match notice {
            Notice::Version { change, .. } => Some(change),
            _ => None,
        });
        let told = changes.filter(|change| !matches!(change, VersionChange::Live { .. }));
        told.collect()
    }
}

/// The strategy that is changed; the operator is the first.
const CHANGED: StrategyId = StrategyId(2);

/// Runs `first` beside an operator, who requests a change at each of the given events.
fn run(config: EngineConfig, first: Version, changes: Vec<(u64, StrategyChange)>) -> Outcome {
    let controls: Arc<OnceLock<EngineHandle>> = Arc::default();
    let answers = Answers::default();
    let mut changes = changes.into_iter().peekable();
    let (hand, kept) = (Arc::clone(&controls), Arc::clone(&answers));
    let operator = Toy(
        move |event: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
            while let Some((_, change)) = changes.next_if(|(at, _)| event.sequence >= *at) {
                let answer = hand.get().unwrap().change(change);
                kept.lock().unwrap().push(answer);
            }
            Ok(())
        },
    );
    let operator_version = toy::version("1", market(), Arc::new(toy::Once));
    let strategy = started(&first);
    let strategies = vec![
        (
            "operator",
            operator_version,
            Box::new(operator) as Box<dyn Strategy>,
        ),
        ("counting", first, strategy),
    ];
    let engine = toy::engine_of(ToyVenue::new(5, EVENTS), config, strategies);
    controls.set(engine.controls()).ok();
    let mut notices = toy::Notices::default();
    let report = engine.run(&mut notices).unwrap();
    let answers = std::mem::take(&mut *answers.lock().unwrap());
    Outcome {
        report,
        notices: notices.0,
        answers: answers
            .into_iter()
            .map(|answer| {
                answer
                    .recv()
                    .unwrap_or_else(|_| Err("the run ended".to_owned()))
            })
            .collect(),
    }
}

fn plain() -> EngineConfig {
    config(1, 64, None)
}

fn swap(at: u64, to: Version) -> (u64, StrategyChange) {
    (at, StrategyChange::Swap(CHANGED, Box::new(to)))
}

fn twin() -> Outcome {
    run(plain(), version("1", traits()), Vec::new())
}

/// Checks that a run equals the one in which nothing was changed.
fn assert_like_twin(outcome: &Outcome) {
    let twin = twin();
    assert_eq!(outcome.report.tape_hash, twin.report.tape_hash);
    assert_eq!(outcome.report.actions_hash, twin.report.actions_hash);
    let events = |outcome: &Outcome| outcome.report.status.strategies[1].events;
    assert_eq!(events(outcome), events(&twin));
    assert!(twin.report.status.fills > 50, "the twin must trade");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_swap_to_the_same_code_changes_nothing_however_often_and_however_events_are_batched(
        seed in any::<u64>(), workers in 1usize..4, max_batch in 1usize..300, swaps in 1u64..60, trial in 1u64..500,
    ) {
        let policy = SwapPolicy { trial_events: trial, ..SwapPolicy::default() };
        let changes = (1..=swaps)
            .map(|at| swap(at * EVENTS / (swaps + 1), Version { swap: policy, ..version(&format!("1.{at}"), traits()) }));
        let outcome = run(config(workers, max_batch, Some(seed)), version("1", traits()), changes.collect());
        for answer in &outcome.answers {
            let bytes = match answer {
                Ok(ChangeResult::Swapped(swapped)) => swapped.inherited,
                Ok(_) => panic!("not a swap"),
                Err(why) => panic!("{why}"),
            };
            prop_assert_eq!(bytes, StateSource::Saved { bytes: 16 });
        }
        prop_assert_eq!(outcome.report.status.strategies[1].generation as u64, 1 + swaps);
        assert_like_twin(&outcome);
    }
}

#[test]
fn a_trap_costs_an_instance_and_neither_an_event_nor_an_action() {
    for (at, workers, max_batch) in [(5_000, 1, 64), (4_097, 2, 1), (14_321, 1, 4_000)] {
        let traps = Some((at, Arc::new(AtomicU64::new(1))));
        let first = version("1", Traits { traps, ..traits() });
        let outcome = run(config(workers, max_batch, None), first, Vec::new());
        assert_like_twin(&outcome);
        let recovered = outcome.notices.iter().find_map(|notice| match notice {
            Notice::Recovered {
                problem, events, ..
            } => Some((problem.clone(), *events)),
            _ => None,
        });
        let (problem, events) = recovered.unwrap();
        assert!(problem.starts_with("trapped at event"), "{problem}");
        assert!(events <= 1_024, "{events}");
        assert_eq!(outcome.report.status.strategies[1].traps, 1);
    }
}

#[test]
fn a_strategy_that_traps_three_times_within_a_minute_is_quarantined_and_its_orders_canceled() {
    let mut hashes = Vec::new();
    for (workers, max_batch) in [(1, 64), (2, 1), (1, 4_000)] {
        let traps = Some((7_000, Arc::new(AtomicU64::new(u64::MAX))));
        let first = version("1", Traits { traps, ..traits() });
        let outcome = run(config(workers, max_batch, None), first, Vec::new());
        let status = &outcome.report.status.strategies[1];
        assert_eq!(
            (status.state, status.traps),
            (StrategyState::Quarantined, 3)
        );
        assert!((2_900..=6_999).contains(&status.events), "{status:?}");
        assert!(outcome.report.status.working.is_empty());
        let ended = |notice: &&Notice| matches!(notice, Notice::Ended { .. });
        assert_eq!(outcome.notices.iter().filter(ended).count(), 1);
        hashes.push((outcome.report.tape_hash, outcome.report.actions_hash));
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "where it ends does not depend on batches");
}

#[test]
fn a_new_version_that_traps_in_its_trial_is_rolled_back_and_its_late_orders_are_denied() {
    let mut hashes = Vec::new();
    for (workers, max_batch, split) in [(1, 64, None), (2, 1, None), (1, 4_000, Some(3))] {
        let traps = Some((9_000, Arc::new(AtomicU64::new(u64::MAX))));
        let bad = version(
            "2",
            Traits {
                traps,
                every: 5,
                ..traits()
            },
        );
        let outcome = run(
            config(workers, max_batch, split),
            version("1", traits()),
            vec![swap(8_000, bad)],
        );
        let status = &outcome.report.status.strategies[1];
        assert_eq!(status.state, StrategyState::Stopped);
        assert_eq!((status.version.as_str(), status.generation), ("1", 3));
        let versions = outcome.versions();
        let [
            VersionChange::Swapped { to, .. },
            VersionChange::RolledBack { from, problem, .. },
        ] = versions[..]
        else {
            panic!("{versions:?}");
        };
        assert_eq!((to.as_str(), from.as_str()), ("2", "2"));
        assert!(problem.starts_with("trapped at event"), "{problem}");
        let denied = outcome.report.status.denied.get(&Reason::Paused).copied();
        assert!(denied.is_some_and(|denied| denied > 0), "{denied:?}");
        let anomalies = outcome
            .notices
            .iter()
            .filter(|notice| matches!(notice, Notice::Anomaly { .. }));
        assert_eq!(anomalies.count(), 0);
        hashes.push((outcome.report.tape_hash, outcome.report.actions_hash));
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "a rollback does not depend on batches");
}

#[test]
fn a_version_that_is_refused_leaves_the_old_one_as_if_nothing_had_been() {
    let other_schema = Traits {
        schema: 2,
        restores: vec![2],
        ..traits()
    };
    let no_restore = Traits {
        restore_fails: true,
        ..traits()
    };
    for (bad, words) in [
        (
            other_schema,
            "version 2 reads states of schema [2], the running version saves 1",
        ),
        (no_restore, "restore refused"),
    ] {
        let outcome = run(
            plain(),
            version("1", traits()),
            vec![swap(8_000, version("2", bad))],
        );
        let Err(why) = &outcome.answers[0] else {
            panic!("taken");
        };
        assert!(why.contains(words), "{why}");
        assert_like_twin(&outcome);
    }
}

#[test]
fn old_code_that_can_not_save_never_blocks_an_upgrade() {
    let inherited = |save, policy: SwapPolicy| {
        let first = version("1", Traits { save, ..traits() });
        let to = Version {
            swap: policy,
            ..version("2", traits())
        };
        let outcome = run(plain(), first, vec![swap(8_000, to)]);
        assert_eq!(outcome.report.status.strategies[1].version, "2");
        match &outcome.answers[0] {
            Ok(ChangeResult::Swapped(swapped)) => swapped.inherited,
            _ => panic!("refused"),
        }
    };
    assert_eq!(
        inherited(Save::Refuses, SwapPolicy::default()),
        StateSource::Nothing
    );
    assert_eq!(
        inherited(Save::Traps, SwapPolicy::default()),
        StateSource::Nothing
    );
}

/// Saves as long as the counter is above zero.
struct Tiring(Traits, Arc<AtomicU64>);

struct TiringCounting(Box<dyn Strategy>, Arc<AtomicU64>);

impl Code for Tiring {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(TiringCounting(
            self.0.start(book)?,
            Arc::clone(&self.1),
        )))
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let inner = self.0.restore(book, state)?;
        Ok(Box::new(TiringCounting(inner, Arc::clone(&self.1))))
    }

    fn schema(&self) -> u32 {
        self.0.schema
    }

    fn restores(&self) -> &[u32] {
        &self.0.restores
    }
}

impl Strategy for TiringCounting {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.0.on_events(batch, book, actions)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Fault("save ran out of time".to_owned()));
        }
        self.0.save()
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn without_a_save_the_last_snapshot_and_the_events_since_are_inherited_or_nothing_by_policy() {
    for (save_failed, fresh) in [(SaveFailed::Snapshot, false), (SaveFailed::Fresh, true)] {
        let code = Tiring(traits(), Arc::new(AtomicU64::new(5)));
        let first = toy::version("1", market(), Arc::new(code));
        let policy = SwapPolicy {
            save_failed,
            ..SwapPolicy::default()
        };
        let to = Version {
            swap: policy,
            ..version("2", traits())
        };
        let outcome = run(plain(), first, vec![swap(6_000, to)]);
        let Ok(ChangeResult::Swapped(swapped)) = &outcome.answers[0] else {
            panic!("refused");
        };
        match swapped.inherited {
            StateSource::Snapshot { bytes, events } if !fresh => {
                assert_eq!(bytes, 16);
                assert!(events > 500, "{events}");
            }
            StateSource::Nothing if fresh => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(outcome.report.status.strategies[1].version, "2");
    }
}

#[test]
fn a_version_of_another_schema_starts_afresh_where_the_policy_says_so() {
    let policy = SwapPolicy {
        other_schema: OtherSchema::Fresh,
        ..SwapPolicy::default()
    };
    let to = Version {
        swap: policy,
        ..version(
            "2",
            Traits {
                schema: 2,
                restores: vec![2],
                ..traits()
            },
        )
    };
    let outcome = run(plain(), version("1", traits()), vec![swap(8_000, to)]);
    let Ok(ChangeResult::Swapped(swapped)) = &outcome.answers[0] else {
        panic!("refused");
    };
    assert_eq!(swapped.inherited, StateSource::Nothing);
}

#[test]
fn a_version_beside_sends_nothing_and_is_compared_until_it_is_promoted() {
    let shadow = |every| Version {
        swap: SwapPolicy {
            shadow: true,
            ..SwapPolicy::default()
        },
        ..version("2", Traits { every, ..traits() })
    };
    let outcome = run(
        plain(),
        version("1", traits()),
        vec![swap(4_000, shadow(37))],
    );
    assert_like_twin(&outcome);
    let seen = outcome.report.status.strategies[1].shadow.clone().unwrap();
    assert_eq!((seen.version.as_str(), seen.differed), ("2", 0));
    assert!(seen.agreed > 100, "{seen:?}");

    let outcome = run(
        plain(),
        version("1", traits()),
        vec![swap(4_000, shadow(11))],
    );
    assert_like_twin(&outcome);
    let seen = outcome.report.status.strategies[1].shadow.clone().unwrap();
    assert!(seen.differed > 100, "{seen:?}");
    assert_eq!(seen.differences.len(), 32, "the last ones are on record");
    let told = |one: &std::sync::Arc<tickdeck_engine::ShadowDifference>| one.sent != one.shadow;
    assert!(seen.differences.iter().all(told));
    assert!(seen.differences.is_sorted_by_key(|one| one.sequence));

    let changes = vec![
        swap(4_000, shadow(37)),
        (9_000, StrategyChange::Promote(CHANGED)),
    ];
    let outcome = run(plain(), version("1", traits()), changes);
    assert_like_twin(&outcome);
    let status = &outcome.report.status.strategies[1];
    assert_eq!((status.version.as_str(), status.generation), ("2", 2));
    assert!(matches!(outcome.answers[1], Ok(ChangeResult::Swapped(_))));

    let changes = vec![
        swap(4_000, shadow(11)),
        (9_000, StrategyChange::RollBack(CHANGED)),
    ];
    let outcome = run(plain(), version("1", traits()), changes);
    assert_like_twin(&outcome);
    assert!(outcome.report.status.strategies[1].shadow.is_none());
}

#[test]
fn a_version_beside_that_traps_ends_alone() {
    let traps = Some((5_000, Arc::new(AtomicU64::new(1))));
    let shadow = Version {
        swap: SwapPolicy {
            shadow: true,
            ..SwapPolicy::default()
        },
        ..version("2", Traits { traps, ..traits() })
    };
    let outcome = run(plain(), version("1", traits()), vec![swap(4_000, shadow)]);
    assert_like_twin(&outcome);
    let versions = outcome.versions();
    let Some(VersionChange::ShadowEnded { problem }) = versions.last() else {
        panic!("{versions:?}");
    };
    assert!(problem.starts_with("trapped at event"), "{problem}");
}

#[test]
fn the_operator_takes_a_version_back_within_its_trial_and_after_it() {
    for trial_events in [1_000_000, 10] {
        let to = Version {
            swap: SwapPolicy {
                trial_events,
                ..SwapPolicy::default()
            },
            ..version(
                "2",
                Traits {
                    every: 11,
                    ..traits()
                },
            )
        };
        let changes = vec![swap(4_000, to), (9_000, StrategyChange::RollBack(CHANGED))];
        let outcome = run(plain(), version("1", traits()), changes);
        let status = &outcome.report.status.strategies[1];
        assert_eq!((status.version.as_str(), status.generation), ("1", 3));
        let Ok(ChangeResult::Swapped(swapped)) = &outcome.answers[1] else {
            panic!("refused");
        };
        let within = matches!(swapped.inherited, StateSource::Snapshot { .. });
        assert_eq!(within, trial_events > 10, "{:?}", swapped.inherited);
    }
    let changes = vec![(9_000, StrategyChange::RollBack(CHANGED))];
    let outcome = run(plain(), version("1", traits()), changes);
    let why = outcome.answers.into_iter().next().unwrap().err().unwrap();
    assert_eq!(why, "there is no earlier version");
}

#[test]
fn a_strategy_comes_leaves_in_order_and_comes_back_while_others_trade() {
    for workers in [1, 2] {
        let (id, name) = (StrategyId(3), "late");
        let seat = |label: &str| {
            let version = version(label, traits());
            let strategy = started(&version);
            StrategyChange::Start(Box::new(StrategyStart {
                id,
                name: name.to_owned(),
                allocation: vec![(CurrencyId(0), Amount(1_000))],
                next_order: 1,
                last_order: 1_000_000_000,
                version,
                strategy,
            }))
        };
        let changes = vec![
            (3_000, seat("1")),
            (6_000, seat("double")),
            (9_000, StrategyChange::Remove(id)),
            (12_000, seat("2")),
        ];
        let outcome = run(config(workers, 64, None), version("1", traits()), changes);
        let kinds: Vec<bool> = outcome.answers.iter().map(Result::is_ok).collect();
        assert_eq!(kinds, [true, false, true, true]);
        let status = &outcome.report.status.strategies[2];
        assert_eq!((status.version.as_str(), status.generation), ("2", 2));
        assert!(status.actions > 50, "{status:?}");
        assert!(outcome.report.status.working.is_empty());
    }
}

#[test]
fn a_quarantined_strategy_is_brought_back_by_a_new_version() {
    let traps = Some((7_000, Arc::new(AtomicU64::new(u64::MAX))));
    let first = version("1", Traits { traps, ..traits() });
    let changes = vec![swap(9_000, version("2", traits()))];
    let outcome = run(plain(), first, changes);
    let status = &outcome.report.status.strategies[1];
    assert_eq!(
        (status.version.as_str(), status.state),
        ("2", StrategyState::Stopped)
    );
    assert!(status.events > 12_000, "{}", status.events);
    let Ok(ChangeResult::Swapped(swapped)) = &outcome.answers[0] else {
        panic!("refused");
    };
    assert!(matches!(swapped.inherited, StateSource::Snapshot { .. }));
}

#[test]
fn feeds_follow_the_manifest_and_what_was_changed_at_run_time_stays() {
    let trades = vec![feed(Feed::Trades, 0, BarBasis::Time)];
    let to = toy::version("2", trades.clone(), Arc::new(traits()));
    let outcome = run(plain(), version("1", traits()), vec![swap(8_000, to)]);
    let both = run(plain(), version("1", traits()), Vec::new());
    let events = |outcome: &Outcome| outcome.report.status.strategies[1].events;
    assert!(events(&outcome) < events(&both) - 3_000);
    assert!(events(&outcome) > events(&both) / 2);
}

#[test]
fn a_version_is_tried_on_where_its_predecessor_stands() {
    let first = version("1", traits());
    let changes = vec![(9_000, StrategyChange::DryRun(CHANGED))];
    let outcome = run(plain(), first, changes);
    assert_like_twin(&outcome);
    let Some(Ok(ChangeResult::DryRun(rehearsal))) = outcome.answers.into_iter().next() else {
        panic!("refused");
    };
    let events = rehearsal.run(&version("2", traits())).unwrap();
    assert!((500..1_024).contains(&events), "{events}");

    let outcome = run(
        plain(),
        version("1", traits()),
        vec![(9_000, StrategyChange::DryRun(CHANGED))],
    );
    let Some(Ok(ChangeResult::DryRun(rehearsal))) = outcome.answers.into_iter().next() else {
        panic!("refused");
    };
    let traps = Some((8_500, Arc::new(AtomicU64::new(1))));
    let bad = version("2", Traits { traps, ..traits() });
    let fault = rehearsal.run(&bad).unwrap_err();
    assert!(fault.0.starts_with("trapped at event"), "{fault}");
}

/// What was seen: sequence and kind.
type Kinds = Arc<Mutex<Vec<(u64, Kind)>>>;

/// Submits (or cancels) at each event `act_at` says; traps/saves as told.
#[derive(Clone, Default)]
struct Script {
    /// by event's sequence: what to do
    submit_every: u64,
    trap_after_seq: Option<u64>,
    /// save works while seq seen is below
    save_until_seq: Option<u64>,
    save_traps: bool,
    /// trap when replayed at this seq only if this flag >0
    trap_late: Option<(u64, Arc<AtomicU64>)>,
    subscribe_at: Option<u64>,
    kinds: Option<Kinds>,
    cancel_all_every: u64,
}
struct Scripted {
    s: Script,
    next: u64,
    seen: u64,
}
impl Code for Script {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(Scripted {
            s: self.clone(),
            next: book.next_order().max(1),
            seen: 0,
        }))
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
impl Strategy for Scripted {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            self.seen = event.sequence;
            if self.s.trap_after_seq.is_some_and(|t| event.sequence >= t) {
                return Err(Fault(format!("scripted trap at {}", event.sequence)));
            }
            if let Some((t, left)) = &self.s.trap_late
                && event.sequence >= *t
                && left.load(Ordering::Relaxed) > 0
            {
                left.fetch_sub(1, Ordering::Relaxed);
                return Err(Fault("late trap".to_owned()));
            }
            if let Some(kinds) = &self.s.kinds {
                kinds.lock().unwrap().push((event.sequence, event.kind()));
            }
            if self.s.subscribe_at.is_some_and(|t| event.sequence >= t) {
                self.s.subscribe_at = None;
                actions.push(Action::Subscribe(feed(Feed::Trades, 0, BarBasis::Time)));
                return Ok(at + 1);
            }
            let market = matches!(event.kind(), Kind::Quote | Kind::Trade);
            if market
                && self.s.cancel_all_every > 0
                && event.sequence.is_multiple_of(self.s.cancel_all_every)
            {
                actions.push(Action::CancelAll(CancelAll {
                    instrument: InstrumentId(0),
                    scope: CancelScope::Everything,
                    pad: Pad::ZERO,
                }));
                return Ok(at + 1);
            }
            if market
                && self.s.submit_every > 0
                && event.sequence.is_multiple_of(self.s.submit_every)
            {
                actions.push(Action::Submit(order(
                    self.next,
                    OrderType::Market,
                    Side::Buy,
                    0,
                    1,
                )));
                self.next += 1;
                return Ok(at + 1);
            }
        }
        Ok(batch.len())
    }
    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        if self.s.save_until_seq.is_some_and(|t| self.seen >= t) {
            return if self.s.save_traps {
                Err(Fault("save traps".to_owned()))
            } else {
                Ok(Err("not now".to_owned()))
            };
        }
        Ok(Ok(vec![0; 16]))
    }
    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}
fn sv(label: &str, s: Script) -> Version {
    toy::version(label, market(), Arc::new(s))
}

#[test]
fn a_version_that_brings_a_quarantined_strategy_back_is_offered_nothing_that_is_past() {
    let first = sv(
        "1",
        Script {
            trap_after_seq: Some(7_000),
            ..Script::default()
        },
    );
    let o = run(
        plain(),
        first,
        vec![swap(
            9_000,
            sv(
                "2",
                Script {
                    submit_every: 3,
                    ..Script::default()
                },
            ),
        )],
    );
    assert_eq!(o.report.status.strategies[1].state, StrategyState::Stopped);
    assert!(o.report.status.strategies[1].actions > 1_000);
}
#[test]
fn a_version_beside_leaves_the_running_one_alive_even_if_it_traps_in_save() {
    let first = sv(
        "1",
        Script {
            submit_every: 50,
            save_until_seq: Some(6_000),
            save_traps: true,
            ..Script::default()
        },
    );
    let mut to = sv(
        "2",
        Script {
            submit_every: 50,
            ..Script::default()
        },
    );
    to.swap.shadow = true;
    let o = run(plain(), first, vec![swap(7_000, to)]);
    assert!(
        o.report.status.strategies[1].events > 15_000,
        "the version that trades is dead"
    );
}
#[test]
fn a_version_beside_never_touches_the_running_ones_orders_or_numbers() {
    let script = Script {
        submit_every: 50,
        save_until_seq: Some(6_000),
        ..Script::default()
    };
    let first = || sv("1", script.clone());
    let mut to = sv(
        "2",
        Script {
            submit_every: 7,
            ..Script::default()
        },
    );
    to.swap.shadow = true;
    let a = run(plain(), first(), vec![]);
    let b = run(plain(), first(), vec![swap(7_000, to)]);
    assert_eq!(a.report.actions_hash, b.report.actions_hash);
}
#[test]
fn a_version_that_traps_while_it_catches_up_has_told_nothing() {
    let first = sv(
        "1",
        Script {
            submit_every: 50,
            save_until_seq: Some(6_000),
            ..Script::default()
        },
    );
    let to = sv(
        "2",
        Script {
            submit_every: 7,
            trap_after_seq: Some(6_500),
            ..Script::default()
        },
    );
    let o = run(plain(), first, vec![swap(7_000, to)]);
    assert!(matches!(
        o.report.status.strategies[1].state,
        StrategyState::Stopped
    ));
}
#[test]
fn a_trial_begins_with_its_first_event_whatever_state_there_is() {
    let first = sv(
        "1",
        Script {
            submit_every: 50,
            save_until_seq: Some(0),
            ..Script::default()
        },
    );
    let mut to = sv(
        "2",
        Script {
            submit_every: 50,
            trap_after_seq: Some(8_200),
            ..Script::default()
        },
    );
    to.swap.trial_ns = 100_000; // of event time; the swap comes at about 200,000
    let o = run(plain(), first, vec![swap(8_000, to)]);
    assert_eq!(o.report.status.strategies[1].version, "1", "rolled back");
}
#[test]
fn a_strategy_that_is_brought_back_gets_its_books_again() {
    let feeds = || {
        vec![
            feed(Feed::Quotes, 0, BarBasis::Time),
            feed(Feed::Book, 0, BarBasis::Time),
        ]
    };
    let kinds = Kinds::default();
    let first = toy::version(
        "1",
        feeds(),
        Arc::new(Script {
            trap_after_seq: Some(7_000),
            ..Script::default()
        }),
    );
    let to = toy::version(
        "2",
        feeds(),
        Arc::new(Script {
            kinds: Some(Arc::clone(&kinds)),
            ..Script::default()
        }),
    );
    run(plain(), first, vec![swap(9_000, to)]);
    let books = kinds
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, k)| *k == Kind::Book)
        .count();
    assert!(books > 0, "no snapshot was asked for");
}
#[test]
fn a_change_asked_of_an_engine_that_failed_is_answered() {
    let first = sv("1", Script::default());
    let boom = Toy(move |e: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
        if e.sequence > 50 {
            panic!("host bug")
        }
        Ok(())
    });
    let strategies = vec![
        (
            "operator",
            toy::version("1", market(), Arc::new(toy::Once)),
            Box::new(boom) as Box<dyn Strategy>,
        ),
        ("counting", sv("1", Script::default()), started(&first)),
    ];
    let engine = toy::engine_of(ToyVenue::new(5, 1000), config(2, 64, None), strategies);
    let controls = engine.controls();
    let mut notices = toy::Notices::default();
    assert!(engine.run(&mut notices).is_err());
    let answer = controls
        .change(StrategyChange::DryRun(CHANGED))
        .recv_timeout(std::time::Duration::from_secs(2));
    assert!(matches!(
        answer,
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    ));
}
#[test]
fn a_feed_asked_for_just_before_the_end_never_begins() {
    let quotes = vec![feed(Feed::Quotes, 0, BarBasis::Time)];
    let kinds = Kinds::default();
    let first = toy::version(
        "1",
        quotes.clone(),
        Arc::new(Script {
            subscribe_at: Some(7_000),
            trap_after_seq: Some(7_001),
            ..Script::default()
        }),
    );
    let to = toy::version(
        "2",
        quotes,
        Arc::new(Script {
            kinds: Some(Arc::clone(&kinds)),
            ..Script::default()
        }),
    );
    run(plain(), first, vec![swap(9_000, to)]);
    let stale: Vec<_> = kinds
        .lock()
        .unwrap()
        .iter()
        .filter(|(s, k)| *s > 7_050 && *s < 9_000 && *k == Kind::Trade)
        .map(|(s, _)| *s)
        .collect();
    assert!(
        stale.is_empty(),
        "{} events piled up for a strategy that had ended",
        stale.len()
    );
}
#[test]
fn a_promotion_that_fails_leaves_the_version_beside_where_it_is() {
    let first = sv(
        "1",
        Script {
            submit_every: 50,
            ..Script::default()
        },
    );
    let mut shadow = sv(
        "3",
        Script {
            submit_every: 50,
            save_until_seq: Some(6_000),
            ..Script::default()
        },
    );
    shadow.swap.shadow = true;
    let mut second = sv(
        "2",
        Script {
            submit_every: 50,
            ..Script::default()
        },
    );
    second.swap.trial_events = 10;
    let o = run(
        plain(),
        first,
        vec![
            swap(2_000, second),
            swap(4_000, shadow),
            (8_000, StrategyChange::Promote(CHANGED)),
            (9_000, StrategyChange::RollBack(CHANGED)),
        ],
    );
    assert_eq!(
        o.report.status.strategies[1].version, "2",
        "rollback was meant for what ran beside"
    );
}

#[test]
fn no_order_number_beyond_those_of_this_run_is_ever_used() {
    // numbers beyond those set aside for the run, after a removal and a new seat
    let first = sv(
        "1",
        Script {
            submit_every: 50,
            ..Script::default()
        },
    );
    let version = sv(
        "2",
        Script {
            submit_every: 50,
            ..Script::default()
        },
    );
    struct Jump(bool);
    impl Strategy for Jump {
        fn on_events(
            &mut self,
            batch: &[Event],
            _: &mut Box<StrategyBook>,
            actions: &mut Vec<Action>,
        ) -> Result<usize, Fault> {
            if !self.0 {
                self.0 = true;
                actions.push(Action::Submit(order(
                    1_000_000_000,
                    OrderType::Market,
                    Side::Buy,
                    0,
                    1,
                )));
                return Ok(1);
            }
            Ok(batch.len())
        }
        fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
            Ok(Ok(vec![0; 16]))
        }
        fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
            Ok(())
        }
    }
    let seat = |version: Version, strategy: Box<dyn Strategy>, next_order| {
        StrategyChange::Start(Box::new(StrategyStart {
            id: StrategyId(3),
            name: "late".to_owned(),
            allocation: vec![(CurrencyId(0), Amount(1_000))],
            next_order,
            last_order: 1_000_000_000,
            version,
            strategy,
        }))
    };
    let n = 1_000_000_001;
    let again = Scripted {
        s: Script {
            submit_every: 50,
            ..Script::default()
        },
        next: n,
        seen: 0,
    };
    let o = run(
        plain(),
        first,
        vec![
            (3_000, seat(version.clone(), Box::new(Jump(false)), 1)),
            (6_000, StrategyChange::Remove(StrategyId(3))),
            (9_000, seat(version, Box::new(again), n)),
        ],
    );
    let s = &o.report.status.strategies[2];
    assert_eq!(
        s.state,
        StrategyState::Quarantined,
        "numbers of the next run were used"
    );
}

/// The answer to a requested change.
type PendingAnswer = Arc<Mutex<Option<Receiver<Result<ChangeResult, String>>>>>;

/// Notes of every change whether its origin came back, and whether the request was answered by then.
struct Origins {
    origin: ChangeOrigin,
    answer: PendingAnswer,
    seen: Vec<(bool, bool)>,
}

impl Observer for Origins {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        if let Notice::Version { change, origin, .. } = notice
            && !matches!(change, VersionChange::Live { .. })
        {
            let answer = self.answer.lock().unwrap();
            let is_answered = answer.as_ref().unwrap().try_recv().is_ok();
            self.seen
                .push((origin.as_ref() == Some(&self.origin), is_answered));
        }
    }

    fn status(&mut self, _: &Status) {}
}

#[test]
fn a_change_hands_its_origin_back_in_its_notice_before_it_is_answered() {
    let controls: Arc<OnceLock<EngineHandle>> = Arc::default();
    let origin = ChangeOrigin::new("a changed file");
    let answer: PendingAnswer = Arc::default();
    let (hand, kept, own) = (Arc::clone(&controls), Arc::clone(&answer), origin.clone());
    let operator = Toy(
        move |event: &Event, _: &StrategyBook, _: &mut Vec<Action>| {
            let mut answer = kept.lock().unwrap();
            if event.sequence > 50 && answer.is_none() {
                let to = Box::new(version("2", traits()));
                let swap = StrategyChange::Swap(CHANGED, to);
                *answer = Some(hand.get().unwrap().change_from(swap, own.clone()));
            }
            Ok(())
        },
    );
    let first = version("1", traits());
    let strategy = started(&first);
    let strategies = vec![
        (
            "operator",
            toy::version("1", market(), Arc::new(toy::Once)),
            Box::new(operator) as Box<dyn Strategy>,
        ),
        ("counting", first, strategy),
    ];
    let engine = toy::engine_of(ToyVenue::new(5, 2_000), plain(), strategies);
    controls.set(engine.controls()).ok();
    let mut origins = Origins {
        origin: origin.clone(),
        answer: Arc::clone(&answer),
        seen: Vec::new(),
    };
    engine.run(&mut origins).unwrap();
    assert_eq!(origins.seen, [(true, false)]);
    assert_eq!(origin.get::<&str>(), Some(&"a changed file"));
    let answer = answer.lock().unwrap().take().unwrap().recv().unwrap();
    assert!(matches!(answer, Ok(ChangeResult::Swapped(_))));
}
