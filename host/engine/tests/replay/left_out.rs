//! Runs that are resumed and replayed without calling one of their strategies.

use super::toy::counting::{config, started, traits, version};
use super::toy::reel::{Item, Played, Reel, decisions_of};
use super::toy::{NoClock, Notices, ToyVenue, engine_at};
use super::{EVENTS, FIRST, SECOND, actions, engine, plain, recorded_run, versions};
use proptest::prelude::*;
use std::sync::Arc;
use tickdeck_engine::port::{Code, Fault, State, Strategy, StrategyBook, Version};
use tickdeck_engine::{
    Effect, Engine, EngineConfig, Notice, QuarantineCause, RecordedChange, RecordedDecisions,
    Replayed, Report, StrategyChange, StrategyState,
};
use tickdeck_model::{OrderStatus, StrategyId, View};

/// Code that must never be called.
struct Forbidden(Arc<dyn Code>);

impl Code for Forbidden {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        panic!("it must not be called");
    }

    fn restore(&self, _: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        panic!("it must not be called");
    }

    fn schema(&self) -> u32 {
        self.0.schema()
    }

    fn restores(&self) -> &[u32] {
        self.0.restores()
    }
}

fn forbidden(version: Version) -> Version {
    let code = Arc::new(Forbidden(Arc::clone(&version.code)));
    Version { code, ..version }
}

/// An engine with both strategies, of which one is not called.
fn without(config: EngineConfig, left_out: StrategyId, decisions: &RecordedDecisions) -> Engine {
    let cast = [("first", FIRST), ("second", SECOND)].map(|(name, id)| {
        let mut first = version("1", traits());
        if id == left_out {
            first = decisions.in_place_of(forbidden(first));
        }
        let strategy = started(&first);
        (name, first, strategy)
    });
    engine_at(
        ToyVenue::new(5, EVENTS),
        Box::new(NoClock),
        config,
        cast.into(),
    )
}

/// The versions of the story; those of the first strategy, to whom all of them belong, must not be called.
fn story_versions(left_out: StrategyId) -> Vec<Version> {
    let versions = versions().into_iter();
    match left_out == FIRST {
        true => versions.map(forbidden).collect(),
        false => versions.collect(),
    }
}

fn replay(config: EngineConfig, items: &[Item], left_out: StrategyId) -> Replayed {
    let decisions = decisions_of(left_out, items);
    let engine = without(config, left_out, &decisions);
    let tape = Played::of(items, &story_versions(left_out));
    let mut tape = tape.without_calling(left_out, 0, &decisions);
    engine.replay(&mut tape, &mut Notices::default()).unwrap()
}

/// Resumes a run without one of its strategies; the reel from there, the report, and the notices.
fn resumed(
    config: EngineConfig,
    items: &[Item],
    left_out: StrategyId,
    cause: QuarantineCause,
) -> (Reel, Report, Notices) {
    let (reel, decisions) = (Reel::default(), decisions_of(left_out, items));
    let mut engine = without(config, left_out, &decisions);
    engine.record(reel.recorder());
    let tape = Played::of(items, &story_versions(left_out));
    let mut tape = tape.without_calling(left_out, 0, &decisions);
    engine.resume(&mut tape, &mut Notices::default()).unwrap();
    let change = StrategyChange::Quarantine {
        strategy: left_out,
        why: "it ended the host".to_owned(),
        cause,
    };
    drop(engine.change_before_run(change).unwrap().unwrap());
    let mut notices = Notices::default();
    let report = engine.run(&mut notices).unwrap();
    (reel, report, notices)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_run_comes_out_the_same_without_calling_a_strategy_whatever_happened_to_it(
        workers in 1usize..4, max_batch in 1usize..300, first in any::<bool>(),
    ) {
        let (reel, report) = recorded_run(plain());
        let left_out = if first { FIRST } else { SECOND };
        let replayed = replay(config(workers, max_batch, None), &reel.all(), left_out);
        prop_assert_eq!(replayed.divergence, None);
        prop_assert!(replayed.ended);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
        prop_assert_eq!(replayed.report.tape_hash, report.tape_hash);
        prop_assert_eq!(replayed.report.status.capital, report.status.capital);
    }

    #[test]
    fn a_run_that_is_cut_off_anywhere_is_resumed_without_a_strategy_and_can_be_played_again(
        cut in 0.02f64..0.98, workers in 1usize..3, max_batch in 1usize..200, first in any::<bool>(),
    ) {
        let twin = Reel::default();
        let mut whole = engine(plain(), Vec::new());
        whole.record(twin.recorder());
        whole.run(&mut Notices::default()).unwrap();
        let items = twin.all();
        let cut = (items.len() as f64 * cut) as usize;
        let left_out = if first { FIRST } else { SECOND };
        let cause = QuarantineCause::NotRepeatable;
        let (rest, report, _) =
            resumed(config(workers, max_batch, None), &items[..cut], left_out, cause);
        // It decides nothing more, and what it had decided stands.
        let its = |action: &&(u64, StrategyId, u32, tickdeck_model::Action)| action.1 == left_out;
        prop_assert_eq!(actions(&rest.all()).iter().filter(its).count(), 0);
        let both = [&items[..cut], &rest.all()[..]].concat();
        let replayed = replay(plain(), &both, left_out);
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert!(replayed.ended);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
        prop_assert_eq!(replayed.report.status.capital, report.status.capital);
    }

    #[test]
    fn a_run_with_swaps_and_traps_is_resumed_without_a_strategy(
        cut in 0.02f64..0.98, first in any::<bool>(),
    ) {
        let (twin, _) = recorded_run(plain());
        let items = twin.all();
        let cut = (items.len() as f64 * cut) as usize;
        let left_out = if first { FIRST } else { SECOND };
        let cause = QuarantineCause::NotRepeatable;
        let (rest, report, _) = resumed(plain(), &items[..cut], left_out, cause);
        let both = [&items[..cut], &rest.all()[..]].concat();
        let replayed = replay(config(2, 7, None), &both, left_out);
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
    }
}

#[test]
fn a_strategy_that_was_left_out_is_quarantined_with_its_orders_canceled_and_the_reel_says_why() {
    let (twin, _) = recorded_run(plain());
    let items = twin.all();
    let cause = QuarantineCause::NotRepeatable;
    let (rest, report, notices) = resumed(plain(), &items[..items.len() / 3], SECOND, cause);
    let second = report.status.strategies.iter().find(|one| one.id == SECOND);
    assert_eq!(second.unwrap().state, StrategyState::Quarantined);
    let ended = |notice: &Notice| matches!(notice, Notice::Ended { strategy: SECOND, problem } if problem == "it ended the host");
    assert!(notices.0.iter().any(ended), "{:?}", notices.0);
    let quarantined = |item: &Item| match item {
        Item::Effect(_, Effect::Changed { what, .. }) => matches!(
            what,
            RecordedChange::Quarantine { strategy: SECOND, why, .. } if why == "it ended the host"
        ),
        _ => false,
    };
    assert!(rest.all().iter().any(quarantined));
    let working = report.status.working.iter();
    assert_eq!(
        working.filter(|order| order.id.strategy == SECOND).count(),
        0
    );
}

#[test]
fn what_a_strategy_decided_last_that_may_not_go_on_is_denied() {
    let twin = Reel::default();
    let mut whole = engine(plain(), Vec::new());
    whole.record(twin.recorder());
    whole.run(&mut Notices::default()).unwrap();
    let items = twin.all();
    // The last thing on the reel is the event that made it order something.
    let submits = |item: &Item| {
        matches!(item, Item::Effect(_, Effect::Applied(applied))
            if applied.strategy == SECOND && matches!(applied.action, tickdeck_model::Action::Submit(_)))
    };
    let cut = items.iter().rposition(submits).unwrap();
    let Item::Effect(_, Effect::Applied(order)) = &items[cut] else {
        unreachable!();
    };
    let reel = Reel::default();
    let mut engine = engine(plain(), Vec::new());
    engine.record(reel.recorder());
    let mut tape = Played::of(&items[..cut], &versions()).not_allowing("second");
    engine.resume(&mut tape, &mut Notices::default()).unwrap();
    engine.run(&mut Notices::default()).unwrap();
    let again = reel.all();
    let applied = again.iter().find_map(|item| match item {
        Item::Effect(_, Effect::Applied(applied)) if applied.cause == order.cause => Some(applied),
        _ => None,
    });
    let applied = applied.unwrap();
    assert_eq!((applied.action, applied.late), (order.action, true));
    let tickdeck_model::Action::Submit(submit) = order.action else {
        unreachable!();
    };
    let denied = reel.events().into_iter().any(|event| {
        matches!(event.view(), View::Order(update)
            if update.strategy == SECOND && update.order == submit.order && update.status == OrderStatus::Denied)
    });
    assert!(denied);
}

#[test]
fn a_strategy_that_decides_differently_is_named() {
    let (reel, _) = recorded_run(plain());
    let mut items = reel.all();
    let its = |item: &Item| matches!(item, Item::Effect(_, Effect::Applied(applied)) if applied.strategy == SECOND);
    let decided = items.iter().position(its).unwrap();
    items.remove(decided);
    let mut tape = Played::of(&items, &versions());
    let mut engine = engine(plain(), Vec::new());
    let error = engine.resume(&mut tape, &mut Notices::default());
    let Err(tickdeck_engine::EngineError::Diverged(divergence)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(divergence.strategy, Some(SECOND));
    engine.discard();
}
