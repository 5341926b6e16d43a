//! The strategies that the kernel knows: which worker runs each, and which version of it is live.

use crate::port::{Fault, StrategyStart, Version};
use crate::report::{ShadowStatus, StrategyResult, StrategyState, StrategyStatus};
use crate::router::Router;
use crate::router::market::Market;
use crate::router::strategy::RoutedStrategy;
use crate::worker::slot::{Counters, TIME_BUCKETS};
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_model::{FeedRequest, Instrument, Money, StrategyId};

/// How long a suspended strategy waits for an instance before it is ended.
const INSTANCE_WITHIN_NS: u64 = 5_000_000_000;

/// All strategies, in the order in which they were first started: the same order as the router's.
#[derive(Default)]
pub(crate) struct StrategyEntries(Vec<StrategyEntry>);

impl StrategyEntries {
    pub(super) fn push(&mut self, entry: StrategyEntry) {
        self.0.push(entry);
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StrategyEntry> {
        self.0.iter()
    }

    /// The place of a strategy, if it was ever started.
    pub(super) fn place_of(&self, id: StrategyId) -> Option<usize> {
        self.0.iter().position(|entry| entry.id == id)
    }

    /// The strategy whose turn it is when each has one after the other.
    pub(super) fn of_turn(&self, turn: usize) -> Option<StrategyId> {
        let place = turn.checked_rem(self.0.len())?;
        self.0.get(place).map(|entry| entry.id)
    }

    /// The strategies that were ever started.
    pub(crate) fn ids(&self) -> Vec<StrategyId> {
        self.0.iter().map(|entry| entry.id).collect()
    }

    /// A strategy, if it was ever started.
    pub(crate) fn get(&self, id: StrategyId) -> Option<&StrategyEntry> {
        self.0.iter().find(|entry| entry.id == id)
    }

    /// Whether a suspended strategy can be brought back: it has rested and an instance is ready, or it has waited long enough to
    /// be given up.
    pub(super) fn can_return(&self, strategy: StrategyId, waited_ns: u64) -> bool {
        let entry = self.get(strategy);
        waited_ns >= INSTANCE_WITHIN_NS
            || entry.is_none_or(|entry| {
                entry.counters.has_rested(waited_ns) && entry.counters.is_awaited_ready()
            })
    }

    pub(super) fn at(&self, place: usize) -> &StrategyEntry {
        &self.0[place]
    }

    pub(super) fn at_mut(&mut self, place: usize) -> &mut StrategyEntry {
        &mut self.0[place]
    }

    /// Puts a restarted strategy at its former place, or a new one after the others. Returns the place.
    pub(super) fn start(&mut self, known: Option<usize>, mut entry: StrategyEntry) -> usize {
        match known {
            Some(place) => {
                entry.generation = self.0[place].generation + 1;
                self.0[place] = entry;
                place
            }
            None => {
                self.0.push(entry);
                self.0.len() - 1
            }
        }
    }

    /// The worker with the fewest strategies.
    pub(super) fn least_busy_worker(&self, workers: usize) -> usize {
        let load = |worker: &usize| {
            let of_worker = self.0.iter().filter(|entry| entry.worker == *worker);
            of_worker.count()
        };
        (0..workers).min_by_key(load).unwrap_or(0)
    }
}

/// What the kernel knows about a strategy that runs on a worker.
pub(crate) struct StrategyEntry {
    id: StrategyId,
    worker: usize,
    counters: Arc<CachePadded<Counters>>,
    stopped: bool,
    name: String,
    label: String,
    hash: String,
    /// The manifest's feeds.
    feeds: Vec<FeedRequest>,
    /// Counts versions, from 1.
    generation: u32,
    /// The shadow version: label and hash.
    shadow: Option<(String, String)>,
    /// Time between the last event of the previous version and the first of this one.
    pause_ns: Option<u64>,
}

impl StrategyEntry {
    pub(super) fn new(start: &StrategyStart, worker: usize) -> Self {
        Self {
            id: start.id,
            worker,
            counters: Arc::default(),
            stopped: false,
            name: start.name.clone(),
            label: start.version.label.clone(),
            hash: start.version.hash.clone(),
            feeds: start.version.feeds.clone(),
            generation: 1,
            shadow: None,
            pause_ns: None,
        }
    }

    pub(super) const fn id(&self) -> StrategyId {
        self.id
    }

    pub(crate) const fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The hash of the live version's module.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// The label of the live version.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) const fn generation(&self) -> u32 {
        self.generation
    }

    /// The counters that its worker keeps.
    pub(super) fn counters(&self) -> Arc<CachePadded<Counters>> {
        Arc::clone(&self.counters)
    }

    /// Switches to another version; returns the feeds of the previous one.
    pub(super) fn change_version(&mut self, to: &Version) -> Vec<FeedRequest> {
        self.label.clone_from(&to.label);
        self.hash.clone_from(&to.hash);
        self.generation += 1;
        (self.shadow, self.pause_ns, self.stopped) = (None, None, false);
        std::mem::replace(&mut self.feeds, to.feeds.clone())
    }

    /// Notes that a version runs as its shadow from now on.
    pub(super) fn start_shadow(&mut self, version: &Version) {
        self.shadow = Some((version.label.clone(), version.hash.clone()));
    }

    /// Notes that its shadow ended.
    pub(super) fn end_shadow(&mut self) {
        self.shadow = None;
    }

    /// Notes that the live version was offered its first event, `pause_ns` after the previous one handled its last.
    pub(super) fn went_live(&mut self, pause_ns: u64) {
        self.pause_ns = Some(pause_ns);
    }

    /// Notes that it was stopped at the end of the run, without a fault.
    pub(super) fn stopped_cleanly(&mut self) {
        self.stopped = true;
    }

    /// Notes that an operator removed it.
    pub(super) fn removed(&mut self) {
        (self.stopped, self.shadow) = (true, None);
    }

    /// Notes that it was ended because it must not continue.
    pub(super) fn quarantined(&mut self, problem: &str) {
        (self.stopped, self.shadow) = (false, None);
        self.counters.note(&Fault(problem.to_owned()));
    }

    /// The text of the fault that ended it; empty if there was none.
    pub(super) fn fault(&self) -> String {
        self.counters.last()
    }

    /// Has the end of every call timed from now on: a new version is about to take over.
    pub(super) fn expect_swap(&self) {
        self.counters.expecting.store(true, Ordering::Relaxed);
    }

    pub(super) fn status(
        &self,
        router: &Router,
        routed: &RoutedStrategy,
        terms: &[Instrument],
    ) -> StrategyStatus {
        let counters = &self.counters;
        let sampled = counters.sampled_events.load(Ordering::Relaxed);
        let sampled_ns = counters.sampled_ns.load(Ordering::Relaxed);
        StrategyStatus {
            id: self.id,
            name: self.name.clone(),
            version: self.label.clone(),
            hash: self.hash.clone(),
            generation: self.generation,
            pause_ns: self.pause_ns,
            held_bytes: counters.held.load(Ordering::Relaxed),
            traps: counters.traps.load(Ordering::Relaxed),
            times: std::array::from_fn::<u64, TIME_BUCKETS, _>(|at| {
                counters.times[at].load(Ordering::Relaxed)
            }),
            shadow: self.shadow.as_ref().map(|(label, hash)| ShadowStatus {
                version: label.clone(),
                hash: hash.clone(),
                agreed: counters.agreed.load(Ordering::Relaxed),
                differed: counters.differed.load(Ordering::Relaxed),
                differences: counters.differences().iter().cloned().collect(),
            }),
            state: match (routed.has_ended(), self.stopped) {
                (_, true) => StrategyState::Stopped,
                (true, false) => StrategyState::Quarantined,
                (false, false) => router.gate.mode_with(routed.mode()).state(),
            },
            events: counters.events.load(Ordering::Relaxed),
            actions: counters.actions.load(Ordering::Relaxed),
            ns_per_event: (sampled > 0).then(|| sampled_ns as f64 / sampled as f64),
            lag_events: 0,
            lag_ns: 0,
            held_up_ns: counters.charged_ns.load(Ordering::Relaxed),
            debt_ns: counters.debt_ns.load(Ordering::Relaxed),
            results: results(router, self.id, terms),
            positions: router
                .portfolio
                .book(self.id)
                .map(|book| {
                    book.positions()
                        .map(|position| (position.instrument, position.size))
                        .collect()
                })
                .unwrap_or_default(),
        }
    }
}

fn results(router: &Router, strategy: StrategyId, terms: &[Instrument]) -> Vec<StrategyResult> {
    let Some(book) = router.portfolio.book(strategy) else {
        return Vec::new();
    };
    let mark = |instrument| router.markets.get(instrument).and_then(Market::mark);
    let open = book
        .unrealised(mark, terms)
        .map(|open| open.profit)
        .unwrap_or_default();
    book.capital()
        .map(|(currency, capital)| StrategyResult {
            currency,
            realised: capital.realised,
            unrealised: open
                .iter()
                .find(|(other, _)| *other == currency)
                .map_or(Money::ZERO, |(_, profit)| *profit),
            fees: capital.fees,
        })
        .collect()
}
