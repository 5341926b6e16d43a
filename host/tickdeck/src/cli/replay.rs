//! `tickdeck replay`: does a recorded run again, strategies and all.

use crate::cli::step_view;
use crate::cli::step_view::StepView;
use crate::cli::what_if;
use crate::cli::what_if::Asked;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{print, print_json};
use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;
use tickdeck_deck::affinity::{run_for_strategies, spawn_for_strategies};
use tickdeck_deck::clock::Pace;
use tickdeck_deck::feed::OperatorFeed;
use tickdeck_deck::replay::{PreparedReplay, prepare_replay};
use tickdeck_engine::CancelToken;
use tickdeck_engine::{Effect, Engine, Notice, Observer, Replayed, Status};
use tickdeck_model::{Event, Timestamp};
use tickdeck_recording::describe;
use tickdeck_recording::describe::difference;
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, IMPORTED, PacedTape, Pacing, RecordedRun, ReelTape, RunManifest,
};

/// Do a recorded run again: the same modules on the same events, through every swap, trap and rollback. What they decide
/// must be what was recorded, byte for byte.
///
/// The checks and the order books of the host are done again too, so that what was denied is denied again. Exit code 0: it is
/// equal. 1: it is not, and the first difference is told; or the reels can't be read.
///
/// With --strategy, the run is played as it would have gone with another module: the venue is played again and answers what
/// is decided now, and what comes out differently is told, decisions and results. Exit code 0 either way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck replay data
  tickdeck replay tape --json
  tickdeck replay data --run 3 --until 250000
  tickdeck replay data --strategy ema-cross=plugins/ema-cross.wasm
  tickdeck replay data --from 1200 --step
  tickdeck replay data --from 1200 --speed 0.1")]
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
    /// With --step or --speed: go to this event as fast as may be
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
    /// Let time go by as it did, so many times as fast [default: as fast as may be]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,
    /// Event by event, with what was decided, in the terminal view; without a terminal a line each: Enter goes on, a number
    /// that many, q ends
    #[arg(long, conflicts_with_all = ["speed", "json"])]
    step: bool,
    /// Play it with another module for a strategy, and tell what comes out differently
    #[arg(long, value_name = "NAME=FILE", value_parser = other, conflicts_with_all = ["speed", "step", "from", "until"])]
    strategy: Option<(String, PathBuf)>,
    /// With --strategy: tell this many differences
    #[arg(long, value_name = "N", default_value_t = 20)]
    differences: usize,
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
    /// Whether the end of the run was reached; not of one that was cut off or goes on.
    ended: bool,
    /// Whether a host goes on with the run.
    running: bool,
    /// Actions that were decided before a crash and not recorded.
    unrecorded: u64,
    /// Whether something was left out because the machine ended before all was on the disk.
    left_out: bool,
    elapsed_s: f64,
    events_per_second: f64,
    /// The first difference, in words.
    difference: Option<String>,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.folder);
        let run = reels.run(self.run)?;
        has_decisions(&run)?;
        let stop = CancelToken::default();
        if let Some((name, file)) = &self.strategy {
            let asked = Asked {
                name,
                file,
                most: self.differences,
                json: self.json,
            };
            return what_if::run(&reels, &run, &asked, &stop);
        }
        let PreparedReplay {
            engine,
            tape,
            names,
            manifest: session,
            left_out,
            running,
        } = prepare_replay(&reels, &run, self.until, &stop)?;
        on_interrupt(stop.clone(), Some(engine.controls()))?;
        if !self.json {
            let title = &session.title;
            print(&format!(
                "run {}: {} on {title}\n",
                run.number, session.command
            ))?;
        }
        let title = format!("replay of run {}: {}", run.number, session.title);
        let played = self.play((engine, tape), &names, &title, &stop);
        let replayed = match played {
            Err(error) if stop.asked() => {
                eprintln!("{}", tickdeck_recording::sentence::sentence(&error));
                return Ok(ExitCode::from(if self.step { 0 } else { INTERRUPTED }));
            }
            played => played?,
        };
        let equal = replayed.divergence.is_none();
        let told = replayed
            .divergence
            .as_ref()
            .map(|divergence| difference(divergence, &names));
        let outcome = Outcome {
            running,
            left_out,
            difference: told,
            ..outcome(&replayed, run.number)
        };
        if self.json {
            print_json(&outcome)?;
        } else {
            let asked = self.until.is_some_and(|until| until <= outcome.events);
            print(&words(&outcome, asked))?;
        }
        Ok(match equal {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// Refuses a run that was made from tables: done again without its modules, all that orders led to would seem to differ.
fn has_decisions(run: &RecordedRun) -> Result<()> {
    let session = RunManifest::read(&run.folder)?;
    ensure!(
        session.command != IMPORTED,
        "run {} was imported from tables, which hold what happened and neither modules nor decisions, so there is nothing \
         to compare: look at it with `tickdeck journal show` or `tail`, or take it out with `export`",
        run.number
    );
    Ok(())
}

impl Replay {
    /// Plays the run as it was asked for.
    fn play(
        &self,
        (engine, tape): (Engine, ReelTape),
        names: &Names,
        title: &str,
        stop: &CancelToken,
    ) -> Result<Replayed> {
        let from = self.from.unwrap_or(0);
        if !(self.step && step_view::has_terminal()) {
            let rhythm = self.rhythm(names, stop);
            let quiet = self.step || self.json || !std::io::stderr().is_terminal();
            let mut tape = PacedTape::new(tape, rhythm, from, stop.clone());
            let mut progress = Progress { quiet, said: false };
            return Ok(run_for_strategies("replay", move || {
                engine.replay(&mut tape, &mut progress)
            })??);
        }
        let (display, rhythm) = StepView::new();
        let mut tape = PacedTape::new(tape, rhythm, from, stop.clone());
        let feed = OperatorFeed::default();
        let mut observer = feed.clone();
        let kernel =
            spawn_for_strategies("replay", move || engine.replay(&mut tape, &mut observer))?;
        let watched = display.watch(title, &feed, names);
        stop.ask();
        let played = joined(kernel);
        watched?;
        played
    }

    fn rhythm(&self, names: &Names, stop: &CancelToken) -> Pacing {
        if self.step {
            let names = names.clone();
            return Pacing::Shown(Box::new(move |event, effects, asks| {
                show(event, effects, asks, &names)
            }));
        }
        match self.speed {
            Some(factor) => Pacing::By(Pace::Times(factor).clock(stop.clone())),
            None => Pacing::FlatOut,
        }
    }
}

/// Shows an event with what it led to, and asks, if it is to, how many more may pass.
fn show(event: &Event, effects: &[Effect], asks: bool, names: &Names) -> u64 {
    let mut text = format!("{:>8}  {}\n", event.sequence, describe::event(event, names));
    for words in effects
        .iter()
        .filter_map(|effect| describe::effect(effect, names))
    {
        text += &format!("{:>8}  {words}\n", "");
    }
    // Where nobody reads any more, nobody lets anything pass.
    if !print(&text).unwrap_or(false) || !asks {
        return 0;
    }
    loop {
        let mut line = String::new();
        // The end of the input is the wish to end.
        if !matches!(std::io::stdin().read_line(&mut line), Ok(1..)) {
            return 0;
        }
        match (line.trim(), line.trim().parse()) {
            ("", _) => return 1,
            ("q", _) => return 0,
            (_, Ok(number @ 1..)) => return number,
            (other, _) => eprintln!("`{other}` is neither a number of events nor q"),
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('x').parse::<f64>() {
        Ok(factor) if (0.001..=1e6).contains(&factor) => Ok(factor),
        _ => Err("it must be a factor from 0.001 to 1000000".to_owned()),
    }
}

fn other(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err(
            "it must be a strategy's name, =, and a module's file: ema-cross=new.wasm".to_owned(),
        ),
    }
}

fn joined<T, E>(thread: JoinHandle<Result<T, E>>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match thread.join() {
        Ok(done) => Ok(done?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The figures of it.
fn outcome(replayed: &Replayed, run: u32) -> Outcome {
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
        running: false,
        left_out: false,
        elapsed_s,
        events_per_second: (report.status.events as f64 / elapsed_s.max(1e-9)).round(),
        difference: None,
    }
}

/// `asked`: that the tape ends there was asked for, and says nothing about how the run did.
fn words(outcome: &Outcome, asked: bool) -> String {
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
    if outcome.left_out {
        text += "the machine ended before all was on the disk; what is not whole is left out\n";
    }
    if !outcome.ended && !asked && outcome.difference.is_none() {
        text += &match outcome.running {
            true => format!("the run goes on; compared up to event {events}\n"),
            false => format!(
                "the run was cut off there; {} more actions had been decided and never left\n",
                outcome.unrecorded
            ),
        };
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
