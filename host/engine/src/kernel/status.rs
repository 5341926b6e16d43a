//! The status of the whole engine, gathered from the router and the workers' counters.

use crate::kernel::Engine;
use crate::report::{Status, StrategyStatus, WorkingOrder};
use crate::router::Router;
use tickdeck_model::{CurrencyId, Money, OrderState, Price};

impl Engine {
    /// Returns the status of the engine, its strategies and its orders.
    pub fn status(&self) -> Status {
        let (router, registry) = (&self.router, &self.registry);
        let currencies = (0..).map(CurrencyId);
        let currencies = currencies.map_while(|id| registry.currency(id).map(|_| id));
        let balances = currencies.filter_map(|id| {
            let balance = router.portfolio.account().balance(id).ok()?;
            (balance != Money::ZERO).then_some((id, balance))
        });
        let tally = router.tally();
        Status {
            now: self.events.now(),
            events: self.events.next_sequence(),
            actions: tally.actions,
            orders: tally.orders,
            denied: tally.denied.clone(),
            fills: tally.fills,
            instruments: router
                .markets
                .iter()
                .filter(|(_, market)| market.events > 0)
                .map(|(id, market)| market.status(id))
                .collect(),
            strategies: self
                .strategies
                .iter()
                .zip(router.strategies.iter())
                .map(|(entry, routed)| {
                    let lag = self.load.lag(entry.worker(), self.events.next_sequence());
                    StrategyStatus {
                        lag_events: lag.events,
                        lag_ns: lag.ns,
                        ..entry.status(router, routed, registry.instruments())
                    }
                })
                .collect(),
            working: working_orders(router),
            capital: balances.collect(),
            killed: router.gate.is_killed(),
        }
    }
}

fn working_orders(router: &Router) -> Vec<WorkingOrder> {
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
                stop_price: match live.triggered {
                    true => Price::ZERO,
                    false => live.stop_price,
                },
                size: live.size,
                filled: live.filled,
                state: known.map_or(OrderState::Initialised, |order| order.state),
                is_held: live.held.is_some(),
            }
        })
        .collect()
}
