//! The configuration of a playback, and the terms of its symbols.

use super::step::Step;
use crate::binance::Symbol;
use crate::broker::{BrokerRules, FeeRate, Fees, Latency};
use serde::Serialize;
use std::path::PathBuf;
use tickdeck_model::{Amount, Price, Size};

/// Decimal digits of every currency of Binance.
pub(super) const CURRENCY_SCALE: u8 = 8;
/// Binance Spot's rate without discounts: 0.1 %.
const DEFAULT_FEE: FeeRate = FeeRate { ppm: 1_000 };
const DEFAULT_LATENCY_NS: u64 = 1_000_000;
/// Two seconds of the 100 ms stream.
const DEFAULT_AGREEMENTS: u32 = 20;
const ONE: i64 = 10i64.pow(CURRENCY_SCALE as u32);

/// The bases of a quote currency whose name begins with letters that a base may end in: ADAEUR is ADA and EUR.
const BASES_OF: &[(&str, &[&str])] = &[("AEUR", &["BTC", "ETH", "EUR"])];

/// Quote currencies by which a symbol is split, longer ones before those that they end in.
const QUOTES: &[&str] = &[
    "FDUSD", "RLUSD", "AEUR", "BIDR", "BKRW", "BUSD", "BVND", "DOGE", "EURI", "IDRT", "TUSD",
    "USD1", "USDC", "USDE", "USDP", "USDS", "USDT", "XUSD", "ARS", "AUD", "BNB", "BRL", "BTC",
    "COP", "CZK", "DAI", "DOT", "ETH", "EUR", "GBP", "JPY", "MXN", "NGN", "PAX", "PLN", "RON",
    "RUB", "SOL", "TRX", "TRY", "UAH", "UST", "VAI", "XRP", "ZAR",
];

/// A market of Binance. Its frames, the ids of its diffs and its terms differ from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// Spot.
    #[default]
    Spot,
    /// Perpetual and delivery contracts margined in USDT or USDC.
    UsdmFutures,
}

impl std::fmt::Display for Market {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spot => "Binance Spot",
            Self::UsdmFutures => "Binance USD-M futures",
        })
    }
}

/// The configuration of a playback.
#[derive(Debug, Clone)]
pub struct PlaybackConfig {
    /// The files, merged by local time. All of one market; several of one symbol are one book.
    pub files: Vec<PathBuf>,
    /// The venue's name; symbols become `BTCUSDT.<venue>`.
    pub venue: String,
    /// What the user says of symbols; a file must not contradict it.
    pub symbols: Vec<SymbolSettings>,
    /// What the exchange publishes of symbols ([`read_exchange_info`](super::read_exchange_info)), if `symbols` doesn't say it. A tick
    /// or lot that a file contradicts is of another time and does not count.
    pub published: Vec<SymbolSettings>,
    /// Latency of the links; at least 1 ns together.
    pub latency: Latency,
    /// Fees on trades.
    pub fees: Fees,
    /// Whether a sell needs no holdings.
    pub allow_short: bool,
    /// Opening balance in each quote currency, at 8 decimal digits.
    pub balance: Amount,
    /// Consecutive depth events whose top must equal the exchange's before a book without a snapshot is live.
    pub agreements: u32,
    /// Whether everything is decoded before playing, for benchmarks; needs 88 bytes of memory per event.
    pub preload: bool,
}

impl PlaybackConfig {
    /// The defaults: venue `BINANCE`, 1 ms there and 1 ms back, 0.1 % fees, 1,000,000 of each quote currency, shorts allowed.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            venue: "BINANCE".to_owned(),
            symbols: Vec::new(),
            published: Vec::new(),
            latency: Latency {
                order_ns: DEFAULT_LATENCY_NS,
                answer_ns: DEFAULT_LATENCY_NS,
            },
            fees: Fees {
                maker: DEFAULT_FEE,
                taker: DEFAULT_FEE,
            },
            allow_short: true,
            balance: Amount(1_000_000 * ONE),
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

/// What is known of a symbol beside its file; `None` where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SymbolSettings {
    /// As the exchange writes it: `BTCUSDT`.
    pub name: String,
    /// The base currency.
    pub base: Option<String>,
    /// The quote currency.
    pub quote: Option<String>,
    /// Prices are whole multiples of this.
    pub tick: Option<Step>,
    /// Sizes are whole multiples of this.
    pub lot: Option<Step>,
    /// Smallest price times size, at 8 decimal digits.
    pub min_notional: Option<Amount>,
}

impl SymbolSettings {
    /// What all entries of a symbol say together; the first that says something counts.
    pub(super) fn of(name: &str, entries: &[Self]) -> Self {
        let mut all = Self::default();
        for entry in entries.iter().filter(|entry| entry.name == name) {
            let entry = entry.clone();
            all = Self {
                name: entry.name,
                base: all.base.or(entry.base),
                quote: all.quote.or(entry.quote),
                tick: all.tick.or(entry.tick),
                lot: all.lot.or(entry.lot),
                min_notional: all.min_notional.or(entry.min_notional),
            };
        }
        all
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
    /// The terms of symbols that are known: BTCUSDT and ETHUSDT, as of 2024 to 2026.
    pub fn known(market: Market, name: &str) -> Option<Self> {
        let (tick, lot) = match (market, name) {
            (Market::Spot, "BTCUSDT") => (2, 5),
            (Market::Spot, "ETHUSDT") => (2, 4),
            (Market::UsdmFutures, "BTCUSDT") => (1, 3),
            (Market::UsdmFutures, "ETHUSDT") => (2, 3),
            _ => return None,
        };
        Some(Self::of_file(name, tick, lot))
    }

    /// Terms with tick and lot of one unit at these scales. The currencies are those of the name, empty if they can't be told.
    pub(super) fn of_file(name: &str, price_scale: u8, size_scale: u8) -> Self {
        let [tick, lot] = [price_scale, size_scale].map(|scale| Step { units: 1, scale });
        let mut terms = Self::of_steps(name, tick, lot);
        (terms.base, terms.quote) = Self::currencies(name).unwrap_or_default();
        terms.min_notional = Self::usual_min_notional(&terms.quote);
        terms
    }

    /// Terms with this tick and lot, and nothing else.
    pub(super) fn of_steps(name: &str, tick: Step, lot: Step) -> Self {
        Self {
            name: name.to_owned(),
            base: String::new(),
            quote: String::new(),
            price_scale: tick.scale,
            size_scale: lot.scale,
            tick: Price(tick.units),
            lot: Size(lot.units),
            min_notional: Amount(0),
        }
    }

    /// Splits a name into base and quote currency; `None` if it does not end in a quote currency that is known. The delivery
    /// date of a future, `BTCUSDT_240927`, is part of neither.
    pub(super) fn currencies(name: &str) -> Option<(String, String)> {
        let pair = name.split('_').next().unwrap_or(name);
        let split = |quote: &&'static str| {
            let base = pair.strip_suffix(quote).filter(|base| !base.is_empty())?;
            let bases = BASES_OF.iter().find(|(of, _)| of == quote);
            let is_one = bases.is_none_or(|(_, bases)| bases.contains(&base));
            is_one.then(|| (base.to_owned(), (*quote).to_owned()))
        };
        QUOTES.iter().find_map(split)
    }

    /// The smallest notional unless something else is known: 5 for quotes in dollars, else none.
    pub(super) fn usual_min_notional(quote: &str) -> Amount {
        Amount(if quote.contains("USD") { 5 * ONE } else { 0 })
    }

    pub(super) fn tick_step(&self) -> Step {
        Step {
            units: self.tick.0,
            scale: self.price_scale,
        }
    }

    pub(super) fn lot_step(&self) -> Step {
        Step {
            units: self.lot.0,
            scale: self.size_scale,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_its_quote_currency() {
        for (name, base, quote) in [
            ("BTCUSDT", "BTC", "USDT"),
            ("BTCFDUSD", "BTC", "FDUSD"),
            ("BTCPLN", "BTC", "PLN"),
            ("ETHBTC", "ETH", "BTC"),
            ("1000SHIBUSDT", "1000SHIB", "USDT"),
            ("BTCUSDT_240927", "BTC", "USDT"),
            ("USDTTRY", "USDT", "TRY"),
            ("ADAEUR", "ADA", "EUR"),
            ("GALAEUR", "GALA", "EUR"),
            ("BTCAEUR", "BTC", "AEUR"),
            ("AEURUSDT", "AEUR", "USDT"),
        ] {
            let split = SymbolTerms::currencies(name).unwrap();
            assert_eq!((split.0.as_str(), split.1.as_str()), (base, quote));
        }
        assert_eq!(SymbolTerms::currencies("BTCXYZ"), None);
        assert_eq!(SymbolTerms::currencies("USDT"), None);
    }

    #[test]
    fn what_several_sources_say_of_a_symbol_is_put_together() {
        let step = |text| Step::parse(text).unwrap();
        let entries = [
            SymbolSettings {
                name: "A".to_owned(),
                tick: step("0.1"),
                ..SymbolSettings::default()
            },
            SymbolSettings {
                name: "A".to_owned(),
                tick: step("0.2"),
                lot: step("3"),
                ..SymbolSettings::default()
            },
        ];
        let all = SymbolSettings::of("A", &entries);
        assert_eq!((all.tick, all.lot), (step("0.1"), step("3")));
        assert_eq!(SymbolSettings::of("B", &entries), SymbolSettings::default());
    }
}
