//! What the measurements of latency share: an engine with every check on, wall time as event time, and a venue's terms.

use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tickdeck_engine::port::{Clock, Continuity, GatewayError, VenueTerms};
use tickdeck_engine::{
    EngineConfig, InstrumentLimits, OrderLimits as RiskLimits, OrderRate, Stepping, Wait,
};
use tickdeck_model::{
    Amount, Instrument, InstrumentId, OrderType, Price, Registry, Size, Timestamp,
};

/// Rounds: each plays every case once.
pub(crate) const ROUNDS: usize = 5;

/// The largest latency that the histogram distinguishes, in nanoseconds.
pub(crate) const LONGEST_NS: u64 = 10_000_000_000;

pub(crate) fn at_quantile(histograms: &[Histogram<u64>], part: f64) -> Vec<f64> {
    let value = |one: &Histogram<u64>| one.value_at_quantile(part) as f64;
    histograms.iter().map(value).collect()
}

/// Every check is on, so wide that none denies.
pub(crate) fn config(wait: Wait) -> EngineConfig {
    let mut config = EngineConfig {
        stepping: Stepping::Free,
        wait,
        max_actions_per_s: u32::MAX,
        ..EngineConfig::default()
    };
    config.risk.default = RiskLimits {
        order_rate: Some(OrderRate {
            orders: 1_000,
            window_ns: 1_000_000,
        }),
        max_position_notional: Some(Amount(1_000_000_000)),
        allow: Some(vec![InstrumentId(0)]),
        order_types: Some(vec![OrderType::Market, OrderType::Limit]),
        max_sizes: HashMap::from([(InstrumentId(0), Size(1_000_000))]),
        ..RiskLimits::default()
    };
    let of_instrument = InstrumentLimits {
        max_size: Some(Size(1_000_000)),
        max_position: Some(Size(1_000_000_000)),
    };
    config.risk.instruments = HashMap::from([(InstrumentId(0), of_instrument)]);
    config
}

/// The longest sleep of a clock, as of a deck's own.
const STEP: Duration = Duration::from_millis(2);

/// Wall time as event time, from an epoch on.
pub(crate) struct WallTime {
    pub(crate) epoch: Instant,
    /// Sleeps until an event is due, as a deck does, instead of spinning.
    pub(crate) sleeps: bool,
}

impl Clock for WallTime {
    fn wait_until(&mut self, due: Timestamp) {
        while !self.wait_a_while(due) {}
    }

    fn wait_a_while(&mut self, due: Timestamp) -> bool {
        let left = due - self.reached();
        match self.sleeps {
            _ if left <= 0 => return true,
            true => std::thread::sleep(Duration::from_nanos(left.unsigned_abs()).min(STEP)),
            false => std::hint::spin_loop(),
        }
        self.reached() >= due
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        since(self.epoch)
    }

    fn now_ns(&self) -> u64 {
        since(self.epoch).unsigned_abs()
    }
}

pub(crate) fn since(epoch: Instant) -> Timestamp {
    Timestamp::try_from(epoch.elapsed().as_nanos()).unwrap_or(Timestamp::MAX)
}

/// Puts a venue with one instrument into the registry.
pub(crate) fn register(registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
    let venue = registry.add_venue("METRONOME");
    let base = registry.add_currency("BTC", 8)?;
    let quote = registry.add_currency("USDT", 8)?;
    let instrument = registry.add_instrument(Instrument {
        id: InstrumentId(0),
        venue,
        symbol: "BTCUSDT.METRONOME".to_owned(),
        base,
        quote,
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount(0),
    })?;
    Ok(VenueTerms {
        venue,
        instruments: vec![instrument],
        balances: vec![(quote, Amount(100_000 * 100_000_000))],
        lookahead_ns: 1,
        continuity: Continuity::Repeats,
    })
}
