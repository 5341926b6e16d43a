//! Finds the symbols of a file, and their scales, in its head.
//!
//! Binance prints every number with eight decimal digits. A symbol that is neither configured nor known gets the scales
//! that the head's numbers need once trailing zeros are cut, and a tick and lot of one unit at them. A later number
//! that is finer makes its line a damaged one, whose message says so: then configure the symbol.

use super::config::SymbolTerms;
use super::lines::{Lines, split};
use super::monitor::PlaybackMonitor;
use crate::binance::{Decoder, Frame, Levels, Symbol, TimeUnit};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tickdeck_engine::port::GatewayError;
use tickdeck_model::Untrusted;
use tickdeck_model::untrusted::{printable, quoted};

/// Bytes of the symbol of an instrument.
const MAX_SYMBOL: usize = 64;

/// Lines read.
const HEAD_LINES: u64 = 5_000;
/// Bytes after which the head ends in any case: a few kilobytes of gzip can unpack to that many lines of maximum length.
const HEAD_BYTES: usize = 256 << 20;
/// Symbols of a file. Each has a book.
const MAX_SYMBOLS: usize = 4_096;
/// Bytes of a symbol's name.
const MAX_NAME: usize = 64;
/// Digits Binance prints.
const PRINTED_SCALE: u8 = 8;

/// A capture file and its symbols.
#[derive(Debug, Clone)]
pub(super) struct CaptureFile {
    pub(super) path: PathBuf,
    /// Length on disk.
    pub(super) bytes: u64,
    /// In order of first appearance.
    pub(super) symbols: Vec<SymbolTerms>,
}

/// The head of a file.
struct Head {
    found: Vec<Found>,
    /// The first line that is not a frame, and why.
    damage: Option<(u64, String)>,
}

#[derive(Debug)]
struct Found {
    name: String,
    price_scale: u8,
    size_scale: u8,
}

/// Reads the head of a file.
///
/// # Errors
/// The file cannot be read, has no frame there, or the currencies of a symbol cannot be derived from its name.
pub(super) fn read_symbols(
    path: &Path,
    configured: &[SymbolTerms],
    time_unit: TimeUnit,
) -> Result<CaptureFile, GatewayError> {
    let problem = |problem: String| GatewayError::Source {
        source_name: Untrusted::path(path).to_string(),
        problem,
    };
    let bytes = std::fs::metadata(path)
        .map_err(|error| problem(format!("cannot be read: {error}")))?
        .len();
    let Head { found, damage } = read_head(path, time_unit)?;
    if found.is_empty() {
        let damage = damage.map_or_else(String::new, |(line, why)| format!("; line {line}: {why}"));
        return Err(problem(format!(
            "no depthUpdate, bookTicker or trade frame within {HEAD_LINES} lines of the form `<local nanoseconds> <json>`{damage}"
        )));
    }
    if found.len() > MAX_SYMBOLS {
        return Err(problem(format!(
            "more than {MAX_SYMBOLS} symbols within {HEAD_LINES} lines: record fewer in a file"
        )));
    }
    let terms = |found: &Found| {
        let configured = configured
            .iter()
            .find(|terms| terms.name == found.name)
            .cloned();
        configured
            .or_else(|| SymbolTerms::known(&found.name))
            .or_else(|| SymbolTerms::of_scales(&found.name, found.price_scale, found.size_scale))
            .ok_or_else(|| {
                problem(format!(
                    "the currencies of {} are not known; configure the symbol",
                    quoted(&found.name)
                ))
            })
    };
    let symbols = found.iter().map(terms).collect::<Result<_, _>>()?;
    Ok(CaptureFile {
        path: path.to_owned(),
        bytes,
        symbols,
    })
}

fn read_head(path: &Path, time_unit: TimeUnit) -> Result<Head, GatewayError> {
    let mut lines = Lines::open(path, &PlaybackMonitor::default())?;
    let mut found: Vec<Found> = Vec::new();
    let mut damage = None;
    let mut levels = Levels::default();
    let (mut bytes, mut number) = (0, 0);
    while number < HEAD_LINES && bytes < HEAD_BYTES && found.len() <= MAX_SYMBOLS {
        // A file broken within its head still plays up to there.
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(broken) => {
                damage = damage.or(Some((number + 1, broken.to_string())));
                break;
            }
        };
        number += 1;
        bytes += line.len();
        let json = match split(line) {
            Ok((_, json)) => json,
            Err(why) => {
                damage = damage.or(Some((number, why.to_owned())));
                continue;
            }
        };
        let Some(name) = symbol_of(json).filter(|name| is_symbol(name)) else {
            continue;
        };
        let symbol = Symbol {
            name: name.clone(),
            price_scale: PRINTED_SCALE,
            size_scale: PRINTED_SCALE,
        };
        let Ok(frame) = Decoder::new(vec![symbol], time_unit).decode(json, &mut levels) else {
            continue;
        };
        let at = found
            .iter()
            .position(|found| found.name == name)
            .unwrap_or_else(|| {
                found.push(Found {
                    name,
                    price_scale: 0,
                    size_scale: 0,
                });
                found.len() - 1
            });
        widen(&mut found[at], &frame, &levels);
    }
    Ok(Head { found, damage })
}

/// Whether a text can be the symbol of an instrument: short, and what it looks like.
fn is_symbol(name: &str) -> bool {
    (1..=MAX_SYMBOL).contains(&name.len()) && printable(name) == name
}

/// The symbol a frame names.
fn symbol_of(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        s: Option<&'a str>,
        #[serde(borrow)]
        data: Option<Inner<'a>>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        s: Option<&'a str>,
    }
    let named: Named<'_> = serde_json::from_slice(json).ok()?;
    let name = named.s.or(named.data.and_then(|data| data.s));
    name.filter(|name| is_name(name)).map(str::to_owned)
}

/// Whether a name may be an exchange's name for a symbol. It becomes part of the deck's names.
fn is_name(name: &str) -> bool {
    let allowed = |char: char| char.is_alphanumeric() || char == '-' || char == '_';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed)
}

fn widen(found: &mut Found, frame: &Frame, levels: &Levels) {
    let mut see = |price: i64, size: i64| {
        found.price_scale = found.price_scale.max(digits(price));
        found.size_scale = found.size_scale.max(digits(size));
    };
    match frame {
        Frame::Trade(trade) => see(trade.price.0, trade.size.0),
        Frame::BookTicker(ticker) => [ticker.bid, ticker.ask]
            .iter()
            .for_each(|(price, size)| see(price.0, size.0)),
        Frame::Depth(_) | Frame::Snapshot(_) => {
            levels
                .bids
                .iter()
                .chain(&levels.asks)
                .for_each(|(price, size)| see(price.0, size.0));
        }
    }
}

/// Decimal digits that a number at the printed scale needs.
fn digits(units: i64) -> u8 {
    let mut digits = if units == 0 { 0 } else { PRINTED_SCALE };
    let mut units = units;
    while digits > 0 && units % 10 == 0 {
        units /= 10;
        digits -= 1;
    }
    digits
}
