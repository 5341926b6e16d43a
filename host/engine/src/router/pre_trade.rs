//! The checks that every order and change passes before it leaves.

use crate::config::{OrderLimits, RiskConfig};
use crate::middleware::{Denial, OrderContext, OrderMiddleware};
use crate::router::risk::Risk;
use tickdeck_model::StrategyId;

/// The order middleware; the built-in limits come first.
pub(super) struct PreTrade(Vec<Box<dyn OrderMiddleware>>);

impl PreTrade {
    pub(super) fn new(risk: RiskConfig) -> Self {
        Self(vec![Box::new(Risk::new(risk))])
    }

    /// Adds a middleware at the end.
    pub(super) fn push(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.0.push(middleware);
    }

    /// Sets the limits of a strategy from its next order on.
    pub(super) fn set_limits(&mut self, strategy: StrategyId, limits: &OrderLimits) {
        for middleware in &mut self.0 {
            middleware.set_limits(strategy, limits);
        }
    }

    /// Asks every middleware, up to the first that refuses.
    pub(super) fn check(
        &mut self,
        context: &OrderContext<'_>,
        mut ask: impl FnMut(&mut dyn OrderMiddleware, &OrderContext<'_>) -> Result<(), Denial>,
    ) -> Result<(), Denial> {
        self.0
            .iter_mut()
            .try_for_each(|middleware| ask(middleware.as_mut(), context))
    }
}
