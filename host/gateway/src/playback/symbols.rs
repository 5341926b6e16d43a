//! Finds the market, the symbols and their terms in the heads of the files.
//!
//! Binance prints numbers with trailing zeros. The scales of a symbol are the digits that the head's numbers need once those are
//! cut, and no coarser than the tick and lot that the settings, an `exchangeInfo` or the known table give. A known tick or lot that
//! the file's prices or trades contradict is outdated, and the file's digits count. A later number that is finer still makes its
//! line a damaged one, whose message says so.

use super::config::{Market, PlaybackConfig, SymbolSettings, SymbolTerms};
use super::lines::{Lines, split};
use super::monitor::PlaybackMonitor;
use super::step::Step;
use crate::binance::{Decoder, Frame, Levels, Symbol};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tickdeck_engine::port::GatewayError;
use tickdeck_model::untrusted::printable;
use tickdeck_model::{Price, Size, Untrusted};

/// Lines read.
const HEAD_LINES: u64 = 5_000;
/// Bytes after which the head ends in any case: a few kilobytes of gzip can unpack to that many lines of maximum length.
const HEAD_BYTES: usize = 256 << 20;
/// Symbols of a file. Each has a book.
const MAX_SYMBOLS: usize = 4_096;
/// Bytes of a symbol's name.
const MAX_NAME: usize = 64;
/// Digits Binance prints at most.
const PRINTED_SCALE: u8 = 8;
/// Scales at which sizes are tried.
const HEAD_SCALES: [u8; 3] = [PRINTED_SCALE, 4, 0];
/// One level in so many may be finer than the lot: a remainder of an old order.
const DUST_ONE_IN: u64 = 100;

/// The head of a capture file.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) path: PathBuf,
    /// Length on disk.
    pub(super) bytes: u64,
    pub(super) market: Market,
    /// In order of first appearance.
    pub(super) symbols: Vec<FoundSymbol>,
}

/// A symbol, and the digits of its numbers.
#[derive(Debug, Clone)]
pub(super) struct FoundSymbol {
    pub(super) name: String,
    price_digits: u8,
    /// Digits of the finest size of a trade.
    trade_digits: u8,
    /// How many levels have a size of so many digits.
    levels: [u64; PRINTED_SCALE as usize + 1],
}

impl FoundSymbol {
    fn new(name: String) -> Self {
        Self {
            name,
            price_digits: 0,
            trade_digits: 0,
            levels: [0; PRINTED_SCALE as usize + 1],
        }
    }

    /// Takes in a frame whose sizes were read at `scale`.
    fn see(&mut self, frame: &Frame, levels: &Levels, scale: u8) {
        match frame {
            Frame::Trade(trade) => {
                self.price_digits = self.price_digits.max(digits(trade.price.0, PRINTED_SCALE));
                self.trade_digits = self.trade_digits.max(digits(trade.size.0, scale));
            }
            Frame::BookTicker(ticker) => {
                let sides = [ticker.bid, ticker.ask];
                sides
                    .iter()
                    .for_each(|(price, size)| self.see_level(*price, *size, scale));
            }
            Frame::Depth(_) | Frame::Snapshot(_) => {
                let levels = levels.bids.iter().chain(&levels.asks);
                levels.for_each(|(price, size)| self.see_level(*price, *size, scale));
            }
        }
    }

    fn see_level(&mut self, price: Price, size: Size, scale: u8) {
        self.price_digits = self.price_digits.max(digits(price.0, PRINTED_SCALE));
        self.levels[usize::from(digits(size.0, scale))] += 1;
    }

    /// Takes in what another file shows of the same symbol.
    fn merge(&mut self, other: &Self) {
        self.price_digits = self.price_digits.max(other.price_digits);
        self.trade_digits = self.trade_digits.max(other.trade_digits);
        for (count, more) in self.levels.iter_mut().zip(other.levels) {
            *count += more;
        }
    }

    /// The digits of sizes that orders leave, as opposed to dust.
    fn size_digits(&self) -> u8 {
        let all: u64 = self.levels.iter().sum();
        let mut finer = all;
        let digits = (0..=PRINTED_SCALE).find(|digits| {
            finer -= self.levels[usize::from(*digits)];
            finer <= all / DUST_ONE_IN
        });
        digits.unwrap_or(PRINTED_SCALE).max(self.trade_digits)
    }

    /// The terms, apart from what is known: for reading a file that nobody trades on.
    pub(super) fn terms(&self, market: Market) -> SymbolTerms {
        let nothing = SymbolSettings::default();
        let terms = self.terms_with(market, &nothing, &nothing);
        terms.unwrap_or_else(|_| {
            SymbolTerms::of_file(&self.name, self.price_digits, self.size_digits())
        })
    }

    /// The terms by the settings, what the exchange publishes, the known table and the file.
    fn terms_with(
        &self,
        market: Market,
        settings: &SymbolSettings,
        published: &SymbolSettings,
    ) -> Result<SymbolTerms, String> {
        let table = SymbolTerms::known(market, &self.name);
        let table_steps = table.map(|terms| (terms.tick_step(), terms.lot_step()));
        let (table_tick, table_lot) = table_steps.unzip();
        let tick = finest(
            "prices",
            "tick",
            self.price_digits,
            settings.tick,
            [published.tick, table_tick],
        )?;
        let known_lots = [published.lot, table_lot];
        let is_known = settings.lot.is_some() || known_lots.iter().any(Option::is_some);
        let size_digits = match is_known {
            true => self.trade_digits,
            false => self.size_digits(),
        };
        let lot = finest(
            "sizes of trades",
            "lot",
            size_digits,
            settings.lot,
            known_lots,
        )?;
        let mut terms = SymbolTerms::of_steps(&self.name, tick, lot);
        let base = settings.base.clone().or(published.base.clone());
        let quote = settings.quote.clone().or(published.quote.clone());
        (terms.base, terms.quote) = match (base, quote, SymbolTerms::currencies(&self.name)) {
            (Some(base), Some(quote), _) => (base, quote),
            (base, quote, Some(found)) => (base.unwrap_or(found.0), quote.unwrap_or(found.1)),
            (_, _, None) => {
                return Err(format!(
                    "the currencies of {name} are not known: name them in the settings of the venue, \
                     [venue.symbols.{name}] with base = \"...\" and quote = \"...\", or set exchange_info to a file with \
                     Binance's answer of /api/v3/exchangeInfo",
                    name = self.name
                ));
            }
        };
        terms.min_notional = settings
            .min_notional
            .or(published.min_notional)
            .unwrap_or_else(|| SymbolTerms::usual_min_notional(&terms.quote));
        Ok(terms)
    }
}

/// The step by the settings, which must fit the file; else the first known one that fits; else one unit of the file's digits.
fn finest(
    what: &str,
    key: &str,
    digits: u8,
    set: Option<Step>,
    known: [Option<Step>; 2],
) -> Result<Step, String> {
    if let Some(set) = set.filter(|set| set.scale < digits) {
        return Err(format!(
            "its {what} have {digits} decimal digits, and `{key}` of the symbol in the settings is {set}: correct it or leave it out"
        ));
    }
    let mut known = known.into_iter().flatten();
    Ok(set
        .or_else(|| known.find(|known| known.scale >= digits))
        .unwrap_or(Step {
            units: 1,
            scale: digits,
        }))
}

/// Determines the terms of every symbol of the files, in order of first appearance.
///
/// # Errors
/// Files of different markets, or the settings contradict a file or say too little.
pub(super) fn terms_of(
    heads: &[Head],
    config: &PlaybackConfig,
) -> Result<Vec<SymbolTerms>, GatewayError> {
    let [first, others @ ..] = heads else {
        return Ok(Vec::new());
    };
    let problem = |head: &Head, problem: String| GatewayError::Source {
        source_name: Untrusted::path(&head.path).to_string(),
        problem,
    };
    if let Some(other) = others.iter().find(|other| other.market != first.market) {
        return Err(problem(
            other,
            format!(
                "is of {}, and {} of {}: play them as two venues",
                other.market,
                Untrusted::path(&first.path),
                first.market
            ),
        ));
    }
    let mut found: Vec<(&Head, FoundSymbol)> = Vec::new();
    for head in heads {
        for symbol in &head.symbols {
            match found
                .iter_mut()
                .find(|(_, found)| found.name == symbol.name)
            {
                Some((_, found)) => found.merge(symbol),
                None => found.push((head, symbol.clone())),
            }
        }
    }
    let terms = |(head, found): &(&Head, FoundSymbol)| {
        let settings = SymbolSettings::of(&found.name, &config.symbols);
        let published = SymbolSettings::of(&found.name, &config.published);
        found
            .terms_with(first.market, &settings, &published)
            .map_err(|why| problem(head, why))
    };
    found.iter().map(terms).collect()
}

/// Reads the head of a file.
///
/// # Errors
/// The file cannot be read, or has no frame there.
pub(super) fn read_head(path: &Path) -> Result<Head, GatewayError> {
    let problem = |problem: String| GatewayError::Source {
        source_name: Untrusted::path(path).to_string(),
        problem,
    };
    let bytes = std::fs::metadata(path)
        .map_err(|error| problem(format!("cannot be read: {error}")))?
        .len();
    let mut lines = Lines::open(path, &PlaybackMonitor::default())?;
    let mut head = Head {
        path: path.to_owned(),
        bytes,
        market: Market::Spot,
        symbols: Vec::new(),
    };
    // The first line that is not a frame, and why.
    let mut damage = None;
    let mut levels = Levels::default();
    let mut read = 0;
    while lines.number() < HEAD_LINES && read < HEAD_BYTES && head.symbols.len() <= MAX_SYMBOLS {
        // A file broken within its head still plays up to there.
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(broken) => {
                damage = damage.or(Some(broken.to_string()));
                break;
            }
        };
        read += line.len();
        match split(line) {
            Ok((_, json)) => head.see(json, &mut levels),
            Err(why) => damage = damage.or(Some(format!("line {}: {why}", lines.number()))),
        }
    }
    if head.symbols.is_empty() {
        let damage = damage.map_or_else(String::new, |why| format!("; {why}"));
        return Err(problem(format!(
            "no depthUpdate, bookTicker or trade frame within {HEAD_LINES} lines of the form `<local time> <json>`{damage}"
        )));
    }
    if head.symbols.len() > MAX_SYMBOLS {
        return Err(problem(format!(
            "more than {MAX_SYMBOLS} symbols within {HEAD_LINES} lines: record fewer in a file"
        )));
    }
    Ok(head)
}

impl Head {
    /// Takes in a frame, if it is one.
    fn see(&mut self, json: &[u8], levels: &mut Levels) {
        let Some(tag) = Tag::read(json) else {
            return;
        };
        if tag.is_futures() {
            self.market = Market::UsdmFutures;
        }
        let Some(name) = tag.symbol.filter(|name| is_name(name)) else {
            // A snapshot; which symbol it is of is not known yet.
            return;
        };
        // Sizes of tokens of which there are trillions have no room for the digits that they don't need.
        let read = HEAD_SCALES.iter().find_map(|scale| {
            let symbol = Symbol {
                name: name.to_owned(),
                price_scale: PRINTED_SCALE,
                size_scale: *scale,
            };
            let frame = Decoder::new(vec![symbol]).decode(json, levels).ok()?;
            Some((frame, *scale))
        });
        let Some((frame, scale)) = read else {
            return;
        };
        let at = self.symbols.iter().position(|found| found.name == name);
        let at = at.unwrap_or_else(|| {
            self.symbols.push(FoundSymbol::new(name.to_owned()));
            self.symbols.len() - 1
        });
        self.symbols[at].see(&frame, levels, scale);
    }
}

/// What of a frame shows its symbol and its market.
#[derive(Default, Deserialize)]
struct Tag<'a> {
    #[serde(rename = "s", borrow)]
    symbol: Option<&'a str>,
    #[serde(rename = "e", borrow)]
    event: Option<&'a str>,
    #[serde(rename = "pu")]
    previous_id: Option<u64>,
    #[serde(rename = "X", borrow)]
    trade_kind: Option<&'a str>,
}

impl<'a> Tag<'a> {
    fn read(json: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Combined<'a> {
            #[serde(borrow)]
            data: Tag<'a>,
        }
        let combined: Option<Combined<'a>> = serde_json::from_slice(json).ok();
        match combined {
            Some(combined) => Some(combined.data),
            None => serde_json::from_slice(json).ok(),
        }
    }

    /// Whether it is a frame as only futures have it: a diff that names the one before, a trade with its kind, or a best bid and
    /// ask with an event name.
    fn is_futures(&self) -> bool {
        match self.event {
            Some("depthUpdate") => self.previous_id.is_some(),
            Some("trade") => self.trade_kind.is_some(),
            Some("bookTicker") => true,
            _ => false,
        }
    }
}

/// Whether a name may be an exchange's name for a symbol. It becomes part of the deck's names.
fn is_name(name: &str) -> bool {
    let allowed = |char: char| char.is_alphanumeric() || char == '-' || char == '_';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed) && printable(name) == name
}

/// Decimal digits that a number at a scale needs.
fn digits(units: i64, scale: u8) -> u8 {
    let mut digits = if units == 0 { 0 } else { scale };
    let mut units = units;
    while digits > 0 && units % 10 == 0 {
        units /= 10;
        digits -= 1;
    }
    digits
}
