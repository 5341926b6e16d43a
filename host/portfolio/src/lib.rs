//! A pure fold over events: capital, positions, orders, timestamp; per strategy and per account.

/// One strategy's own view of the store.
#[derive(Debug, Clone, Default)]
pub struct StrategyBook {}
