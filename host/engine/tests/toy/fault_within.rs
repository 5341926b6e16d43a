//! A strategy that acts on trades and faults at the bars that they complete: both are of one sequence, and a replay faults at the same
//! one of them.

use super::toy::counting::{config, market};
use super::toy::reel::{Played, Reel};
use super::toy::{NoClock, Notices, ToyVenue, engine_at, feed, version as version_of};
use super::{EVENTS, actions};
use proptest::prelude::*;
use std::sync::Arc;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy, StrategyBook};
use tickdeck_engine::{Effect, Engine, EngineConfig, StrategyOutcome};
use tickdeck_model::{Action, BarBasis, Body, Event, Feed};

/// Acts on each trade, and faults at every so many bars.
#[derive(Clone, Copy)]
struct Brittle {
    every: u64,
    bars: u64,
}

impl Code for Brittle {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(*self))
    }

    fn restore(
        &self,
        _: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let bars = u64::from_le_bytes(state.bytes[..8].try_into().unwrap());
        Ok(Box::new(Self { bars, ..*self }))
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[1]
    }
}

impl Strategy for Brittle {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        match batch[0].body() {
            Body::Trade(trade) => actions.push(Action::ClearTimer(trade.trade_id as u32)),
            Body::Bar(_) => self.bars += 1,
            _ => return Ok(1),
        }
        if actions.is_empty() && self.bars.is_multiple_of(self.every) {
            return Err(Fault("one bar too many".to_owned()));
        }
        Ok(1)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Ok(self.bars.to_le_bytes().to_vec()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

fn engine(config: EngineConfig, every: u64) -> Engine {
    let brittle = Brittle { every, bars: 0 };
    let mut feeds = market();
    // Every fourth trade completes both.
    feeds.extend([2, 4].map(|trades| feed(Feed::Bars, trades, BarBasis::Trades)));
    let version = version_of("brittle", feeds, Arc::new(brittle));
    let strategy = brittle.start(&mut Box::default()).unwrap();
    let cast = vec![("brittle", version, strategy)];
    engine_at(ToyVenue::new(5, EVENTS), Box::new(NoClock), config, cast)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_fault_behind_other_events_of_its_sequence_happens_there_again(
        every in 3u64..40, max_batch in 1usize..60, seed in any::<u64>(), again in 1usize..60,
    ) {
        let reel = Reel::default();
        let mut run = engine(config(1, max_batch, Some(seed)), every);
        run.record(reel.recorder());
        let report = run.run(&mut Notices::default()).unwrap();
        let items = reel.all();
        let ends = |(_, effect): &(u64, Effect)| {
            matches!(effect, Effect::Settled { outcome: StrategyOutcome::Ended, .. })
        };
        prop_assert!(reel.effects().iter().any(ends), "three faults in a minute end it");
        prop_assert!(actions(&items).len() >= every as usize);
        let mut tape = Played::of(&items, &[]);
        let replayed = engine(config(1, again, None), every).replay(&mut tape, &mut Notices::default()).unwrap();
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
    }
}
