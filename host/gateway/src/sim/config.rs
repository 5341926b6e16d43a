//! The configuration of a simulated exchange.

use crate::broker::{FeeRate, Fees, Latency};
use tickdeck_engine::port::GatewayError;
use tickdeck_model::{Amount, Price, Size, Timestamp};

/// 2026-01-01T00:00:00Z.
pub const DEFAULT_START: Timestamp = 1_767_225_600_000_000_000;

/// Instruments an exchange may list.
pub const MAX_INSTRUMENTS: usize = 1_024;

/// Fastest flow: one market event per instrument every 100 ns.
pub const MAX_EVENTS_PER_SECOND: u32 = 10_000_000;

/// The configuration of a simulated exchange. The same configuration and the same commands give the same events.
#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    /// Random seed.
    pub seed: u64,
    /// The venue's name; symbols end in it.
    pub venue: String,
    /// The instruments.
    pub instruments: Vec<SimInstrument>,
    /// Venue time at which the exchange opens.
    pub start: Timestamp,
    /// Market events per simulated second over all instruments, on average and roughly.
    pub events_per_second: u32,
    /// The minimum time that a command takes to the venue, in nanoseconds.
    pub order_latency_ns: u64,
    /// A command takes up to this much longer, drawn per command; commands never overtake each other.
    pub order_jitter_ns: u64,
    /// Time from the venue to us, nanoseconds, for market data and answers alike.
    pub feed_latency_ns: u64,
    /// Fees on our trades.
    pub fees: Fees,
    /// The opening balances.
    pub balances: Vec<OpeningBalance>,
    /// Whether we may sell short.
    pub allow_short: bool,
    /// The feed ends after the message that reaches this many market events (quotes, trades, book updates).
    pub max_events: Option<u64>,
}

/// An instrument and how it moves.
#[derive(Debug, Clone, PartialEq)]
pub struct SimInstrument {
    /// The symbol without the venue: `BTCUSDT`.
    pub ticker: String,
    /// Code of the currency that is bought, and its scale.
    pub base: (String, u8),
    /// Code of the currency it is paid in, and its scale.
    pub quote: (String, u8),
    /// Decimal digits of prices.
    pub price_scale: u8,
    /// Decimal digits of sizes.
    pub size_scale: u8,
    /// Smallest step of prices. The market looks lively at 0.1 to 1 basis points of the price.
    pub tick: Price,
    /// Smallest step of sizes.
    pub lot: Size,
    /// Smallest price times size of our orders.
    pub min_notional: Amount,
    /// Fair price at the start.
    pub opening_price: Price,
    /// Size of a typical order.
    pub usual_size: Size,
    /// Its share in the common movement of the market, up to 1. Two instruments of the same weight are cointegrated.
    pub market_weight: f64,
}

/// An opening balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningBalance {
    /// Code of the currency.
    pub currency: String,
    /// Its scale.
    pub scale: u8,
    /// The amount at that scale.
    pub total: Amount,
}

impl Default for SimConfig {
    /// BTC, ETH and SOL against USDT, a million USDT, about 5,000 market events a second.
    fn default() -> Self {
        let usdt = |units: i64| Amount(units * 100_000_000);
        let instrument =
            |code: &str, tick, opening_price, size_scale, usual_size, market_weight| {
                SimInstrument {
                    ticker: format!("{code}USDT"),
                    base: (code.to_owned(), 8),
                    quote: ("USDT".to_owned(), 8),
                    price_scale: 2,
                    size_scale,
                    tick: Price(tick),
                    lot: Size(1),
                    min_notional: usdt(5),
                    opening_price: Price(opening_price),
                    usual_size: Size(usual_size),
                    market_weight,
                }
            };
        Self {
            seed: 7,
            venue: "SIM".to_owned(),
            instruments: vec![
                instrument("BTC", 100, 6_000_000, 5, 20_000, 1.0),
                instrument("ETH", 5, 300_000, 4, 40_000, 1.0),
                instrument("SOL", 1, 15_000, 2, 8_000, 1.4),
            ],
            start: DEFAULT_START,
            events_per_second: 5_000,
            order_latency_ns: 500_000,
            order_jitter_ns: 200_000,
            feed_latency_ns: 500_000,
            fees: Fees {
                maker: FeeRate { ppm: 200 },
                taker: FeeRate { ppm: 500 },
            },
            balances: vec![OpeningBalance {
                currency: "USDT".to_owned(),
                scale: 8,
                total: usdt(1_000_000),
            }],
            allow_short: true,
            max_events: None,
        }
    }
}

impl SimConfig {
    pub(super) fn latency(&self) -> Latency {
        Latency {
            order_ns: self.order_latency_ns,
            answer_ns: self.feed_latency_ns,
        }
        .at_least_one_ns()
    }

    /// # Errors
    /// A value the exchange cannot run with; the text names it, its bounds and the fix.
    pub(super) fn check(&self) -> Result<(), GatewayError> {
        let problem = |problem: String| {
            Err(GatewayError::Source {
                source_name: format!("simulated exchange `{}`", self.venue),
                problem,
            })
        };
        let count = self.instruments.len();
        if count == 0 || count > MAX_INSTRUMENTS {
            return problem(format!(
                "it lists {count} instruments; list 1 to {MAX_INSTRUMENTS}"
            ));
        }
        let rate = self.events_per_second;
        if rate == 0 || rate > MAX_EVENTS_PER_SECOND {
            return problem(format!(
                "{rate} events a second; use 1 to {MAX_EVENTS_PER_SECOND}"
            ));
        }
        for listed in &self.instruments {
            let (tick, price) = (listed.tick.0, listed.opening_price.0);
            // The flow quotes some thirty ticks deep and never lets the price fall below a fifth.
            if tick <= 0 || price / tick < MIN_PRICE_TICKS {
                let ticker = &listed.ticker;
                return problem(format!(
                    "`{ticker}` opens below {MIN_PRICE_TICKS} ticks; use a finer tick"
                ));
            }
            if listed.lot.0 <= 0 || listed.usual_size.0 < listed.lot.0 {
                return problem(format!(
                    "`{}` has a usual size below its lot; raise it",
                    listed.ticker
                ));
            }
        }
        Ok(())
    }
}

/// Smallest opening price, in ticks.
const MIN_PRICE_TICKS: i64 = 500;
