//! How things stand, gathered from the router and the workers' counters.

use crate::port::Seat;
use crate::report::{StrategyResult, StrategyState, StrategyStatus, WorkingOrder};
use crate::router::{Party, Router};
use crate::shard::Counters;
use crossbeam_utils::CachePadded;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tickdeck_model::{Instrument, Money, OrderState, StrategyId};

/// What the kernel keeps of a strategy that sits with a worker.
pub(crate) struct StrategyCard {
    pub(crate) id: StrategyId,
    pub(crate) counters: Arc<CachePadded<Counters>>,
    pub(crate) stopped: bool,
    name: String,
    version: String,
}

impl StrategyCard {
    pub(crate) fn new(seat: &Seat) -> Self {
        Self {
            id: seat.id,
            counters: Arc::default(),
            stopped: false,
            name: seat.name.clone(),
            version: seat.version.clone(),
        }
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
        party: &Party,
        terms: &[Instrument],
    ) -> StrategyStatus {
        let counters = &self.counters;
        let sampled = counters.sampled_events.load(Ordering::Relaxed);
        let sampled_ns = counters.sampled_ns.load(Ordering::Relaxed);
        StrategyStatus {
            id: self.id,
            name: self.name.clone(),
            version: self.version.clone(),
            state: match (party.ended, self.stopped) {
                (_, true) => StrategyState::Stopped,
                (true, false) => StrategyState::Faulted,
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
            .and_then(crate::market::Market::mark)
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

pub(crate) fn working_orders(router: &Router) -> Vec<WorkingOrder> {
    router
        .orders
        .iter()
        .map(|(id, live)| {
            let known = router
                .portfolio
                .book(id.strategy)
                .and_then(|book| book.order(id.number));
            WorkingOrder {
                id,
                instrument: live.instrument,
                side: live.side,
                price: live.price,
                size: live.size,
                filled: live.filled,
                state: known.map_or(OrderState::Initialised, |order| order.state),
            }
        })
        .collect()
}
