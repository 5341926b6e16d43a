//! `tickdeck journal import`: imports exported tables as a run.

use crate::cli::progress::Progress;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{print, print_json};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_engine::CancelToken;
use tickdeck_model::format::grouped;
use tickdeck_recording::rows::import;

/// Import exported tables (parquet or jsonl) as a run: the events in their order, numbered from 0.
///
/// The run has events but no decisions: it can be listed, shown, verified and exported like any other, but there is nothing
/// to replay. The tables `instruments` and `currencies` must be in the same folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal import export-000001 --into archive
  tickdeck journal import export-000001/quotes.parquet --into archive --json")]
pub(crate) struct Import {
    /// The folder of an export, or one of its event tables
    #[arg(value_name = "FILE|DIR")]
    from: PathBuf,
    /// The data folder to import into; created if it does not exist
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    into: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Outcome {
    run: u32,
    events: u64,
    /// Events missing in between: their sequences are in no table.
    gaps: u64,
}

impl Import {
    pub(super) fn run(self) -> Result<ExitCode> {
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut progress = Progress::new("importing");
        let imported = import(&self.from, &self.into, &stop, &mut |done| {
            progress.count(done)
        })?;
        drop(progress);
        let Some(imported) = imported else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let outcome = Outcome {
            run: imported.run.number,
            events: imported.events,
            gaps: imported.gaps,
        };
        if self.json {
            print_json(&outcome)?;
        } else {
            print(&text(&outcome))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(outcome: &Outcome) -> String {
    let (run, events) = (outcome.run, grouped(outcome.events));
    let gaps = match outcome.gaps {
        0 => String::new(),
        gaps => format!("; the tables lack {} events in between", grouped(gaps)),
    };
    format!("run {run}: {events} events{gaps}\n")
}
