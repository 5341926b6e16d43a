//! A strategy that acts on trades and faults at the bars that they complete: both have the same sequence, and a replay faults
//! at the same one of them.

use super::toy::counting::{config, market, started};
use super::toy::numbered::Numbered;
use super::toy::reel::{Played, Reel};
use super::toy::{NoClock, Notices, ToyVenue, engine_at, feed, version as version_of};
use super::{EVENTS, actions};
use proptest::prelude::*;
use tickdeck_engine::port::{Fault, Version};
use tickdeck_engine::{Effect, Engine, EngineConfig, StrategyOutcome};
use tickdeck_model::{Action, BarBasis, Body, Feed};

/// Acts on each trade, and faults at every so many bars.
fn brittle(every: u64) -> Version {
    let code = Numbered::new(move |bars, batch, actions| {
        match batch[0].body() {
            Body::Trade(trade) => actions.push(Action::ClearTimer(trade.trade_id as u32)),
            Body::Bar(_) => *bars += 1,
            _ => return Ok(1),
        }
        if actions.is_empty() && bars.is_multiple_of(every) {
            return Err(Fault("one bar too many".to_owned()));
        }
        Ok(1)
    });
    let mut feeds = market();
    // Every fourth trade completes both.
    feeds.extend([2, 4].map(|trades| feed(Feed::Bars, trades, BarBasis::Trades)));
    version_of("brittle", feeds, code)
}

fn engine(config: EngineConfig, every: u64) -> Engine {
    let version = brittle(every);
    let strategy = started(&version);
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
