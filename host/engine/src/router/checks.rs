//! The router's checks on their own, with what they are made against: for benches, and for whoever wants to know what
//! would be denied.

use crate::config::RiskConfig;
use crate::handle::Mode;
use crate::middleware::{Denial, OrderContext, OrderMiddleware};
use crate::port::OrderPolicy;
use crate::router::Router;
use crate::router::orders::OpenOrder;
use crate::router::strategy::RoutedStrategy;
use std::collections::BTreeSet;
use tickdeck_model::{ClientOrderId, Event, Instrument, StrategyId, Submit, Timestamp};
use tickdeck_portfolio::Portfolio;

/// A router that judges and sends nothing.
pub struct Checks(Router);

impl Checks {
    /// Judges by `risk` what the strategies of this portfolio send. `instruments` are by number.
    pub fn new(instruments: Vec<Instrument>, risk: RiskConfig, portfolio: Portfolio) -> Self {
        let ids: Vec<StrategyId> = portfolio.strategies().map(|(id, _)| id).collect();
        let mut router = Router::new(instruments, risk, portfolio, 1);
        for id in ids {
            router.admit(RoutedStrategy {
                id,
                mode: Mode::Trade,
                order_policy: OrderPolicy::Cancel,
                messages: Vec::new(),
                ended: false,
                books: BTreeSet::new(),
            });
        }
        Self(router)
    }

    /// Takes an event of the tape in.
    pub fn on_event(&mut self, event: &Event) {
        self.0.on_event(event);
    }

    /// An order is at work from now on, unfilled.
    pub fn put_to_work(&mut self, strategy: StrategyId, order: &Submit) {
        let number = order.order;
        let id = ClientOrderId { strategy, number };
        self.0.orders.add(id, OpenOrder::of(order));
    }

    /// Judges an order that was decided on at `at`; what passes counts as sent, but not as being at work.
    ///
    /// # Errors
    /// Why it is denied.
    ///
    /// # Panics
    /// The strategy is not one of the portfolio's.
    pub fn check(
        &mut self,
        strategy: StrategyId,
        order: &Submit,
        at: Timestamp,
    ) -> Result<(), Denial> {
        let place = self.0.place_of(strategy);
        let place = place.expect("only strategies of the portfolio send orders");
        let ask = |middleware: &mut dyn OrderMiddleware, situation: &OrderContext<'_>| {
            middleware.check(order, situation)
        };
        self.0.judge(place, at, order.instrument, None, ask)
    }
}
