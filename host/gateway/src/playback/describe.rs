//! Faults of market data in the words and units of the market.

use crate::binance::{Contradiction, Level, Symbol, Top};

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
        Contradiction::Crossed { last_id, local } => format!(
            "at update {last_id} the book is crossed for more than one message: {}",
            top(local)
        ),
        Contradiction::IdsWentBack { last_id, got } => {
            format!("the update ids went back from {last_id} to {got} in a newer diff")
        }
        Contradiction::Silent { last_id } => format!(
            "quotes or trades went on for more than 3 s, and no depth diff followed update {last_id}"
        ),
        Contradiction::Unreadable => {
            "too many lines without a depth diff in between could not be read".to_owned()
        }
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
