//! `tickdeck data check`: checks captures for gaps, and the book built from them against the exchange's own quotes.

use crate::exit::{DATA_BROKEN, DATA_FAULTS};
use crate::output::{note, print, print_json};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tickdeck_engine::port::GatewayError;
use tickdeck_gateway::playback::{CaptureVerdict, CheckReport, CheckedBook, check};
use tickdeck_model::Untrusted;
use tickdeck_model::format::{date, grouped, time_of_day};

/// Check recorded market data.
#[derive(Debug, Subcommand)]
pub(super) enum Data {
    Check(DataCheck),
}

impl Data {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Check(command) => command.run(),
        }
    }
}

/// Check captures: every line, the numbers of the order book's changes, and the book against the exchange's own best quotes.
///
/// The market (Spot or USD-M futures), the unit of the times and the digits of the numbers are read from the file. Exit code 0: every
/// file is complete. 4: parts of one are missing, damaged or contradictory. 5: one can't be read to its end. 1: one is no capture, or
/// can't be read at all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck data check btcusdt_20240808.gz
  tickdeck data check captures/*.gz --json")]
pub(super) struct DataCheck {
    /// Binance captures: plain, gzip or zstd
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object with one entry per file
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct DataFiles {
    /// The worst of the files.
    verdict: FileVerdict,
    files: Vec<DataFile>,
}

/// What a file is worth, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
enum FileVerdict {
    #[default]
    Complete,
    Faulty,
    Broken,
    Unreadable,
}

/// A capture.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DataFile {
    Checked(Box<CheckReport>),
    Unreadable {
        file: String,
        verdict: FileVerdict,
        error: String,
    },
}

impl FileVerdict {
    fn of(result: &Result<CheckReport, GatewayError>) -> Self {
        match result.as_ref().map(|report| report.verdict) {
            Ok(CaptureVerdict::Complete) => Self::Complete,
            Ok(CaptureVerdict::Faulty) => Self::Faulty,
            Ok(CaptureVerdict::Broken) => Self::Broken,
            Err(_) => Self::Unreadable,
        }
    }

    fn exit_code(self) -> ExitCode {
        match self {
            Self::Complete => ExitCode::SUCCESS,
            Self::Faulty => ExitCode::from(DATA_FAULTS),
            Self::Broken => ExitCode::from(DATA_BROKEN),
            Self::Unreadable => ExitCode::FAILURE,
        }
    }
}

impl DataCheck {
    fn run(self) -> Result<ExitCode> {
        let is_terminal = std::io::stderr().is_terminal();
        let mut output = DataFiles {
            verdict: FileVerdict::default(),
            files: Vec::new(),
        };
        for file in &self.files {
            if is_terminal {
                note(format!("checking {}", Untrusted::path(file)));
            }
            let result = check(file);
            let verdict = FileVerdict::of(&result);
            output.verdict = output.verdict.max(verdict);
            if !self.json {
                let apart = if output.files.is_empty() { "" } else { "\n" };
                print(&format!("{apart}{}", text(file, &result)))?;
            }
            output.files.push(match result {
                Ok(report) => DataFile::Checked(Box::new(report)),
                Err(error) => DataFile::Unreadable {
                    file: Untrusted::path(file).to_string(),
                    verdict,
                    error: error.to_string(),
                },
            });
        }
        if self.json {
            print_json(&output)?;
        }
        Ok(output.verdict.exit_code())
    }
}

fn text(file: &Path, result: &Result<CheckReport, GatewayError>) -> String {
    let report = match result {
        Ok(report) => report,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut text = format!(
        "{}: {}\n  {}, {} lines: {} depth, {} book tickers, {} trades, {} snapshots, {} of other kinds, {} damaged\n",
        Untrusted::path(file),
        verdict(report),
        report.market,
        grouped(report.lines),
        grouped(report.depth_events),
        grouped(report.book_tickers),
        grouped(report.trades),
        grouped(report.snapshots),
        grouped(report.ignored),
        grouped(report.damaged),
    );
    text += &format!(
        "  {} gaps, {} contradictions, {} lines back in time, {} duplicates; the book matched the exchange's best quotes {} of {} times\n",
        grouped(report.gaps),
        grouped(report.contradictions),
        grouped(report.time_went_back),
        grouped(report.duplicates),
        grouped(report.tops_agreed),
        grouped(report.tops_checked),
    );
    if report.first_ns != 0 {
        text += &format!(
            "  from {} {} to {} {} UTC\n",
            date(report.first_ns),
            time_of_day(report.first_ns),
            date(report.last_ns),
            time_of_day(report.last_ns),
        );
    }
    report
        .books
        .iter()
        .for_each(|book| text += &format!("  {}\n", ending(book)));
    for problem in &report.problems {
        text += &format!("  line {}: {}\n", problem.line, problem.problem);
    }
    text
}

fn verdict(report: &CheckReport) -> String {
    match (&report.broken, report.verdict) {
        (Some(broken), _) => format!("broken, {broken}"),
        (None, CaptureVerdict::Complete) => "complete".to_owned(),
        (None, _) => "has faults".to_owned(),
    }
}

fn ending(book: &CheckedBook) -> String {
    let level = |level: &Option<(String, String)>| match level {
        Some((price, size)) => format!("{price} x {size}"),
        None => "nothing".to_owned(),
    };
    let state = if book.is_live { "live" } else { "stale" };
    format!(
        "{} ends {state} at update {} with {} levels: bid {}, ask {}",
        book.symbol,
        book.update_id,
        grouped(book.levels as u64),
        level(&book.best_bid),
        level(&book.best_ask),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_stable_names() {
        let report = CheckReport {
            file: "a.gz".to_owned(),
            lines: 3,
            ..CheckReport::default()
        };
        let unreadable = DataFile::Unreadable {
            file: "b.gz".to_owned(),
            verdict: FileVerdict::Unreadable,
            error: "b.gz: is gone".to_owned(),
        };
        let files = DataFiles {
            verdict: FileVerdict::Unreadable,
            files: vec![DataFile::Checked(Box::new(report)), unreadable],
        };
        let text = serde_json::to_string(&files).unwrap();
        assert!(
            text.starts_with(r#"{"verdict":"unreadable","files":[{"file":"a.gz","verdict":"complete","market":"spot","lines":3,"depth_events":0,"#),
            "{text}"
        );
        assert!(
            text.ends_with(r#"{"file":"b.gz","verdict":"unreadable","error":"b.gz: is gone"}]}"#),
            "{text}"
        );
    }
}
