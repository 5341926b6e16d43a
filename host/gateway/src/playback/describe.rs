//! Faults of market data in the words and units of the market.

use crate::binance::{Contradiction, Level, Symbol, Top};
use tickdeck_model::Timestamp;
use tickdeck_model::format::{date, grouped, time_of_day};

/// Diffs that are missing.
pub(super) fn gap(expected: u64, got: u64) -> String {
    match got > expected {
        true => format!(
            "depth diffs are missing: the book is at update {expected}, the next diff begins after {got}"
        ),
        false => format!(
            "a depth diff begins after update {got}, which the book has passed: it is at {expected}"
        ),
    }
}

/// A local time before that of an earlier line.
pub(super) fn went_back(time: Timestamp, from: Timestamp) -> String {
    let behind_ms = from.abs_diff(time).div_ceil(1_000_000);
    format!(
        "the local time went back to {} {} UTC, {} ms before an earlier line's; the line counts as of that time",
        date(time),
        time_of_day(time),
        grouped(behind_ms)
    )
}

/// What shows that a book is not the market's.
pub(super) fn describe(what: Contradiction, symbol: &Symbol) -> String {
    let top = |top: Top| shown(top, symbol);
    match what {
        Contradiction::Quotes {
            last_id,
            local,
            exchange,
        } => format!(
            "at update {last_id} the book has {}, and the exchange's own best quotes are {}",
            top(local),
            top(exchange)
        ),
        Contradiction::Snapshot {
            last_id,
            local,
            exchange,
        } => format!(
            "at update {last_id} the book has {}, and a snapshot of the same update {}",
            top(local),
            top(exchange)
        ),
        Contradiction::Crossed { last_id, local } => format!(
            "at update {last_id} the book is crossed for more than one message: {}",
            top(local)
        ),
        Contradiction::IdsWentBack { last_id, got } => {
            format!("the update ids went back from {last_id} to {got} in a newer diff")
        }
        Contradiction::Silent { last_id } => format!(
            "quotes or trades went on for more than 3 s, and the depth diffs stayed behind at update {last_id}"
        ),
        Contradiction::Behind { last_id, got } => format!(
            "the depth diffs, at update {got}, do not come near the snapshot of update {last_id}"
        ),
        Contradiction::Unproven { last_id } => format!(
            "depth diffs up to update {last_id} moved the best prices for more than 3 s, and no quote proved them"
        ),
        Contradiction::Unreadable { frames } => format!(
            "{frames} lines without a depth diff in between could not be read: {} may have changed",
            symbol.name
        ),
    }
}

/// A top as `bid 61837.63 x 3.78826, ask 61837.64 x 1.54698`.
pub(super) fn shown(top: Top, symbol: &Symbol) -> String {
    let level = |level: Option<Level>| match level {
        Some(level) => format!(
            "{} x {}",
            level.price.at(symbol.price_scale),
            level.size.at(symbol.size_scale)
        ),
        None => "nothing".to_owned(),
    };
    format!("bid {}, ask {}", level(top.bid), level(top.ask))
}
