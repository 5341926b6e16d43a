//! Reads a capture from end to end and compares its books with the exchange's own best bid and ask.

use super::config::{Market, SymbolTerms};
use super::describe::{describe, gap, went_back};
use super::feed::{Feed, Read, Seen, Source};
use super::lines::{Lines, split};
use super::monitor::{Fault, LineProblem, PlaybackMonitor};
use super::symbols::read_head;
use crate::binance::{Decoder, Frame, Level, SyncStep, Top, TopCheck, TopVerdict};
use serde::Serialize;
use std::path::Path;
use tickdeck_engine::port::GatewayError;
use tickdeck_model::{Event, InstrumentId, Timestamp, VenueId};

/// The default of playback.
const AGREEMENTS: u32 = 20;

/// The contents of a capture, and whether it is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The file.
    pub file: String,
    /// What it is worth.
    pub verdict: CaptureVerdict,
    /// The market that it is of.
    pub market: Market,
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
    /// Times a book contradicted itself or the exchange's own quotes. The book is stale from there until it is proven again.
    pub contradictions: u64,
    /// Sizes of levels that were finer than the instrument's scale and cut down to it.
    pub cut_sizes: u64,
    /// Times the price moved beyond the known part of a book: beyond its snapshot, or, where there was none, to a level that no
    /// diff had named. That is no fault of the capture.
    pub beyond_known: u64,
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
    /// The first faults.
    pub problems: Vec<LineProblem>,
    /// Why the file could not be read to its end, if so.
    pub broken: Option<String>,
}

/// What a capture is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureVerdict {
    /// It has no fault.
    #[default]
    Complete,
    /// It can be played, and parts of it are missing, damaged or contradictory.
    Faulty,
    /// It can't be read to its end.
    Broken,
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
    source: Source,
    feed: Feed,
    top_checks: Vec<TopCheck>,
    report: CheckReport,
}

/// Checks a capture file.
///
/// # Errors
/// The file cannot be opened, or has no Binance frame near its start. If it breaks later, the report says so.
pub fn check(path: &Path) -> Result<CheckReport, GatewayError> {
    let head = read_head(path)?;
    let mut lines = Lines::open(path, &PlaybackMonitor::default())?;
    // Nobody trades here, so nothing but the file decides on its scales.
    let found = head.symbols.iter();
    let symbols: Vec<SymbolTerms> = found.map(|found| found.terms(head.market)).collect();
    let decoder = Decoder::new(symbols.iter().map(SymbolTerms::symbol).collect());
    let source = Source::new(decoder, (0..symbols.len()).collect());
    let ids: Vec<InstrumentId> = (0..).map(InstrumentId).take(symbols.len()).collect();
    let mut check = Check {
        top_checks: vec![TopCheck::default(); ids.len()],
        feed: Feed::new(&ids, VenueId(0), AGREEMENTS),
        source,
        symbols,
        report: CheckReport {
            file: lines.name().to_owned(),
            market: head.market,
            ..CheckReport::default()
        },
    };
    let mut events = Vec::new();
    loop {
        match lines.next() {
            Ok(Some(line)) => {
                events.clear();
                check.line(line, &mut events);
            }
            Ok(None) => break,
            Err(broken) => {
                check.report.broken = Some(broken.to_string());
                break;
            }
        }
    }
    Ok(check.finish())
}

impl CheckReport {
    fn see_time(&mut self, at: Timestamp) {
        if self.first_ns == 0 {
            self.first_ns = at;
        }
        if at < self.last_ns {
            self.note(Fault::TimeWentBack, went_back(at, self.last_ns));
        }
        self.last_ns = self.last_ns.max(at);
    }

    /// Counts and describes a fault of the newest line.
    fn note(&mut self, fault: Fault, problem: String) {
        let count = match fault {
            Fault::Damaged => &mut self.damaged,
            Fault::Gap => &mut self.gaps,
            Fault::Contradiction => &mut self.contradictions,
            Fault::TimeWentBack => &mut self.time_went_back,
        };
        *count += 1;
        if *count <= fault.most_described() {
            self.problems.push(LineProblem {
                file: self.file.clone(),
                line: self.lines,
                problem,
            });
        }
    }

    fn count(&mut self, verdict: TopVerdict) {
        self.tops_checked += u64::from(verdict != TopVerdict::Unchecked);
        self.tops_agreed += u64::from(verdict == TopVerdict::Agrees);
    }

    /// The verdict by everything that was found.
    fn judge(&self) -> CaptureVerdict {
        let faults = [
            self.damaged,
            self.gaps,
            self.contradictions,
            self.time_went_back,
        ];
        match (&self.broken, faults.iter().all(|count| *count == 0)) {
            (Some(_), _) => CaptureVerdict::Broken,
            (None, false) => CaptureVerdict::Faulty,
            (None, true) => CaptureVerdict::Complete,
        }
    }
}

impl Check {
    /// Takes in a line.
    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let report = &mut self.report;
        report.lines += 1;
        let json = split(line).map(|(at, json)| {
            report.see_time(at);
            json
        });
        match (self.feed).line(&self.source, report.last_ns, line, json, events) {
            Read::Seen(seen) => self.see(seen),
            Read::Other => report.ignored += 1,
            Read::Damaged {
                problem,
                contradiction,
            } => {
                report.note(Fault::Damaged, problem);
                if let Some(why) = contradiction {
                    report.note(Fault::Contradiction, why);
                }
            }
        }
    }

    fn see(&mut self, seen: Seen) {
        let report = &mut self.report;
        report.cut_sizes += seen.cut_sizes;
        match seen.frame {
            Frame::Depth(_) => report.depth_events += 1,
            Frame::BookTicker(ticker) => {
                report.book_tickers += 1;
                self.top_checks[seen.book].ticker(&ticker);
            }
            Frame::Trade(_) => report.trades += 1,
            Frame::Snapshot(_) => report.snapshots += 1,
        }
        let sync = self.feed.book(seen.book);
        match seen.step {
            Some(SyncStep::Gap { expected, got }) => {
                report.note(Fault::Gap, gap(expected, got));
            }
            Some(SyncStep::Contradicted(what)) => {
                let symbol = self.source.symbol(&seen.frame);
                report.note(Fault::Contradiction, describe(what, symbol));
            }
            Some(SyncStep::Duplicate) => report.duplicates += 1,
            Some(SyncStep::BeyondKnown) => report.beyond_known += 1,
            Some(
                SyncStep::Applied | SyncStep::Kept | SyncStep::Synced(_) | SyncStep::SnapshotUnused,
            )
            | None => {}
        }
        // A depth event has been taken in: by itself, or kept and then applied to a snapshot.
        let last_id = sync.last_id().filter(|_| sync.is_live());
        let took_depth = match seen.frame {
            Frame::Depth(update) => {
                last_id == Some(update.last_id) && seen.step != Some(SyncStep::Duplicate)
            }
            Frame::Snapshot(snapshot) => {
                let is_synced = matches!(seen.step, Some(SyncStep::Synced(_)));
                is_synced && last_id > Some(snapshot.last_id)
            }
            Frame::BookTicker(_) | Frame::Trade(_) => false,
        };
        if let Some(last_id) = last_id.filter(|_| took_depth) {
            self.top_checks[seen.book].depth(last_id, Top::of_book(sync.book()));
        }
        while let Some(verdict) = self.top_checks[seen.book].next_verdict() {
            report.count(verdict);
        }
    }

    fn finish(mut self) -> CheckReport {
        for top_check in &mut self.top_checks {
            while let Some(verdict) = top_check.final_verdict() {
                self.report.count(verdict);
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
        self.report.verdict = self.report.judge();
        self.report
    }
}
