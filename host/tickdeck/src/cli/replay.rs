//! `tickdeck replay`: does a recorded run again, strategies and all.

use crate::clock::Stop;
use crate::output::print;
use crate::reel::{Reels, Replaying, replaying};
use crate::session::on_interrupt;
use crate::tale::difference;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_engine::{Notice, Observer, Replayed, Status};
use tickdeck_model::Timestamp;

/// Do a recorded run again: the same modules on the same events, through every swap, trap and rollback. What they decide
/// must be what was recorded, byte for byte.
///
/// The checks and the order books of the host are done again too, so that what was denied is denied again. Exit code 0: it is
/// equal. 1: it is not, and the first difference is told; or the reels can't be read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck replay data
  tickdeck replay tape --json
  tickdeck replay data --run 3 --until 250000")]
pub(super) struct Replay {
    /// The data folder, or the deck's
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Which run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Stop before this event
    #[arg(long, value_name = "SEQUENCE")]
    until: Option<u64>,
    /// Print one JSON object, and nothing else
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Outcome {
    equal: bool,
    run: u32,
    events: u64,
    /// Actions that were compared.
    actions: u64,
    actions_hash: String,
    tape_hash: String,
    fills: u64,
    /// Whether the run ended in order, or was cut off.
    ended: bool,
    /// Actions that were decided before a crash and not recorded.
    unrecorded: u64,
    elapsed_s: f64,
    events_per_second: f64,
    /// The first difference, in words.
    difference: Option<String>,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = Reels::in_folder(&self.folder);
        let run = reels.run(self.run)?;
        let stop = Stop::default();
        let Replaying {
            engine,
            mut tape,
            names,
            session,
        } = replaying(&reels, &run, self.until, &stop)?;
        on_interrupt(stop, Some(engine.controls()))?;
        let quiet = self.json || !std::io::stderr().is_terminal();
        if !self.json {
            let title = &session.title;
            print(&format!(
                "run {}: {} on {title}\n",
                run.number, session.command
            ))?;
        }
        let mut progress = Progress { quiet, said: false };
        let replayed = on_large_stack(move || engine.replay(&mut tape, &mut progress))?;
        let equal = replayed.divergence.is_none();
        let told = replayed
            .divergence
            .as_ref()
            .map(|divergence| difference(divergence, &names));
        let outcome = outcome(&replayed, run.number, told);
        if self.json {
            print(&(serde_json::to_string(&outcome)? + "\n"))?;
        } else {
            print(&words(&outcome))?;
        }
        Ok(match equal {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// Strategies need the stack that they have in a host.
fn on_large_stack<T: Send + 'static, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let thread = std::thread::Builder::new()
        .name("replay".to_owned())
        .stack_size(2 * tickdeck_strategy::THREAD_STACK)
        .spawn(work)?;
    match thread.join() {
        Ok(done) => Ok(done?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn outcome(replayed: &Replayed, run: u32, difference: Option<String>) -> Outcome {
    let report = &replayed.report;
    let elapsed_s = report.elapsed_ns as f64 / 1e9;
    Outcome {
        equal: replayed.divergence.is_none(),
        run,
        events: report.status.events,
        actions: replayed.compared,
        actions_hash: format!("{:032x}", report.actions_hash),
        tape_hash: format!("{:032x}", report.tape_hash),
        fills: report.status.fills,
        ended: replayed.ended,
        unrecorded: replayed.unkept,
        elapsed_s,
        events_per_second: (report.status.events as f64 / elapsed_s.max(1e-9)).round(),
        difference,
    }
}

fn words(outcome: &Outcome) -> String {
    let Outcome {
        events,
        actions,
        actions_hash,
        elapsed_s,
        ..
    } = outcome;
    let million = outcome.events_per_second / 1e6;
    let mut text = match &outcome.difference {
        None => format!("equal: {actions} actions on {events} events, hash {actions_hash}\n"),
        Some(difference) => format!("NOT equal, after {actions} equal actions:\n{difference}\n"),
    };
    if !outcome.ended && outcome.difference.is_none() {
        text += &format!(
            "the run was cut off there; {} more actions had been decided and never left\n",
            outcome.unrecorded
        );
    }
    text + &format!("{elapsed_s:.2} s, {million:.2} M events/s\n")
}

/// A line on a terminal while it goes on.
struct Progress {
    quiet: bool,
    said: bool,
}

impl Observer for Progress {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, status: &Status) {
        if !self.quiet {
            self.said = true;
            eprint!("\r{} events ", status.events);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.said {
            eprint!("\r{:30}\r", "");
        }
    }
}
