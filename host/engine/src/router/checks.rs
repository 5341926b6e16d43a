//! The router's checks in isolation: for benches, and to find out what would be denied.

use crate::config::RiskConfig;
use crate::middleware::{Denial, OrderContext, OrderMiddleware};
use crate::router::Router;
use crate::router::orders::OpenOrder;
use crate::router::strategy::RoutedStrategy;
use tickdeck_model::{ClientOrderId, Event, Instrument, StrategyId, Submit, Timestamp};
use tickdeck_portfolio::Portfolio;

/// A router that checks orders and sends nothing.
pub struct Checks(Router);

impl Checks {
    /// Checks against `risk` what the strategies of this portfolio send. `instruments` is indexed by id.
    pub fn new(instruments: Vec<Instrument>, risk: RiskConfig, portfolio: Portfolio) -> Self {
        let ids: Vec<StrategyId> = portfolio.strategies().map(|(id, _)| id).collect();
        let mut router = Router::new(instruments, risk, portfolio, 1);
        for id in ids {
            router.strategies.admit(RoutedStrategy::bare(id));
        }
        Self(router)
    }

    /// Processes an event of the tape.
    pub fn on_event(&mut self, event: &Event) {
        self.0.on_event(event);
    }

    /// Marks an order as working, unfilled.
    pub fn put_to_work(&mut self, strategy: StrategyId, order: &Submit) {
        let number = order.order;
        let id = ClientOrderId { strategy, number };
        self.0.orders.add(id, OpenOrder::of(order));
    }

    /// Checks an order that was decided at `at`; one that passes counts as sent, but not as working.
    ///
    /// # Errors
    /// The order is denied; the denial says why.
    ///
    /// # Panics
    /// The strategy is not in the portfolio.
    pub fn check(
        &mut self,
        strategy: StrategyId,
        order: &Submit,
        at: Timestamp,
    ) -> Result<(), Denial> {
        let place = self.0.strategies.place_of(strategy);
        let place = place.expect("only strategies of the portfolio send orders");
        let ask = |middleware: &mut dyn OrderMiddleware, context: &OrderContext<'_>| {
            middleware.check(order, context)
        };
        self.0.check(place, at, order.instrument, None, ask)
    }
}
