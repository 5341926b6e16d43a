//! The settings of an engine. Every bound has a default; money limits are on unless they are waived by name.

use std::collections::HashMap;
use tickdeck_model::{Amount, InstrumentId, OrderType, Size, StrategyId, TextId};
use tickdeck_ring::Wait;

/// The settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// How the kernel advances.
    pub stepping: Stepping,
    /// Threads that run strategies. In lockstep with one worker, strategies run on the kernel's own thread, which would
    /// only wait for them; otherwise each worker has a thread.
    pub workers: usize,
    /// Cores to pin the workers' threads to, in order; empty: the system decides.
    pub pin: Vec<usize>,
    /// Capacity of the ring in events; a power of two.
    pub ring_capacity: usize,
    /// How a thread waits for another.
    pub wait: Wait,
    /// Maximum number of events offered to a strategy in one call.
    pub max_batch: usize,
    /// Cuts batches at random points from this seed, to show that batching changes nothing.
    pub split_seed: Option<u64>,
    /// Stops after this many market events (quotes, trades, book updates).
    pub max_market_events: Option<u64>,
    /// Maximum number of actions of a strategy per second of event time. Otherwise, a strategy that endlessly answers its
    /// own timers or signals would keep event time from advancing; it is ended at the limit.
    pub max_actions_per_s: u32,
    /// The middleware between the ring and the strategies.
    pub middleware: MiddlewareConfig,
    /// The limits between the strategies and the venues.
    pub risk: RiskConfig,
    /// How long a strategy may keep the others waiting, over time; `None`: forever. Only applies where real time passes.
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
            wait: Wait::SpinThenPark { spins: 60 },
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
    /// As events arrive: no thread waits for another, and an order leaves as soon as it is decided. For real venues, with a
    /// pacing clock.
    Free,
}

/// How long a strategy may keep the others waiting. Each strategy has a time account: time taken beyond its turns is
/// charged, and a share of the clock's time is credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetConfig {
    /// What happens to a strategy whose account is overdrawn.
    pub overload: Overload,
    /// How far the account may be overdrawn: the maximum delay that one strategy causes the others.
    pub burst_ns: u64,
    /// The share of the clock's time that is credited, in basis points.
    pub share_bps: u32,
    /// Whether lateness counts in lockstep too: event time advances no faster than the clock, so a strategy that is fast
    /// enough can keep up.
    pub is_real_time: bool,
}

impl Default for BudgetConfig {
    /// 100 ms and 1 %, so that one strategy's overload does not determine the p99 latency of the others.
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

/// The middleware between the ring and the strategies.
#[derive(Debug, Clone)]
pub struct MiddlewareConfig {
    /// Drops public trades whose number is not above the instrument's last one.
    pub drop_duplicates: bool,
    /// Drops quotes and trades that were older than this on arrival.
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
    /// How far a limit price may be from the mid of the last quote, in basis points: on either side where the order could open a
    /// position, else only on the side where it trades for a worse price. Of a stop-limit order: from its stop price, on that side.
    /// The price of a trigger is not limited.
    pub collar_bps: Option<u32>,
    /// Maximum number of orders within the window.
    pub order_rate: Option<OrderRate>,
    /// The same instrument, side, price and size again within this time is a duplicate.
    pub duplicate_window_ns: Option<u64>,
    /// Maximum age of the last quote for an order to be sent.
    pub max_quote_age_ns: Option<u64>,
    /// Instruments that may be traded; `None`: all.
    pub allow: Option<Vec<InstrumentId>>,
    /// Order types that may be sent; `None`: all.
    pub order_types: Option<Vec<OrderType>>,
    /// Largest size of one order, by instrument. Overrides [`InstrumentLimits::max_size`], which applies to instruments
    /// that are not named here.
    pub max_sizes: HashMap<InstrumentId, Size>,
    /// Signals that may be published, by name; `None`: all. Any other message reaches only the operator.
    pub publish: Option<Vec<TextId>>,
}

/// A number of orders per time window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRate {
    /// Maximum number of orders.
    pub orders: u32,
    /// Within this time, sliding.
    pub window_ns: u64,
}

/// Limits of one instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstrumentLimits {
    /// Largest size of one order, for a strategy without a limit of its own in [`OrderLimits::max_sizes`].
    pub max_size: Option<Size>,
    /// Largest position of one strategy with every working order filled.
    pub max_position: Option<Size>,
}

impl OrderLimits {
    /// No limit at all: every check that can be turned off is.
    pub fn none() -> Self {
        Self {
            max_notional: None,
            max_position_notional: None,
            collar_bps: None,
            order_rate: None,
            duplicate_window_ns: None,
            max_quote_age_ns: None,
            allow: None,
            order_types: None,
            max_sizes: HashMap::new(),
            publish: None,
        }
    }
}

impl Default for OrderLimits {
    /// Tight enough for an account of a million: 25,000 per order, 100,000 per position, 5 % from the quote, 100 orders
    /// per second, no quote older than 5 s; the same order twice within 1 us is considered a runaway loop.
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
