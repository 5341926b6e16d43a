//! A strategy that changes its feeds while it runs gets the same events in a replay, however far the replay reads ahead.

use super::toy::counting::{config, started};
use super::toy::reel::{Played, Reel};
use super::toy::{NoClock, Notices, Ticking, ToyVenue, engine_at, feed, version as version_of};
use super::{EVENTS, FIRST, actions, plain};
use std::sync::Arc;
use tickdeck_engine::port::{Clock, Code, Fault, State, StopReason, Strategy, StrategyBook};
use tickdeck_engine::{Engine, EngineConfig, Stepping};
use tickdeck_model::{Action, BarBasis, Event, Feed, FeedRequest};

/// Subscribes to trades at every hundredth event and unsubscribes at the next such one, and shows by its timers what it saw.
#[derive(Clone, Default)]
struct Changing {
    seen: u64,
    mix: u64,
    /// Rounds that it wastes at every twentieth event, so that others wait for it.
    wastes: u32,
}

fn trades() -> FeedRequest {
    feed(Feed::Trades, 0, BarBasis::Time)
}

impl Code for Changing {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(self.clone()))
    }

    fn restore(&self, _: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        Err(Fault("it has no state".to_owned()))
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[1]
    }
}

impl Strategy for Changing {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (event, handled) in batch.iter().zip(1..) {
            self.seen += 1;
            if self.seen.is_multiple_of(20) {
                (0..self.wastes).for_each(|_| std::hint::spin_loop());
            }
            self.mix = self.mix.wrapping_mul(31).wrapping_add(event.sequence);
            match self.seen % 100 {
                0 if self.seen.is_multiple_of(200) => actions.push(Action::Unsubscribe(trades())),
                0 => actions.push(Action::Subscribe(trades())),
                10 => actions.push(Action::ClearTimer(self.mix as u32)),
                _ => continue,
            }
            return Ok(handled);
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Err("it has no state".to_owned()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

fn engine(config: EngineConfig) -> Engine {
    engine_on(Box::new(NoClock), config, 0)
}

fn engine_on(clock: Box<dyn Clock>, config: EngineConfig, wastes: u32) -> Engine {
    let quotes = vec![feed(Feed::Quotes, 0, BarBasis::Time)];
    let code = Changing {
        wastes,
        ..Changing::default()
    };
    let version = version_of("changing", quotes, Arc::new(code));
    let strategy = started(&version);
    let venue = ToyVenue::new(5, EVENTS);
    engine_at(venue, clock, config, vec![("first", version, strategy)])
}

#[test]
fn feeds_that_change_while_a_strategy_runs_change_at_the_same_events_in_a_replay() {
    let reel = Reel::default();
    let mut live = engine(config(2, 16, Some(3)));
    live.record(reel.recorder());
    live.run(&mut Notices::default()).unwrap();
    let items = reel.all();
    let subscribed = actions(&items).into_iter();
    let subscribed =
        subscribed.filter(|one| matches!(one.3, Action::Subscribe(_)) && one.1 == FIRST);
    assert!(subscribed.count() > 10);
    let mut tape = Played::of(&items, &[]);
    let replayed = engine(plain()).replay(&mut tape, &mut Notices::default());
    assert_eq!(replayed.unwrap().divergence, None);
}

#[test]
fn feeds_that_change_in_a_free_run_change_at_the_same_events_in_a_replay() {
    let free = |workers| EngineConfig {
        stepping: Stepping::Free,
        ..config(workers, 64, None)
    };
    // From a clock that lets single events arrive to one that lets a backlog build up.
    for (tick_ns, wastes) in [(50, 0), (50, 20_000), (20_000, 20_000), (3_000_000, 5_000)] {
        let reel = Reel::default();
        let mut live = engine_on(Ticking::new(tick_ns).0, free(2), wastes);
        live.record(reel.recorder());
        live.run(&mut Notices::default()).unwrap();
        let items = reel.all();
        for (workers, same_batches) in [(1, false), (2, false), (1, true), (2, true)] {
            let tape = Played::of(&items, &[]);
            let mut tape = match same_batches {
                true => tape.offering(reel.offered_before(items.len())),
                false => tape,
            };
            let again = engine_on(Ticking::new(tick_ns).0, free(workers), 0);
            let replayed = again.replay(&mut tape, &mut Notices::default());
            assert_eq!(
                replayed.unwrap().divergence,
                None,
                "{tick_ns} {workers} {same_batches}"
            );
        }
    }
}
