//! A time limit ends a call, and does not when the run is replayed.

use super::edges::{again, alone, kept};
use super::*;
use std::sync::atomic::{AtomicI64, Ordering};
use tickdeck_engine::port::{Code, Fault, State, StopReason};
use tickdeck_portfolio::StrategyBook;

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Start,
    Restore,
    Save,
    Events,
}

/// The call that takes too long: the n-th of its kind, over all instances.
#[derive(Debug)]
struct Slow {
    call: Call,
    left: AtomicI64,
}

impl Slow {
    fn of(call: Call, nth: i64) -> Arc<Self> {
        let left = AtomicI64::new(nth);
        Arc::new(Self { call, left })
    }

    fn made(&self, call: Call) -> Result<(), Fault> {
        if call != self.call || self.left.fetch_sub(1, Ordering::Relaxed) != 1 {
            return Ok(());
        }
        Err(Fault(format!("{call:?} took too long")))
    }
}

struct Watched<T: ?Sized>(Arc<Slow>, Box<T>);

struct Versioned(Version, Arc<Slow>);

impl Code for Versioned {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.1.made(Call::Start)?;
        let inner = self.0.code.start(book)?;
        Ok(Box::new(Watched(Arc::clone(&self.1), inner)))
    }
    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        self.1.made(Call::Restore)?;
        let inner = self.0.code.restore(book, state)?;
        Ok(Box::new(Watched(Arc::clone(&self.1), inner)))
    }
    fn schema(&self) -> u32 {
        self.0.code.schema()
    }
    fn restores(&self) -> &[u32] {
        self.0.code.restores()
    }
}

impl Strategy for Watched<dyn Strategy> {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.0.made(Call::Events)?;
        self.1.on_events(batch, book, actions)
    }
    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.0.made(Call::Save)?;
        self.1.save()
    }
    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.1.stop(reason)
    }
}

fn watched(version: Version, slow: &Arc<Slow>) -> Version {
    Version {
        code: Arc::new(Versioned(version.clone(), Arc::clone(slow))),
        ..version
    }
}

/// The story with versions of which one call takes too long.
fn slow_story(slow: &Arc<Slow>) -> Engine {
    let wishes = story().into_iter().map(|(at, wish)| match wish {
        Request::StrategyChange(StrategyChange::Swap(id, to)) => {
            let to = Box::new(watched(*to, slow));
            (at, Request::StrategyChange(StrategyChange::Swap(id, to)))
        }
        other => (at, other),
    });
    engine_of(plain(), wishes.collect(), |version| watched(version, slow))
}

#[test]
fn whatever_call_took_too_long_does_so_again_in_a_replay() {
    for call in [Call::Start, Call::Restore, Call::Save, Call::Events] {
        let slow = Slow::of(call, i64::MAX);
        slow_story(&slow).run(&mut Notices::default()).unwrap();
        let all = i64::MAX - slow.left.load(Ordering::Relaxed);
        // The first two starts are the cast's own.
        let from = if call == Call::Start { 3 } else { 1 };
        for nth in (from..=all).step_by((all as usize / 100).max(1)) {
            let (items, report) = kept(slow_story(&Slow::of(call, nth)));
            let replayed = replay(plain(), &items, &versions());
            let what = format!("{call:?} {nth} of {all}");
            assert_eq!(replayed.divergence, None, "{what}");
            assert_eq!(replayed.report.actions_hash, report.actions_hash, "{what}");
            let mut tape = Played::of(&items[..items.len() / 4 * 3], &versions());
            let gone_on = bare(plain()).resume(&mut tape, &mut Notices::default());
            assert!(gone_on.is_ok(), "{what}: {gone_on:?}");
        }
    }
}

#[test]
fn a_state_for_the_reel_that_took_too_long_to_save_is_missed_again() {
    let first = || version("1", traits());
    let mut missed = 0;
    // A snapshot each 1,024 events, and a state for the reel after 65,536.
    for nth in 60..=68 {
        let slow = Slow::of(Call::Save, nth);
        let (items, report) = kept(alone(plain(), 66_500, watched(first(), &slow)));
        let asked = items.iter().filter_map(|item| match item {
            Item::Effect(at, Effect::Asked { .. }) => Some(*at),
            _ => None,
        });
        let saved = |at| {
            let saved = |item: &Item| matches!(item, Item::Effect(position, Effect::Saved { .. }) if *position == at);
            items.iter().any(saved)
        };
        missed += asked.filter(|at| !saved(*at)).count();
        let replayed = again(alone(plain(), 66_500, first()), &items);
        assert_eq!(replayed.divergence, None, "save {nth}");
        assert_eq!(
            replayed.report.actions_hash, report.actions_hash,
            "save {nth}"
        );
    }
    assert_eq!(missed, 1);
}

#[test]
fn states_are_recorded_one_strategy_at_a_time_and_evenly() {
    let one = |name| {
        let version = version("1", traits());
        let strategy = started(&version);
        (name, version, strategy)
    };
    let engine = || {
        let cast = ["first", "second", "third", "fourth"].map(one);
        toy::engine_of(ToyVenue::new(5, 100_000), plain(), cast.into())
    };
    let (items, _) = kept(engine());
    let asked: Vec<(u64, Option<StrategyId>)> = items
        .iter()
        .filter_map(|item| match item {
            Item::Effect(at, Effect::Asked { strategy }) => Some((*at, *strategy)),
            _ => None,
        })
        .collect();
    // The last four are those of the end.
    let (amid, at_end) = asked.split_at(asked.len() - 4);
    assert!(amid.len() >= 3, "{asked:?}");
    assert!(at_end.iter().all(|(at, _)| *at == at_end[0].0));
    assert!(
        amid.windows(2)
            .all(|pair| pair[1].0 - pair[0].0 >= (1 << 16) / 4)
    );
    let turns: Vec<_> = amid
        .iter()
        .map(|(_, strategy)| strategy.unwrap().0)
        .collect();
    let first = turns[0];
    assert!(
        turns
            .iter()
            .enumerate()
            .all(|(turn, id)| *id == first + turn as u32 % 4)
    );
    let replayed = again(engine(), &items);
    assert_eq!(replayed.divergence, None);
}
