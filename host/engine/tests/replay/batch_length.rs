//! A strategy that acts on the length of its batches is found out, and decides the same if it is offered the same batches.

use super::toy::counting::{config, market, started, traits, version};
use super::toy::numbered::Numbered;
use super::toy::reel::{Item, Played, Reel};
use super::toy::{
    NoClock, Notices, ToyVenue, engine_at, try_engine_measuring, version as version_of,
};
use super::{EVENTS, FIRST, SECOND, actions, plain};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tickdeck_engine::port::{Fault, Version};
use tickdeck_engine::{Engine, EngineConfig, Replayed};
use tickdeck_model::Action;

/// Mixes the lengths of its batches into a number, and decides by it.
fn looking() -> Version {
    let code = Numbered::new(|mix, batch, actions| {
        *mix = mix.wrapping_mul(31).wrapping_add(batch.len() as u64);
        if mix.is_multiple_of(7) {
            actions.push(Action::ClearTimer(*mix as u32));
            return Ok(1);
        }
        Ok(batch.len())
    });
    version_of("looking", market(), code)
}

fn engine(config: EngineConfig) -> Engine {
    let honest = version("1", traits());
    let cast = [("first", honest), ("second", looking())].map(|(name, version)| {
        let strategy = started(&version);
        (name, version, strategy)
    });
    engine_at(
        ToyVenue::new(5, EVENTS),
        Box::new(NoClock),
        config,
        cast.into(),
    )
}

fn recorded(config: EngineConfig) -> Reel {
    let reel = Reel::default();
    let mut engine = engine(config);
    engine.record(reel.recorder());
    engine.run(&mut Notices::default()).unwrap();
    reel
}

fn replayed(config: EngineConfig, mut tape: Played) -> Replayed {
    engine(config)
        .replay(&mut tape, &mut Notices::default())
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_comes_out_the_same_where_it_is_offered_the_same_batches(
        workers in 1usize..3, max_batch in 2usize..60, seed in any::<u64>(), again in 1usize..3,
    ) {
        let reel = recorded(config(workers, max_batch, Some(seed)));
        let items = reel.all();
        let offered = reel.offered_before(items.len());
        let tape = Played::of(&items, &[]).offering(offered);
        let replayed = replayed(config(again, 512, None), tape);
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert!(replayed.ended);
    }

    #[test]
    fn a_run_that_is_cut_off_anywhere_is_resumed_with_the_same_batches_and_can_be_played_again(
        cut in 0.0f64..1.0, seed in any::<u64>(), workers in 1usize..3,
    ) {
        let twin = recorded(config(1, 40, Some(seed)));
        let items = twin.all();
        let cut = (items.len() as f64 * cut) as usize;
        let offered = twin.offered_before(cut);
        let rest = Reel::default();
        let mut engine = engine(config(workers, 17, Some(!seed)));
        engine.record(rest.recorder());
        let mut tape = Played::of(&items[..cut], &[]).offering(offered.clone());
        engine.resume(&mut tape, &mut Notices::default()).unwrap();
        engine.run(&mut Notices::default()).unwrap();
        let after = rest.all();
        let both = [&items[..cut], &after[..]].concat();
        let all = [offered, rest.offered_before(after.len())].concat();
        let tape = Played::of(&both, &[]).offering(all);
        let replayed = replayed(config(2, 300, None), tape);
        prop_assert_eq!(&replayed.divergence, &None);
    }
}

#[test]
fn it_is_found_out_where_it_is_offered_other_batches() {
    let reel = recorded(config(1, 23, Some(5)));
    let replayed = replayed(plain(), Played::of(&reel.all(), &[]));
    assert_eq!(replayed.divergence.unwrap().strategy, Some(SECOND));
    let decided = actions(&reel.all());
    assert!(decided.iter().filter(|one| one.1 == SECOND).count() > 50);
    assert!(decided.iter().filter(|one| one.1 == FIRST).count() > 50);
}

#[test]
fn batches_of_one_event_take_no_place_and_others_little() {
    let single = recorded(config(1, 1, None));
    assert!(single.offered_before(usize::MAX).is_empty());
    let reel = recorded(config(1, 64, None));
    let offered = reel.offered_before(usize::MAX);
    let batches: usize = offered
        .iter()
        .map(|(_, batches)| batches.list().len())
        .sum();
    let bytes: usize = offered
        .iter()
        .map(|(_, batches)| batches.as_bytes().len())
        .sum();
    assert!(batches > 100, "{batches}");
    let items = reel.all();
    let events = items.iter().filter(|item| matches!(item, Item::Event(_)));
    assert!(bytes < 5 * events.count(), "{bytes}");
}

/// Counts its calls, traps once, and decides by the count; measured time advances by `step_ns` at each look.
fn counting_calls(step_ns: u64) -> Engine {
    let (trapped, now_ns) = (AtomicBool::new(false), AtomicU64::new(0));
    let code = Numbered::new(move |calls, batch, actions| {
        *calls += 1;
        if batch[0].sequence > 900 && !trapped.swap(true, Ordering::Relaxed) {
            return Err(Fault("once".to_owned()));
        }
        if batch[0].sequence > 1_000 && calls.is_multiple_of(3) {
            actions.push(Action::ClearTimer(*calls as u32));
            return Ok(1);
        }
        Ok(batch.len())
    });
    let version = version_of("counting", market(), code);
    let strategy = started(&version);
    let measured = move || now_ns.fetch_add(step_ns, Ordering::Relaxed);
    try_engine_measuring(
        vec![Box::new(ToyVenue::new(5, EVENTS))],
        (Box::new(NoClock), Arc::new(measured)),
        config(1, 64, None),
        vec![("first", version, strategy)],
    )
    .unwrap()
}

#[test]
fn a_strategy_that_counts_its_calls_decides_the_same_after_a_recovery_however_long_that_takes() {
    let reel = Reel::default();
    let mut engine = counting_calls(100);
    engine.record(reel.recorder());
    let report = engine.run(&mut Notices::default()).unwrap();
    assert_eq!(report.status.strategies[0].traps, 1);
    assert!(report.status.actions > 100);
    let items = reel.all();
    for step_ns in [100, 2_000_000] {
        let offered = reel.offered_before(items.len());
        let mut tape = Played::of(&items, &[]).offering(offered);
        let replayed = counting_calls(step_ns)
            .replay(&mut tape, &mut Notices::default())
            .unwrap();
        assert_eq!(replayed.divergence, None, "{step_ns} ns");
    }
}
