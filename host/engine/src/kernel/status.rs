//! The status of the whole engine, gathered from the router and the workers' counters.

use crate::kernel::Engine;
use crate::report::{Status, WorkingOrder};
use crate::router::Router;
use tickdeck_model::OrderState;

impl Engine {
    /// How things stand.
    pub fn status(&self) -> Status {
        let router = &self.router;
        let balances = self.currencies.iter().filter_map(|currency| {
            let balance = router.portfolio.account().balance(currency.id).ok()?;
            (balance != tickdeck_model::Money::ZERO).then_some((currency.id, balance))
        });
        Status {
            now: self.now,
            events: self.events,
            actions: router.tally.actions,
            orders: router.tally.orders,
            denied: router.tally.denied.clone(),
            fills: router.tally.fills,
            instruments: router
                .markets
                .iter()
                .filter(|(_, market)| market.events > 0)
                .map(|(id, market)| market.status(id))
                .collect(),
            strategies: self
                .cards
                .iter()
                .zip(&router.parties)
                .map(|(card, party)| card.status(router, party, self.registry.instruments()))
                .collect(),
            working: working_orders(router),
            capital: balances.collect(),
            killed: router.killed,
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
                size: live.size,
                filled: live.filled,
                state: known.map_or(OrderState::Initialised, |order| order.state),
            }
        })
        .collect()
}
