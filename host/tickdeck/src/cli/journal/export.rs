//! `tickdeck journal export`: exports a run as tables.

use crate::cli::progress::Progress;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{print, print_json};
use crate::text_table::aligned;
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_engine::CancelToken;
use tickdeck_model::Untrusted;
use tickdeck_model::format::{bytes, grouped};
use tickdeck_recording::rows::{ExportRequest, Exported, export};
use tickdeck_recording::{DataReels, SeekTo};

/// Export a run as tables, one file each, for DuckDB, Polars, pandas or a spreadsheet.
///
/// Prices, sizes and amounts are exact decimals; times are in UTC with nanoseconds. docs/JOURNAL.md describes the tables.
/// Files are written atomically: an interrupted export leaves no partial file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal export
  tickdeck journal export tape --format csv --out tables
  tickdeck journal export --run 2 --from 2024-08-08T16:00 --until 2024-08-08T17:00 --json
  duckdb -c \"select instrument, sum(price * size) from 'export-000001/trades.parquet' group by 1\"")]
pub(crate) struct Export {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Format of the files
    #[arg(long, value_enum, default_value_t = Format::Parquet)]
    format: Format,
    /// Number of the run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Folder to write to [default: export-NUMBER, with the run's number]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start at this event: its sequence, or a time in UTC
    #[arg(long, value_name = "TIME|SEQUENCE")]
    from: Option<SeekTo>,
    /// Stop before this event
    #[arg(long, value_name = "TIME|SEQUENCE")]
    until: Option<SeekTo>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Parquet,
    Csv,
    Jsonl,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Outcome {
    run: u32,
    events: u64,
    #[serde(rename = "deeds")]
    effects: u64,
    bytes: u64,
    /// Size of the run's reels.
    reel_bytes: u64,
    files: Vec<FileOut>,
}

#[derive(Debug, Serialize)]
struct FileOut {
    file: String,
    rows: u64,
    bytes: u64,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let run = DataReels::in_folder(&self.folder).run(self.run)?;
        let out = self
            .out
            .unwrap_or_else(|| PathBuf::from(format!("export-{:06}", run.number)));
        let wanted = ExportRequest {
            format: match self.format {
                Format::Parquet => tickdeck_tables::Format::Parquet,
                Format::Csv => tickdeck_tables::Format::Csv,
                Format::Jsonl => tickdeck_tables::Format::JsonLines,
            },
            from: self.from,
            until: self.until,
        };
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut progress = Progress::new(format!("exporting run {}", run.number));
        let exported = export(&run, wanted, &out, &stop, &mut |done, total| {
            progress.of(done, total)
        })?;
        drop(progress);
        let Some(exported) = exported else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let outcome = outcome(&exported, run.number, run.bytes()?);
        if self.json {
            print_json(&outcome)?;
        } else {
            print(&text(&outcome))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn outcome(exported: &Exported, run: u32, reel_bytes: u64) -> Outcome {
    let files = exported.files.iter().map(|(file, rows, bytes)| FileOut {
        file: Untrusted::path(file).to_string(),
        rows: *rows,
        bytes: *bytes,
    });
    Outcome {
        run,
        events: exported.events,
        effects: exported.effects,
        bytes: exported.files.iter().map(|(_, _, bytes)| bytes).sum(),
        reel_bytes,
        files: files.collect(),
    }
}

fn text(outcome: &Outcome) -> String {
    let rows: Vec<[String; 3]> = outcome
        .files
        .iter()
        .map(|file| [file.file.clone(), grouped(file.rows), bytes(file.bytes)])
        .collect();
    let share = outcome.bytes as f64 / outcome.reel_bytes.max(1) as f64;
    aligned(&["<file", "rows", "size"], &rows)
        + &format!(
            "run {}: {} events, {} in total, {share:.2} times the size of the reels\n",
            outcome.run,
            grouped(outcome.events),
            bytes(outcome.bytes)
        )
}
