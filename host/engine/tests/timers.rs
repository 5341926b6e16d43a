//! Timers: a strategy that counts its own sees none that it cleared or replaced, and each of the others once.

#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the other tests of the engine use the rest")]
mod toy;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tickdeck_engine::port::{Fault, Strategy};
use tickdeck_engine::{EngineConfig, StrategyState};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;
use toy::{Toy, feed, run};

/// Sets, replaces and clears timers by chance, some of them overdue; counts them, and ends if one fires that does not wait.
fn timed(seed: u64, fired: Arc<Mutex<Vec<(u32, Timestamp)>>>) -> Box<dyn Strategy> {
    let mut waiting: BTreeMap<u32, Timestamp> = BTreeMap::new();
    let mut state = seed | 1;
    Box::new(Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if let Body::Timer(timer) = event.body() {
                if waiting.remove(&timer.id) != Some(timer.due) {
                    let Timer { id, due, .. } = timer;
                    return Err(Fault(format!("timer {id} of {due} does not wait")));
                }
                if event.ts_host < timer.due {
                    return Err(Fault(format!("timer {} is early", timer.id)));
                }
                fired.lock().unwrap().push((timer.id, timer.due));
            }
            for _ in 0..2 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let id = (state >> 8) as u32 % 4;
                let due = event.ts_host + (state >> 16) as i64 % 240 - 40;
                match state % 4 {
                    0 => {
                        waiting.insert(id, due);
                        let pad = Pad::ZERO;
                        actions.push(Action::SetTimer(TimerRequest { id, pad, due }));
                    }
                    1 => {
                        waiting.remove(&id);
                        actions.push(Action::ClearTimer(id));
                    }
                    _ => {}
                }
            }
            Ok(())
        },
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn only_timers_that_wait_fire_and_the_same_ones_however_events_are_batched(seed in any::<u64>()) {
        let play = |workers, split_seed| {
            let (fired, others) = (Arc::default(), Arc::default());
            let config = EngineConfig {
                workers,
                split_seed,
                ..EngineConfig::default()
            };
            let quotes = || vec![feed(Feed::Quotes, 0, BarBasis::Time)];
            let strategies: Vec<(&str, _, Box<dyn Strategy>)> = vec![
                ("timed", quotes(), timed(seed, Arc::clone(&fired))),
                ("other", quotes(), timed(!seed, Arc::clone(&others))),
            ];
            let (report, notices) = run(seed, 400, config, strategies);
            for strategy in &report.status.strategies {
                assert_ne!(strategy.state, StrategyState::Quarantined, "{notices:?}");
            }
            let fired = fired.lock().unwrap().clone();
            (fired, others.lock().unwrap().clone(), report.actions_hash)
        };
        let plain = play(1, None);
        prop_assert!(plain.0.len() > 10);
        prop_assert_eq!(&plain, &play(1, Some(seed)));
        prop_assert_eq!(&plain, &play(2, Some(!seed)));
    }
}

#[test]
fn overdue_timers_fire_in_the_order_in_which_they_were_due() {
    let fired = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&fired);
    let mut asked = false;
    let strategy = Toy(
        move |event: &Event, _: &StrategyBook, actions: &mut Vec<Action>| {
            if let Body::Timer(timer) = event.body() {
                log.lock().unwrap().push(timer.id);
            } else if !std::mem::replace(&mut asked, true) {
                let before = |id, ns| TimerRequest {
                    id,
                    pad: Pad::ZERO,
                    due: event.ts_host - ns,
                };
                let timers = [before(1, 5), before(2, 30), before(3, 20)];
                actions.extend(timers.map(Action::SetTimer));
            }
            Ok(())
        },
    );
    let quotes = vec![feed(Feed::Quotes, 0, BarBasis::Time)];
    let config = EngineConfig::default();
    run(
        3,
        100,
        config,
        vec![("overdue", quotes, Box::new(strategy))],
    );
    assert_eq!(*fired.lock().unwrap(), [2, 3, 1]);
}
