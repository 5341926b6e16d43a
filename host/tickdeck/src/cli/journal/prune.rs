//! `tickdeck journal prune`: removes old runs.

use crate::cli::progress::Progress;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{print, print_json};
use anyhow::Result;
use clap::{ArgGroup, Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_engine::CancelToken;
use tickdeck_model::format::bytes;
use tickdeck_recording::rows::archive;
use tickdeck_recording::{DataReels, KeepRule, PrunableRun};

/// Remove whole runs, oldest first, until no more than the limit is left.
///
/// Removes only runs that ended cleanly. Keeps the last run, and any run that is running or was interrupted, which `run`
/// would resume. A module is removed with the last run that uses it. With --roll, a Parquet copy is kept in FOLDER/parquet.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("keep").required(true)),
    after_help = "Examples:
  tickdeck journal prune --keep-gib 20
  tickdeck journal prune tape --keep-runs 5 --dry-run
  tickdeck journal prune --keep-gib 20 --roll parquet --json"
)]
pub(crate) struct Prune {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Keep at most this many GiB of reels
    #[arg(long, value_name = "N", group = "keep", value_parser = clap::value_parser!(u64).range(..=1 << 20))]
    keep_gib: Option<u64>,
    /// Keep at most this many runs
    #[arg(long, value_name = "N", group = "keep", value_parser = clap::value_parser!(u64).range(1..))]
    keep_runs: Option<u64>,
    /// Keep a copy of removed runs in this format
    #[arg(long, value_enum, value_name = "FORMAT")]
    roll: Option<Roll>,
    /// Only print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Roll {
    Parquet,
}

/// The JSON output.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    dry_run: bool,
    runs: Vec<RemovedRun>,
    /// Bytes of the removed reels.
    freed: u64,
    /// Bytes of the removed modules.
    modules: u64,
    /// Bytes of the copies.
    rolled: u64,
}

#[derive(Debug, Serialize)]
struct RemovedRun {
    run: u32,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled: Option<u64>,
}

impl Prune {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.folder);
        // Fails for a folder without runs, as every other command does.
        reels.run(None)?;
        let keep = match (self.keep_gib, self.keep_runs) {
            (Some(gib), _) => KeepRule::Bytes(gib << 30),
            (None, runs) => KeepRule::Runs(runs.unwrap_or(1)),
        };
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        if !self.dry_run {
            reels.clear_leftovers()?;
        }
        let mut outcome = Outcome {
            dry_run: self.dry_run,
            ..Outcome::default()
        };
        for old in reels.prunable(keep)? {
            let rolled = match self.remove(&reels, &old, &stop)? {
                Removal::Done(rolled) => rolled,
                // Still report the runs removed so far.
                Removal::Stopped => break,
            };
            outcome.freed += old.bytes;
            outcome.rolled += rolled.unwrap_or(0);
            outcome.runs.push(RemovedRun {
                run: old.run.number,
                bytes: old.bytes,
                rolled,
            });
        }
        if !outcome.runs.is_empty() && !self.dry_run {
            outcome.modules = reels.remove_unused_modules()?;
        }
        if self.json {
            print_json(&outcome)?;
        } else {
            print(&text(&outcome))?;
        }
        Ok(match stop.asked() {
            true => ExitCode::from(INTERRUPTED),
            false => ExitCode::SUCCESS,
        })
    }

    fn remove(&self, reels: &DataReels, old: &PrunableRun, stop: &CancelToken) -> Result<Removal> {
        if stop.asked() {
            return Ok(Removal::Stopped);
        }
        if self.dry_run {
            return Ok(Removal::Done(None));
        }
        let mut size = None;
        if self.roll == Some(Roll::Parquet) {
            let mut progress = Progress::new(format!("rolling run {}", old.run.number));
            let rolled = archive::write(reels, &old.run, stop, &mut |done, total| {
                progress.of(done, total)
            })?;
            let Some(rolled) = rolled else {
                return Ok(Removal::Stopped);
            };
            size = Some(rolled.files.iter().map(|(_, _, bytes)| bytes).sum());
        }
        reels.remove(&old.run)?;
        Ok(Removal::Done(size))
    }
}

/// The outcome of removing a run.
enum Removal {
    /// Removed; holds the size of its copy.
    Done(Option<u64>),
    Stopped,
}

fn text(outcome: &Outcome) -> String {
    let verb = if outcome.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let mut text = String::new();
    for removed in &outcome.runs {
        let rolled = removed.rolled.map_or_else(String::new, |size| {
            format!(", kept as {} of Parquet", bytes(size))
        });
        text += &format!(
            "{verb} run {}: {}{rolled}\n",
            removed.run,
            bytes(removed.bytes)
        );
    }
    match outcome.runs.len() {
        0 => "nothing to remove\n".to_owned(),
        count => text + &format!("{verb} {count} runs, {}\n", bytes(outcome.freed)),
    }
}
