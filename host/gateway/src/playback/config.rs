//! The configuration of a playback, and the terms of its symbols.

use crate::binance::{Symbol, TimeUnit};
use crate::broker::{BrokerRules, FeeRate, Fees, Latency};
use std::path::PathBuf;
use tickdeck_model::{Amount, Price, Size};

/// Decimal digits of every currency of Binance Spot.
pub(super) const CURRENCY_SCALE: u8 = 8;
/// Binance Spot's rate without discounts: 0.1 %.
const DEFAULT_FEE: FeeRate = FeeRate { ppm: 1_000 };
const DEFAULT_LATENCY_NS: u64 = 1_000_000;
/// Two seconds of the 100 ms stream.
const DEFAULT_AGREEMENTS: u32 = 20;
const ONE: i64 = 10i64.pow(CURRENCY_SCALE as u32);

/// Quote currencies by which an unknown symbol is split, longest first.
const QUOTES: &[&str] = &[
    "FDUSD", "USDT", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY",
];

/// The configuration of a playback.
#[derive(Debug, Clone)]
pub struct PlaybackConfig {
    /// The files, merged by local time.
    pub files: Vec<PathBuf>,
    /// The venue's name; symbols become `BTCUSDT.<venue>`.
    pub venue: String,
    /// Terms of symbols; they take precedence over the known terms and over those found in the file.
    pub symbols: Vec<SymbolTerms>,
    /// The unit of the frames' times.
    pub time_unit: TimeUnit,
    /// Latency of the links; at least 1 ns together.
    pub latency: Latency,
    /// Fees on trades.
    pub fees: Fees,
    /// Whether a sell needs no holdings.
    pub allow_short: bool,
    /// Opening balances: currency and amount at 8 decimal digits.
    pub balances: Vec<(String, Amount)>,
    /// Consecutive depth events whose top must equal the exchange's before a book without a snapshot is live.
    pub agreements: u32,
    /// Whether everything is decoded before playing, for benchmarks; needs 88 bytes of memory per event.
    pub preload: bool,
}

impl PlaybackConfig {
    /// The defaults: venue `BINANCE`, 1 ms there and 1 ms back, 0.1 % fees, 1,000,000 USDT, shorts allowed.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            venue: "BINANCE".to_owned(),
            symbols: Vec::new(),
            time_unit: TimeUnit::default(),
            latency: Latency {
                order_ns: DEFAULT_LATENCY_NS,
                answer_ns: DEFAULT_LATENCY_NS,
            },
            fees: Fees {
                maker: DEFAULT_FEE,
                taker: DEFAULT_FEE,
            },
            allow_short: true,
            balances: vec![("USDT".to_owned(), Amount(1_000_000 * ONE))],
            agreements: DEFAULT_AGREEMENTS,
            preload: false,
        }
    }

    /// The broker's rules.
    pub(super) fn rules(&self) -> BrokerRules {
        BrokerRules {
            latency: self.latency.at_least_one_ns(),
            fees: self.fees,
            allow_short: self.allow_short,
        }
    }
}

/// The terms of a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolTerms {
    /// As the exchange writes it: `BTCUSDT`.
    pub name: String,
    /// The base currency.
    pub base: String,
    /// The quote currency.
    pub quote: String,
    /// Decimal digits of prices.
    pub price_scale: u8,
    /// Decimal digits of sizes.
    pub size_scale: u8,
    /// Prices are whole multiples of this.
    pub tick: Price,
    /// Sizes are whole multiples of this.
    pub lot: Size,
    /// Smallest price times size, at 8 decimal digits.
    pub min_notional: Amount,
}

impl SymbolTerms {
    /// The terms of symbols that are known: BTCUSDT and ETHUSDT.
    pub fn known(name: &str) -> Option<Self> {
        match name {
            "BTCUSDT" => Self::of_scales(name, 2, 5),
            "ETHUSDT" => Self::of_scales(name, 2, 4),
            _ => None,
        }
    }

    /// Terms with tick and lot of one unit at these scales. The currencies follow from the name's ending; the smallest
    /// notional is 5 for quotes in dollars, else 0. `None` if the ending is not that of a known quote currency.
    pub fn of_scales(name: &str, price_scale: u8, size_scale: u8) -> Option<Self> {
        let cut = |quote: &&&str| name.len() > quote.len() && name.ends_with(**quote);
        let quote = QUOTES.iter().find(cut)?;
        let least = if quote.contains("USD") { 5 * ONE } else { 0 };
        Some(Self {
            name: name.to_owned(),
            base: name[..name.len() - quote.len()].to_owned(),
            quote: (*quote).to_owned(),
            price_scale,
            size_scale,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(least),
        })
    }

    /// The part that the decoder needs.
    pub(super) fn symbol(&self) -> Symbol {
        Symbol {
            name: self.name.clone(),
            price_scale: self.price_scale,
            size_scale: self.size_scale,
        }
    }
}
