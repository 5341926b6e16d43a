//! How things stand, gathered from the router and the workers' counters.

use crate::port::{StrategyStart, Version};
use crate::report::{ShadowStatus, StrategyResult, StrategyState, StrategyStatus};
use crate::router::Router;
use crate::router::strategy::RoutedStrategy;
use crate::worker::slot::{Counters, TIME_BUCKETS};
use crossbeam_utils::CachePadded;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tickdeck_model::{FeedRequest, Instrument, Money, StrategyId};

/// What the kernel keeps of a strategy that sits with a worker.
pub(crate) struct StrategyEntry {
    pub(crate) id: StrategyId,
    pub(crate) worker: usize,
    pub(crate) counters: Arc<CachePadded<Counters>>,
    pub(crate) stopped: bool,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) hash: String,
    /// Of the manifest.
    pub(crate) feeds: Vec<FeedRequest>,
    /// Counts versions, from 1.
    pub(crate) generation: u32,
    /// The version that runs beside: label and hash.
    pub(crate) shadow: Option<(String, String)>,
    /// Between the last event of the version before and the first of this one.
    pub(crate) pause_ns: Option<u64>,
}

impl StrategyEntry {
    pub(crate) fn new(seat: &StrategyStart, worker: usize) -> Self {
        Self {
            id: seat.id,
            worker,
            counters: Arc::default(),
            stopped: false,
            name: seat.name.clone(),
            label: seat.version.label.clone(),
            hash: seat.version.hash.clone(),
            feeds: seat.version.feeds.clone(),
            generation: 1,
            shadow: None,
            pause_ns: None,
        }
    }

    /// Another version counts.
    pub(crate) fn change_version(&mut self, to: &Version) {
        self.label.clone_from(&to.label);
        self.hash.clone_from(&to.hash);
        self.generation += 1;
        (self.shadow, self.pause_ns, self.stopped) = (None, None, false);
    }

    /// The text of the fault that ended it.
    pub(crate) fn fault(&self) -> String {
        self.counters
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or_default()
    }

    pub(crate) fn status(
        &self,
        router: &Router,
        party: &RoutedStrategy,
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
            state: match (party.ended, self.stopped) {
                (_, true) => StrategyState::Stopped,
                (true, false) => StrategyState::Quarantined,
                (false, false) => router.mode(party).state(),
            },
            events: counters.events.load(Ordering::Relaxed),
            actions: counters.actions.load(Ordering::Relaxed),
            ns_per_event: (sampled > 0).then(|| sampled_ns as f64 / sampled as f64),
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
    let mark = |instrument| {
        router
            .markets
            .get(instrument)
            .and_then(crate::router::market::Market::mark)
    };
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
