//! A strategy that faults while no instance is ready waits for one, alone, and a replay does the same.

use super::edges::{again, alone, kept};
use super::*;
use std::sync::atomic::Ordering;
use tickdeck_engine::port::{Clock, Code, Fault, State};
use tickdeck_portfolio::StrategyBook;

/// Code of which an instance is ready only after this many polls.
struct Scarce {
    code: Arc<dyn Code>,
    looks: u64,
    left: AtomicU64,
}

impl Code for Scarce {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.left.store(self.looks, Ordering::Relaxed);
        self.code.start(book)
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        self.left.store(self.looks, Ordering::Relaxed);
        self.code.restore(book, state)
    }

    fn is_ready(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_err()
    }

    fn schema(&self) -> u32 {
        self.code.schema()
    }

    fn restores(&self) -> &[u32] {
        self.code.restores()
    }
}

fn scarce(looks: u64, version: Version) -> Version {
    let code = Arc::new(Scarce {
        code: Arc::clone(&version.code),
        looks,
        left: AtomicU64::new(looks),
    });
    Version { code, ..version }
}

/// Two strategies, of which the second traps once.
fn two(looks: u64, wishes: Vec<(u64, Request)>) -> (Vec<Item>, Report, Vec<Notice>) {
    let mut engine = engine_of(plain(), wishes, |version| scarce(looks, version));
    let reel = Reel::default();
    engine.record(reel.recorder());
    let mut notices = Notices::default();
    let report = engine.run(&mut notices).unwrap();
    (reel.all(), report, notices.0)
}

fn recovered(notices: &[Notice]) -> Option<u32> {
    notices.iter().find_map(|notice| match notice {
        Notice::Recovered { events, .. } => Some(*events),
        _ => None,
    })
}

#[test]
fn a_strategy_waits_for_an_instance_and_nobody_else_does() {
    let (_, calm, notices) = two(0, Vec::new());
    let at_once = recovered(&notices).unwrap();
    let (items, report, notices) = two(50, Vec::new());
    let waited = recovered(&notices).unwrap();
    assert!(waited > at_once, "it was offered what came meanwhile");
    let events = |report: &Report, place: usize| report.status.strategies[place].events;
    // The second's orders differ, and with them the answers that the venue mixes into its market.
    let (first, in_calm) = (events(&report, 0), events(&calm, 0));
    assert!(first.abs_diff(in_calm) < 50, "{first}, {in_calm}");
    let last = report.status.strategies[1].events;
    assert!(last > events(&calm, 1) / 2, "it goes on: {last}");
    let suspended = |item: &Item| {
        matches!(
            item,
            Item::Effect(
                _,
                Effect::Settled {
                    outcome: StrategyOutcome::Suspended,
                    ..
                }
            )
        )
    };
    assert_eq!(items.iter().filter(|item| suspended(item)).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_replay_waits_as_long_and_decides_the_same_however_it_is_batched(
        looks in 1u64..400, workers in 1usize..4, max_batch in 1usize..300, seed in any::<u64>(), cut in 1usize..100,
    ) {
        let (items, report, _) = two(looks, Vec::new());
        let replayed = replay(config(workers, max_batch, Some(seed)), &items, &versions());
        prop_assert_eq!(&replayed.divergence, &None);
        prop_assert_eq!(replayed.report.actions_hash, report.actions_hash);
        prop_assert_eq!(replayed.report.tape_hash, report.tape_hash);
        let mut tape = Played::of(&items[..items.len() * cut / 100], &versions());
        let resumed = bare(plain()).resume(&mut tape, &mut Notices::default());
        prop_assert!(resumed.is_ok(), "cut at {cut} %: {resumed:?}");
    }
}

#[test]
fn a_change_of_a_strategy_that_waits_is_refused_until_it_is_back() {
    let [second, ..] = versions();
    let swap = |at, to: &Version| {
        let change = StrategyChange::Swap(SECOND, Box::new(to.clone()));
        (at, Request::StrategyChange(change))
    };
    // It traps at its event 2,000, and waits for some hundred windows.
    let wishes = vec![swap(2_060, &second), swap(4_500, &second)];
    let (items, report, notices) = two(300, wishes);
    let refusals: Vec<&String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Effect(_, Effect::Refused { why }) => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(refusals.len(), 1, "{notices:?}");
    assert!(
        refusals[0].contains("waits for another instance"),
        "{refusals:?}"
    );
    assert_eq!(report.status.strategies[1].version, "2");
    let replayed = replay(plain(), &items, &versions());
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

/// Flat out in event time; a tenth of a second passes with every read of the clock.
#[derive(Default)]
struct Passing(AtomicU64);

impl Clock for Passing {
    fn wait_until(&mut self, _: Timestamp) {}

    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }

    fn now_ns(&self) -> u64 {
        self.0.fetch_add(100_000_000, Ordering::Relaxed)
    }
}

fn trapping_once() -> Version {
    let traits = Traits {
        traps: traps(2_000, 1),
        ..traits()
    };
    version("1", traits)
}

fn ended(notices: &[Notice]) -> &str {
    let problem = notices.iter().find_map(|notice| match notice {
        Notice::Ended { problem, .. } => Some(problem.as_str()),
        _ => None,
    });
    problem.unwrap_or_else(|| panic!("{notices:?}"))
}

#[test]
fn a_strategy_that_waits_in_vain_ends_and_does_so_in_a_replay() {
    let first = scarce(u64::MAX, trapping_once());
    let strategy = started(&first);
    let cast = vec![("first", first, strategy)];
    let venue = ToyVenue::new(5, EVENTS);
    let mut engine = toy::engine_at(venue, Box::new(Passing::default()), plain(), cast);
    let reel = Reel::default();
    engine.record(reel.recorder());
    let mut notices = Notices::default();
    let report = engine.run(&mut notices).unwrap();
    let problem = ended(&notices.0);
    assert!(
        problem.contains("trapped at event") && problem.contains("no instance could be created"),
        "{problem}"
    );
    let replayed = again(alone(plain(), EVENTS, version("1", traits())), &reel.all());
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

#[test]
fn no_more_events_are_kept_for_a_strategy_that_waits_than_are_ever_offered_again() {
    const MANY: u64 = 80_000;
    let first = scarce(40_000, trapping_once());
    let engine = alone(plain(), MANY, first);
    let (items, report) = kept(engine);
    assert_eq!(report.status.strategies[0].state.as_str(), "quarantined");
    let replayed = again(alone(plain(), MANY, version("1", traits())), &items);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}
