//! Reads a capture from end to end and compares its books with the exchange's own best bid and ask.

use super::config::SymbolTerms;
use super::feed::{Feed, Seen};
use super::lines::{Lines, split};
use super::monitor::{LineProblem, PlaybackMonitor};
use crate::binance::{
    DecodeError, Decoder, Frame, Level, SyncStep, TimeUnit, Top, TopCheck, TopVerdict,
};
use crate::playback::symbols::read_symbols;
use serde::Serialize;
use std::path::Path;
use tickdeck_engine::port::GatewayError;
use tickdeck_model::{InstrumentId, Timestamp, VenueId};

/// Damaged lines and disagreements that are described; further ones are only counted.
const MAX_PROBLEMS: usize = 20;
/// The default of playback.
const AGREEMENTS: u32 = 20;

/// The contents of a capture, and whether it is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The file.
    pub file: String,
    /// Lines, damaged ones included.
    pub lines: u64,
    /// Depth diffs.
    pub depth_events: u64,
    /// Best bid and ask frames.
    pub book_tickers: u64,
    /// Public trades.
    pub trades: u64,
    /// REST snapshots.
    pub snapshots: u64,
    /// Frames of other kinds.
    pub ignored: u64,
    /// Lines that could not be read.
    pub damaged: u64,
    /// Depth diffs that repeated known ids.
    pub duplicates: u64,
    /// Gaps in the ids of the depth diffs.
    pub gaps: u64,
    /// Sizes of levels that were finer than the instrument's scale and cut down to it.
    pub cut_sizes: u64,
    /// Times the price moved beyond the known part of a book.
    pub beyond_snapshot: u64,
    /// Lines whose local time is before that of the previous line.
    pub time_went_back: u64,
    /// Depth diffs after which the top of a live book could be compared with the exchange's.
    #[serde(rename = "oracle_checked")]
    pub tops_checked: u64,
    /// Those of them after which both were equal.
    #[serde(rename = "oracle_agreed")]
    pub tops_agreed: u64,
    /// Local time of the first line, nanoseconds since 1970-01-01 UTC; 0 if there is none.
    pub first_ns: Timestamp,
    /// Local time of the last line; 0 if there is none.
    pub last_ns: Timestamp,
    /// The final state of each book.
    pub books: Vec<CheckedBook>,
    /// The first damaged lines and disagreements.
    pub problems: Vec<LineProblem>,
    /// Why the file could not be read to its end, if so.
    pub broken: Option<String>,
}

impl CheckReport {
    /// Whether the capture has no fault at all.
    pub fn is_clean(&self) -> bool {
        let faults = [
            self.damaged,
            self.gaps,
            self.time_went_back,
            self.tops_checked - self.tops_agreed,
        ];
        self.broken.is_none() && faults.iter().all(|count| *count == 0)
    }
}

/// A symbol's book at the end of a capture. Prices and sizes are decimals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckedBook {
    /// As the exchange writes it.
    pub symbol: String,
    /// Whether it is live.
    pub is_live: bool,
    /// Last update id; 0 if there was none.
    pub update_id: u64,
    /// Levels on both sides.
    pub levels: usize,
    /// Best bid: price and size.
    pub best_bid: Option<(String, String)>,
    /// Best ask: price and size.
    pub best_ask: Option<(String, String)>,
}

struct Check {
    symbols: Vec<SymbolTerms>,
    feed: Feed,
    top_checks: Vec<TopCheck>,
    report: CheckReport,
}

/// Checks a capture file.
///
/// # Errors
/// The file cannot be opened, or has no Binance frame near its start. If it breaks later, the report says so.
pub fn check(path: &Path) -> Result<CheckReport, GatewayError> {
    let file = read_symbols(path, &[], TimeUnit::default())?;
    let mut lines = Lines::open(path, &PlaybackMonitor::default())?;
    let decoder = Decoder::new(
        file.symbols.iter().map(SymbolTerms::symbol).collect(),
        TimeUnit::default(),
    );
    let ids: Vec<InstrumentId> = (0..).map(InstrumentId).take(file.symbols.len()).collect();
    let mut check = Check {
        top_checks: vec![TopCheck::default(); ids.len()],
        feed: Feed::new(decoder, &ids, VenueId(0), AGREEMENTS),
        symbols: file.symbols,
        report: CheckReport {
            file: lines.name().to_owned(),
            ..CheckReport::default()
        },
    };
    let mut events = Vec::new();
    loop {
        match lines.next() {
            Ok(Some(line)) => {
                events.clear();
                let problem = match split(line) {
                    Ok((at, json)) => {
                        check.report.see_time(at);
                        match check.feed.frame(at, json, &mut events) {
                            Ok(seen) => check.see(seen),
                            Err(DecodeError::Symbol { .. } | DecodeError::Kind { .. }) => {
                                check.report.ignored += 1;
                                None
                            }
                            Err(damage) => Some(check.report.damage(damage.to_string())),
                        }
                    }
                    Err(damage) => Some(check.report.damage(damage.to_owned())),
                };
                check.report.note(lines.number(), problem);
            }
            Ok(None) => break,
            Err(broken) => {
                check.report.broken = Some(broken.to_string());
                break;
            }
        }
    }
    check.report.lines = lines.number();
    Ok(check.finish(lines.number()))
}

impl CheckReport {
    fn see_time(&mut self, at: Timestamp) {
        if self.first_ns == 0 {
            self.first_ns = at;
        }
        self.time_went_back += u64::from(at < self.last_ns);
        self.last_ns = self.last_ns.max(at);
    }

    fn damage(&mut self, problem: String) -> String {
        self.damaged += 1;
        problem
    }

    fn note(&mut self, line: u64, problem: Option<String>) {
        if let Some(problem) = problem.filter(|_| self.problems.len() < MAX_PROBLEMS) {
            self.problems.push(LineProblem {
                file: self.file.clone(),
                line,
                problem,
            });
        }
    }

    fn count(&mut self, verdict: TopVerdict) -> Option<String> {
        match verdict {
            TopVerdict::Unchecked => None,
            TopVerdict::Agrees => {
                self.tops_checked += 1;
                self.tops_agreed += 1;
                None
            }
            TopVerdict::Differs {
                last_id,
                local,
                exchange,
            } => {
                self.tops_checked += 1;
                Some(format!(
                    "after depth id {last_id} the book's top is {local:?}, the exchange's {exchange:?}"
                ))
            }
        }
    }
}

impl Check {
    fn see(&mut self, seen: Seen) -> Option<String> {
        let report = &mut self.report;
        report.cut_sizes += seen.cut_sizes;
        let symbol = match seen.frame {
            Frame::Depth(update) => {
                report.depth_events += 1;
                update.symbol
            }
            Frame::BookTicker(ticker) => {
                report.book_tickers += 1;
                self.top_checks[ticker.symbol].ticker(&ticker);
                ticker.symbol
            }
            Frame::Trade(tick) => {
                report.trades += 1;
                tick.symbol
            }
            Frame::Snapshot(_) => {
                report.snapshots += 1;
                0
            }
        };
        let sync = self.feed.book(symbol);
        let mut problem = None;
        match seen.step {
            Some(SyncStep::Gap { expected, got }) => {
                report.gaps += 1;
                problem = Some(format!(
                    "gap in the depth ids: expected {expected}, got {got}"
                ));
            }
            Some(SyncStep::Duplicate) => report.duplicates += 1,
            Some(SyncStep::BeyondSnapshot) => report.beyond_snapshot += 1,
            Some(
                SyncStep::Applied | SyncStep::Kept | SyncStep::Synced(_) | SyncStep::SnapshotTooOld,
            )
            | None => {}
        }
        // A depth event has been taken in: by itself, or kept and then applied to a snapshot.
        let took_depth = match (seen.frame, seen.step) {
            (Frame::Depth(_), Some(SyncStep::Applied | SyncStep::BeyondSnapshot)) => true,
            (Frame::Snapshot(snapshot), Some(SyncStep::Synced(_))) => {
                sync.last_id() > Some(snapshot.last_id)
            }
            _ => false,
        };
        if let Some(last_id) = sync.last_id().filter(|_| took_depth && sync.is_live()) {
            self.top_checks[symbol].depth(last_id, Top::of_book(sync.book()));
        }
        while let Some(verdict) = self.top_checks[symbol].next_verdict() {
            problem = report.count(verdict).or(problem);
        }
        problem
    }

    fn finish(mut self, last_line: u64) -> CheckReport {
        for top_check in &mut self.top_checks {
            while let Some(verdict) = top_check.final_verdict() {
                let problem = self.report.count(verdict);
                self.report.note(last_line, problem);
            }
        }
        for (at, symbol) in self.symbols.iter().enumerate() {
            let sync = self.feed.book(at);
            let text = |level: Level| {
                let price = level.price.at(symbol.price_scale).to_string();
                (price, level.size.at(symbol.size_scale).to_string())
            };
            self.report.books.push(CheckedBook {
                symbol: symbol.name.clone(),
                is_live: sync.is_live(),
                update_id: sync.last_id().unwrap_or(0),
                levels: sync.book().len(),
                best_bid: sync.book().best_bid().map(text),
                best_ask: sync.book().best_ask().map(text),
            });
        }
        self.report
    }
}
