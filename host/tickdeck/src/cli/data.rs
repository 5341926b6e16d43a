//! `tickdeck data check`: checks captures for gaps, and the book built from them against the exchange's own quotes.

use crate::output::{note, print, print_json};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tickdeck_engine::port::GatewayError;
use tickdeck_gateway::playback::{CheckReport, CheckedBook, check};
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

/// Check captures for gaps and duplicates, and the order book against the exchange's best quotes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck data check btcusdt_20240808.gz
  tickdeck data check captures/*.gz --json")]
pub(super) struct DataCheck {
    /// Binance captures, gzip or plain
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object with one entry per file
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct DataFiles {
    files: Vec<DataFile>,
}

/// A capture.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DataFile {
    Checked(Box<CheckReport>),
    Unreadable { file: String, error: String },
}

impl DataCheck {
    fn run(self) -> Result<ExitCode> {
        let is_terminal = std::io::stderr().is_terminal();
        let (mut output, mut failed) = (DataFiles { files: Vec::new() }, false);
        for file in &self.files {
            if is_terminal {
                note(format!("checking {}", Untrusted::path(file)));
            }
            let result = check(file);
            failed |= result
                .as_ref()
                .map_or(true, |report| report.broken.is_some());
            if !self.json {
                print(&text(file, &result))?;
            }
            output.files.push(match result {
                Ok(report) => DataFile::Checked(Box::new(report)),
                Err(error) => DataFile::Unreadable {
                    file: Untrusted::path(file).to_string(),
                    error: error.to_string(),
                },
            });
        }
        if self.json {
            print_json(&output)?;
        }
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn text(file: &Path, result: &Result<CheckReport, GatewayError>) -> String {
    let report = match result {
        Ok(report) => report,
        Err(error) => return format!("error: {error}\n\n"),
    };
    let mut text = format!(
        "{}: {}\n  {} lines: {} depth, {} book tickers, {} trades, {} snapshots, {} of other kinds, {} damaged\n",
        Untrusted::path(file),
        verdict(report),
        grouped(report.lines),
        grouped(report.depth_events),
        grouped(report.book_tickers),
        grouped(report.trades),
        grouped(report.snapshots),
        grouped(report.ignored),
        grouped(report.damaged),
    );
    text += &format!(
        "  {} gaps, {} duplicates; the book matched the exchange {} of {} times\n",
        grouped(report.gaps),
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
    text + "\n"
}

fn verdict(report: &CheckReport) -> String {
    match &report.broken {
        Some(broken) => format!("broken, {broken}"),
        None if report.is_clean() => "complete".to_owned(),
        None => "has faults".to_owned(),
    }
}

fn ending(book: &CheckedBook) -> String {
    let level = |level: &Option<(String, String)>| match level {
        Some((price, size)) => format!("{price} x {size}"),
        None => "nothing".to_owned(),
    };
    let state = if book.is_live {
        "complete"
    } else {
        "incomplete"
    };
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
            error: "b.gz: is gone".to_owned(),
        };
        let files = DataFiles {
            files: vec![DataFile::Checked(Box::new(report)), unreadable],
        };
        let text = serde_json::to_string(&files).unwrap();
        assert!(
            text.starts_with(r#"{"files":[{"file":"a.gz","lines":3,"depth_events":0,"#),
            "{text}"
        );
        assert!(
            text.ends_with(r#"{"file":"b.gz","error":"b.gz: is gone"}]}"#),
            "{text}"
        );
    }
}
