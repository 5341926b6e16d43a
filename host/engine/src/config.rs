//! The settings of an engine. Every bound has a default; money limits are on unless they are waived by name.

use std::collections::HashMap;
use tickdeck_model::{Amount, InstrumentId, OrderType, Size, StrategyId, TextId};
use tickdeck_ring::Wait;

/// The settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// How the kernel advances.
    pub stepping: Stepping,
    /// Threads that run strategies. With one and in lockstep, strategies run on the kernel's own thread, which would
    /// only wait for them; otherwise each worker has a thread.
    pub workers: usize,
    /// Cores to pin the workers' threads to, the first to the first; none: the system decides.
    pub pin: Vec<usize>,
    /// Events the ring holds; a power of two.
    pub ring_capacity: usize,
    /// How a thread waits for another.
    pub wait: Wait,
    /// Most events a strategy is offered in one call.
    pub max_batch: usize,
    /// Cuts batches at random places from this seed, to show that it changes nothing.
    pub split_seed: Option<u64>,
    /// Stops after this many market events (quotes, trades, book updates).
    pub max_market_events: Option<u64>,
    /// Most actions of a strategy in a second of event time. One that answers its own timers or signals without end
    /// would otherwise keep time from going on; past the limit it is ended.
    pub max_actions_per_s: u32,
    /// The middlewares between the ring and the strategies.
    pub middleware: MiddlewareConfig,
    /// The limits between the strategies and the venues.
    pub risk: RiskConfig,
    /// How long a strategy may keep the others waiting, over time; `None`: for ever. Only counts where time goes by.
    pub budget: Option<BudgetConfig>,
    /// Starts with the kill switch on.
    pub killed: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            stepping: Stepping::default(),
            workers: 1,
            pin: Vec::new(),
            ring_capacity: 1 << 16,
            wait: Wait::SpinThenPark { spins: 20 },
            max_batch: 1_024,
            split_seed: None,
            max_market_events: None,
            max_actions_per_s: 10_000,
            middleware: MiddlewareConfig::default(),
            risk: RiskConfig::default(),
            budget: None,
            killed: false,
        }
    }
}

/// How the kernel advances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stepping {
    /// Window by window, each handled by all workers before the next begins: the same tape gives the same actions. For
    /// simulated venues and recorded markets.
    #[default]
    Lockstep,
    /// As events come: no thread waits for another, and an order leaves as soon as it is decided. For real venues, with a
    /// clock that paces.
    Free,
}

/// How long a strategy may keep the others waiting. Each strategy has an account of that time: what it takes beyond its
/// turns is charged, and a share of the clock's time is credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetConfig {
    /// What happens to a strategy whose account is overdrawn.
    pub overload: Overload,
    /// How much the account may be overdrawn: what the others are late by at most, through one strategy.
    pub burst_ns: u64,
    /// How much of the clock's time is credited, in hundredths of a percent.
    pub share_bps: u32,
    /// Whether being late counts in lockstep too: event time goes by no faster than the clock, so that whoever is not late
    /// could keep up.
    pub is_real_time: bool,
}

impl Default for BudgetConfig {
    /// A tenth of a second, and 1 %: the latency that one order in a hundred exceeds is not to be theirs.
    fn default() -> Self {
        Self {
            overload: Overload::default(),
            burst_ns: 100_000_000,
            share_bps: 100,
            is_real_time: true,
        }
    }
}

/// What happens to a strategy that keeps the others waiting for longer than its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overload {
    /// It ends as after faults, or its version is rolled back if it is on probation.
    #[default]
    End,
    /// The operator is alerted, and the others wait.
    Alert,
}

/// The middlewares between the ring and the strategies.
#[derive(Debug, Clone)]
pub struct MiddlewareConfig {
    /// Drops public trades whose number is not above the instrument's last.
    pub drop_duplicates: bool,
    /// Drops quotes and trades that were older than this when they came.
    pub max_age_ns: Option<u64>,
    /// Passes at most one quote per instrument in this much event time, always the latest.
    pub conflate_quotes_ns: Option<u64>,
}

impl Default for MiddlewareConfig {
    fn default() -> Self {
        Self {
            drop_duplicates: true,
            max_age_ns: None,
            conflate_quotes_ns: None,
        }
    }
}

/// The limits of all strategies.
#[derive(Debug, Clone, Default)]
pub struct RiskConfig {
    /// For strategies without limits of their own.
    pub default: OrderLimits,
    /// By strategy.
    pub strategies: HashMap<StrategyId, OrderLimits>,
    /// By instrument, for every strategy.
    pub instruments: HashMap<InstrumentId, InstrumentLimits>,
}

/// Limits of one strategy. `None` turns a check off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLimits {
    /// Largest price times size of one order, in the quote currency at scale 0 (whole units).
    pub max_notional: Option<Amount>,
    /// Largest position with every working order filled, price times size, in whole units of the quote currency.
    pub max_position_notional: Option<Amount>,
    /// How far a price may be from the middle of the last quote, in hundredths of a percent.
    pub collar_bps: Option<u32>,
    /// Most orders within the window.
    pub order_rate: Option<OrderRate>,
    /// The same instrument, side, price and size again within this time is a duplicate.
    pub duplicate_window_ns: Option<u64>,
    /// Oldest last quote on which an order may be sent.
    pub max_quote_age_ns: Option<u64>,
    /// Instruments that may be traded; `None`: all.
    pub allow: Option<Vec<InstrumentId>>,
    /// Order types that may be sent; `None`: all.
    pub order_types: Option<Vec<OrderType>>,
    /// Largest size of one order, by instrument. Stands over [`InstrumentLimits::max_size`], which holds for
    /// instruments that are not named here.
    pub max_sizes: HashMap<InstrumentId, Size>,
    /// Signals that may be published, by their names; `None`: all. A message that is not among them reaches the operator
    /// only.
    pub publish: Option<Vec<TextId>>,
}

/// A number of orders within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRate {
    /// Most orders.
    pub orders: u32,
    /// Within this time, sliding.
    pub window_ns: u64,
}

/// Limits of one instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstrumentLimits {
    /// Largest size of one order of a strategy that has none of its own in [`OrderLimits::max_sizes`].
    pub max_size: Option<Size>,
    /// Largest position of one strategy with every working order filled.
    pub max_position: Option<Size>,
}

impl Default for OrderLimits {
    /// Tight enough for an account of a million: 25,000 an order, 100,000 a position, 5 % from the quote, 100 orders
    /// a second, no quote older than 5 s; the same order twice within 1 us is taken for a runaway loop.
    fn default() -> Self {
        Self {
            max_notional: Some(Amount(25_000)),
            max_position_notional: Some(Amount(100_000)),
            collar_bps: Some(500),
            order_rate: Some(OrderRate {
                orders: 100,
                window_ns: 1_000_000_000,
            }),
            duplicate_window_ns: Some(1_000),
            max_quote_age_ns: Some(5_000_000_000),
            allow: None,
            order_types: None,
            max_sizes: HashMap::new(),
            publish: None,
        }
    }
}
