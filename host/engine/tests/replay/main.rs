//! A recorded run is replayed to the same bytes, and resumed from wherever it was cut off.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
#[path = "../toy/mod.rs"]
mod toy;

mod batch_length;
mod changing_feeds;
mod edges;
mod fault_within;
mod left_out;
mod limits;
mod waiting;

use proptest::prelude::*;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use tickdeck_engine::port::{Strategy, SwapPolicy, Version};
use tickdeck_engine::{
    Effect, Engine, EngineConfig, EngineHandle, Finding, Notice, OperatorCommand, Replayed, Report,
    Stepping, StrategyChange, StrategyOutcome,
};
use tickdeck_model::*;
use toy::counting::{Traits, config, started, traits, version};
use toy::reel::{Item, Played, Reel};
use toy::{NoClock, Notices, ToyVenue};

const EVENTS: u64 = 6_000;

/// What is requested at an event.
enum Request {
    StrategyChange(StrategyChange),
    OperatorCommand(OperatorCommand),
}

const FIRST: StrategyId = StrategyId(1);
const SECOND: StrategyId = StrategyId(2);

fn traps(at: u64, times: u64) -> Option<(u64, Arc<AtomicU64>)> {
    Some((at, Arc::new(AtomicU64::new(times))))
}

/// The versions of the story; each call creates the traps anew.
fn versions() -> [Version; 4] {
    let second = Traits {
        every: 41,
        ..traits()
    };
    let bad = Traits {
        traps: traps(2_600, u64::MAX),
        every: 11,
        ..traits()
    };
    let third = Traits {
        every: 53,
        traps: traps(4_000, 1),
        ..traits()
    };
    let shadow = Version {
        swap: SwapPolicy {
            shadow: true,
            ..SwapPolicy::default()
        },
        ..version(
            "beside",
            Traits {
                every: 29,
                ..traits()
            },
        )
    };
    [
        version("2", second),
        version("bad", bad),
        version("3", third),
        shadow,
    ]
}

/// Swaps, a rollback, a trap, a version beside, a strategy that leaves, and an operator who pauses.
fn story() -> Vec<(u64, Request)> {
    let [second, bad, third, shadow] = versions();
    let swap = |to| Request::StrategyChange(StrategyChange::Swap(FIRST, Box::new(to)));
    vec![
        (900, swap(second)),
        (
            1_500,
            Request::OperatorCommand(OperatorCommand::Pause(Some(SECOND))),
        ),
        (
            1_900,
            Request::OperatorCommand(OperatorCommand::Resume(Some(SECOND))),
        ),
        (2_500, swap(bad)),
        (3_300, swap(third)),
        (3_600, swap(shadow)),
        (
            4_400,
            Request::StrategyChange(StrategyChange::Promote(FIRST)),
        ),
        (
            5_000,
            Request::StrategyChange(StrategyChange::RollBack(FIRST)),
        ),
        (
            5_300,
            Request::StrategyChange(StrategyChange::Remove(SECOND)),
        ),
    ]
}

fn bare(config: EngineConfig) -> Engine {
    let cast = ["first", "second"].map(|name| {
        let first = version("1", traits());
        let strategy = started(&first);
        (name, first, strategy)
    });
    toy::engine_at(
        ToyVenue::new(5, EVENTS),
        Box::new(NoClock),
        config,
        cast.into(),
    )
}

/// An engine with both strategies; the requests are made by a clock, which is read at every window.
fn engine(config: EngineConfig, wishes: Vec<(u64, Request)>) -> Engine {
    engine_of(config, wishes, |version| version)
}

/// The same with given versions.
fn engine_of(
    config: EngineConfig,
    wishes: Vec<(u64, Request)>,
    about: impl Fn(Version) -> Version,
) -> Engine {
    struct Speaking {
        controls: Arc<OnceLock<EngineHandle>>,
        wishes: std::iter::Peekable<std::vec::IntoIter<(u64, Request)>>,
    }
    impl tickdeck_engine::port::Clock for Speaking {
        fn wait_until(&mut self, due: Timestamp) {
            // The toy market produces an event about every 25 ns.
            while let Some((_, wish)) = self.wishes.next_if(|(at, _)| due >= 25 * *at as i64) {
                let controls = self.controls.get().unwrap();
                match wish {
                    Request::StrategyChange(change) => drop(controls.change(change)),
                    Request::OperatorCommand(order) => controls.order(order),
                }
            }
        }
        fn paces(&self) -> bool {
            false
        }
        fn reached(&self) -> Timestamp {
            Timestamp::MAX
        }
        fn now_ns(&self) -> u64 {
            0
        }
    }
    let controls = Arc::new(OnceLock::new());
    let clock = Speaking {
        controls: Arc::clone(&controls),
        wishes: wishes.into_iter().peekable(),
    };
    // The second one traps once, as on a time limit: not in the replay.
    let trapping = Traits {
        traps: traps(2_000, 1),
        ..traits()
    };
    let cast = [("first", traits()), ("second", trapping)].map(|(name, traits)| {
        let first = about(version("1", traits));
        let strategy: Box<dyn Strategy> = started(&first);
        (name, first, strategy)
    });
    let engine = toy::engine_at(
        ToyVenue::new(5, EVENTS),
        Box::new(clock),
        config,
        cast.into(),
    );
    controls.set(engine.controls()).ok();
    engine
}

fn plain() -> EngineConfig {
    config(1, 64, None)
}

/// Runs the story and records it.
fn recorded_run(config: EngineConfig) -> (Reel, Report) {
    let reel = Reel::default();
    let mut engine = engine(config, story());
    engine.record(reel.recorder());
    let report = engine.run(&mut Notices::default()).unwrap();
    (reel, report)
}

fn replay(config: EngineConfig, items: &[Item], versions: &[Version]) -> Replayed {
    let mut tape = Played::of(items, versions);
    let replayed = bare(config).replay(&mut tape, &mut Notices::default());
    replayed.unwrap()
}

#[test]
fn the_story_has_all_that_can_happen_in_it() {
    let (reel, report) = recorded_run(plain());
    let effects = reel.effects();
    let has = |wanted: fn(&Effect) -> bool| effects.iter().any(|(_, effect)| wanted(effect));
    assert!(has(|effect| matches!(effect, Effect::GaveUp { .. })));
    assert!(has(|effect| matches!(effect, Effect::Operated { .. })));
    assert!(has(
        |effect| matches!(effect, Effect::Applied(acted) if acted.late)
    ));
    assert!(has(|effect| matches!(
        effect,
        Effect::Settled {
            outcome: StrategyOutcome::Recovered,
            ..
        }
    )));
    assert!(has(|effect| matches!(
        effect,
        Effect::Settled {
            outcome: StrategyOutcome::Faulted(Some(_)),
            ..
        }
    )));
    assert!(has(|effect| matches!(effect, Effect::Saved { .. })));
    assert!(has(|effect| matches!(effect, Effect::Sent { .. })));
    assert!(has(|effect| matches!(effect, Effect::Stopping { .. })));
    assert!(
        !has(|effect| matches!(effect, Effect::Refused { .. })),
        "{effects:?}"
    );
    assert!(report.status.fills > 50);
    assert_eq!(reel.events().len() as u64, report.status.events);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_recorded_run_comes_out_the_same_however_it_is_batched(
        workers in 1usize..4, max_batch in 1usize..300, seed in any::<u64>(), again in 1usize..4,
    ) {
        let (reel, report) = recorded_run(config(workers, max_batch, Some(seed)));
        let replayed = replay(config(again, 1 + max_batch % 70, None), &reel.all(), &versions());
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert!(replayed.ended);
        prop_assert_eq!(replayed.compared, report.status.actions);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
        prop_assert_eq!(replayed.report.tape_hash, report.tape_hash);
        prop_assert_eq!(replayed.report.status.fills, report.status.fills);
        prop_assert_eq!(replayed.report.status.denied, report.status.denied);
    }
}

#[test]
fn a_changed_constant_is_found_at_the_first_decision_that_differs() {
    let (reel, _) = recorded_run(plain());
    let [_, bad, third, shadow] = versions();
    let other = version(
        "2",
        Traits {
            every: 40,
            ..traits()
        },
    );
    let replayed = replay(plain(), &reel.all(), &[other, bad, third, shadow]);
    let divergence = replayed.divergence.unwrap();
    assert_eq!(divergence.strategy, Some(FIRST));
    let swapped = |(_, effect): &&(u64, Effect)| matches!(effect, Effect::Changed { .. });
    let effects = reel.effects();
    let (swap, _) = effects.iter().find(swapped).unwrap();
    assert!(divergence.position > *swap);
    let Finding::Action(recorded) = divergence.recorded else {
        panic!("{divergence:?}");
    };
    assert_ne!(divergence.found, Finding::Action(recorded));
}

#[test]
fn an_action_that_nobody_decided_is_found() {
    let (reel, _) = recorded_run(plain());
    let items = reel.all();
    let nth = |wanted: usize| {
        let acted =
            |(_, item): &(usize, &Item)| matches!(item, Item::Effect(_, Effect::Applied(_)));
        items
            .iter()
            .enumerate()
            .filter(acted)
            .nth(wanted)
            .unwrap()
            .0
    };
    // Doubled, and left out.
    let mut doubled = items.clone();
    doubled.insert(nth(20), items[nth(20)].clone());
    let mut left_out = items.clone();
    left_out.remove(nth(20));
    for items in [doubled, left_out] {
        let replayed = replay(plain(), &items, &versions());
        assert!(replayed.divergence.is_some());
        assert!(replayed.compared < 23, "{}", replayed.compared);
    }
}

#[test]
fn a_run_whose_journal_fails_denies_orders_meanwhile_and_comes_out_the_same() {
    let reel = Reel::failing(20, 200);
    let mut engine = engine(plain(), Vec::new());
    engine.record(reel.recorder());
    let mut notices = Notices::default();
    let report = engine.run(&mut notices).unwrap();
    let recorded_run =
        |wanted: fn(&Notice) -> bool| notices.0.iter().filter(|notice| wanted(notice)).count();
    assert_eq!(
        recorded_run(|notice| matches!(notice, Notice::NotKept { .. })),
        1
    );
    assert_eq!(recorded_run(|notice| matches!(notice, Notice::Kept)), 1);
    let denied = report
        .status
        .denied
        .get(&Reason::Paused)
        .copied()
        .unwrap_or_default();
    assert!(denied > 20, "{denied}");
    let sent = |(_, effect): &(u64, Effect)| matches!(effect, Effect::Sent { .. });
    let effects = reel.effects();
    let halted = effects
        .iter()
        .position(|(_, effect)| matches!(effect, Effect::Halted { .. }))
        .unwrap();
    let kept = effects
        .iter()
        .position(|(_, effect)| matches!(effect, Effect::Kept))
        .unwrap();
    let meanwhile = effects[halted..kept].iter().filter(|effect| sent(effect));
    assert!(meanwhile.clone().count() > 0, "cancels pass");
    for (_, effect) in meanwhile {
        let Effect::Sent { what, .. } = effect else {
            continue;
        };
        assert_eq!(*what, tickdeck_engine::SentKind::Cancel);
    }
    let replayed = replay(plain(), &reel.all(), &[]);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

/// Resumes where a recorded run was cut off; returns the reel from there, the report, and what the tape had.
fn resumed(config: EngineConfig, items: &[Item], after: Vec<(u64, Request)>) -> (Reel, Report) {
    let reel = Reel::default();
    let mut engine = engine(config, after);
    engine.record(reel.recorder());
    let mut tape = Played::of(items, &versions());
    engine.resume(&mut tape, &mut Notices::default()).unwrap();
    let report = engine.run(&mut Notices::default()).unwrap();
    (reel, report)
}

/// The actions alone: what takes effect at the end of a window may fall into another window.
fn actions(items: &[Item]) -> Vec<(u64, StrategyId, u32, Action)> {
    let acted = items.iter().filter_map(|item| match item {
        Item::Effect(_, Effect::Applied(acted)) => Some(acted),
        _ => None,
    });
    acted
        .map(|acted| (acted.cause, acted.strategy, acted.ordinal, acted.action))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_run_that_is_cut_off_anywhere_goes_on_like_its_unkilled_twin(
        cut in 0.0f64..1.0, workers in 1usize..3, max_batch in 1usize..200,
    ) {
        let twin = Reel::default();
        let mut whole = engine(plain(), Vec::new());
        whole.record(twin.recorder());
        let report = whole.run(&mut Notices::default()).unwrap();
        let items = twin.all();
        let cut = (items.len() as f64 * cut) as usize;
        let (rest, after) = resumed(config(workers, max_batch, None), &items[..cut], Vec::new());
        prop_assert_eq!(after.tape_hash, report.tape_hash, "cut at {} of {}", cut, items.len());
        prop_assert_eq!(after.actions_hash, report.actions_hash);
        prop_assert_eq!(&after.status.capital, &report.status.capital);
        prop_assert_eq!(after.status.fills, report.status.fills);
        // Together the two reels are the twin's, and nothing is on both.
        let both = [&items[..cut], &rest.all()[..]].concat();
        prop_assert_eq!(actions(&both), actions(&items));
        let replayed = replay(plain(), &both, &[]);
        prop_assert_eq!(replayed.divergence, None);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
    }

    #[test]
    fn a_run_with_swaps_and_traps_that_is_cut_off_goes_on_and_can_be_played_again(cut in 0.0f64..1.0) {
        let (twin, _) = recorded_run(plain());
        let items = twin.all();
        let cut = (items.len() as f64 * cut) as usize;
        let (rest, _) = resumed(plain(), &items[..cut], Vec::new());
        let both = [&items[..cut], &rest.all()[..]].concat();
        let replayed = replay(config(2, 7, None), &both, &versions());
        prop_assert_eq!(replayed.divergence, None);
        prop_assert!(replayed.ended);
        let mut numbers = std::collections::BTreeSet::new();
        for (_, strategy, _, action) in actions(&both) {
            if let Action::Submit(order) = action {
                prop_assert!(numbers.insert((strategy, order.order)), "used twice: {}", order.order);
            }
        }
    }
}

#[test]
fn a_venue_that_gives_something_else_is_not_gone_on_with() {
    let twin = Reel::default();
    let mut whole = engine(plain(), Vec::new());
    whole.record(twin.recorder());
    whole.run(&mut Notices::default()).unwrap();
    let mut items = twin.all();
    items.truncate(items.len() / 2);
    let cast = vec![(
        "first",
        version("1", traits()),
        started(&version("1", traits())),
    )];
    let mut other = toy::engine_of(ToyVenue::new(6, EVENTS), plain(), cast);
    let error = other
        .resume(&mut Played::of(&items, &[]), &mut Notices::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("its replay diverges at event 0"),
        "{error}"
    );
}

#[test]
fn a_free_run_comes_out_the_same_in_whatever_order_its_decisions_came() {
    let free = |workers| EngineConfig {
        stepping: Stepping::Free,
        ..config(workers, 64, None)
    };
    let cast = || {
        ["first", "second"]
            .map(|name| {
                let first = version("1", traits());
                let strategy: Box<dyn Strategy> = started(&first);
                (name, first, strategy)
            })
            .into()
    };
    let reel = Reel::default();
    let clock = toy::Ticking::new(50).0;
    let mut engine = toy::engine_at(ToyVenue::new(5, EVENTS), clock, free(2), cast());
    engine.record(reel.recorder());
    let report = engine.run(&mut Notices::default()).unwrap();
    assert!(report.status.fills > 50);
    let clock = toy::Ticking::new(50).0;
    let again = toy::engine_at(ToyVenue::new(5, EVENTS), clock, free(1), cast());
    let mut tape = Played::of(&reel.all(), &[]);
    let replayed = again.replay(&mut tape, &mut Notices::default()).unwrap();
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
    assert_eq!(replayed.report.tape_hash, report.tape_hash);
    assert_eq!(replayed.report.status.denied, report.status.denied);
}

#[test]
fn a_free_run_that_is_gone_on_with_only_to_end_ends() {
    let free = |most| EngineConfig {
        stepping: Stepping::Free,
        max_market_events: most,
        ..config(1, 64, None)
    };
    let run = |most| {
        let first = version("1", traits());
        let strategy: Box<dyn Strategy> = started(&first);
        let clock = toy::Ticking::new(50).0;
        let venue = ToyVenue::new(5, EVENTS);
        toy::engine_at(venue, clock, free(most), vec![("first", first, strategy)])
    };
    let reel = Reel::default();
    let mut engine = run(None);
    engine.record(reel.recorder());
    engine.run(&mut Notices::default()).unwrap();
    let items = reel.all();
    // In the middle, with orders working and answers in flight.
    let mut engine = run(Some(10));
    let mut tape = Played::of(&items[..items.len() / 2], &[]);
    engine.resume(&mut tape, &mut Notices::default()).unwrap();
    let report = engine.run(&mut Notices::default()).unwrap();
    assert!(report.status.events >= reel.events().len() as u64 / 3);
}

#[test]
fn what_a_native_strategy_can_do_only_once_is_fenced_again_by_the_tape() {
    let trapping = |times| {
        version(
            "1",
            Traits {
                traps: traps(3_000, times),
                ..traits()
            },
        )
    };
    let run = |first: Version| {
        let strategy = started(&first);
        toy::engine_of(
            ToyVenue::new(5, EVENTS),
            plain(),
            vec![("first", first, strategy)],
        )
    };
    let reel = Reel::default();
    let mut engine = run(trapping(1));
    engine.record(reel.recorder());
    let report = engine.run(&mut Notices::default()).unwrap();
    assert_eq!(report.status.strategies[0].traps, 1);
    // Like a time limit that is not hit again.
    let mut tape = Played::of(&reel.all(), &[]);
    let replayed = run(trapping(0))
        .replay(&mut tape, &mut Notices::default())
        .unwrap();
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.status.strategies[0].traps, 1);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}
