//! `tickdeck replay`: replays a recorded run with its strategies and compares what they decide.

use crate::cli::step_view;
use crate::cli::step_view::StepView;
use crate::cli::what_if;
use crate::cli::what_if::WhatIf;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{note, overwrite, print, print_json};
use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;
use tickdeck_deck::affinity::{run_for_strategies, spawn_for_strategies};
use tickdeck_deck::clock::Pace;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::feed::OperatorFeed;
use tickdeck_deck::replay::{PreparedReplay, ReplayScope, prepare_replay};
use tickdeck_engine::CancelToken;
use tickdeck_engine::{Effect, Engine, Notice, Observer, Replayed, Status};
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{Event, Timestamp, Untrusted};
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, IMPORTED, PacedTape, Pacing, RecordedRun, ReelTape, RunManifest,
};

/// Replay a recorded run and report the first difference: the same modules get the same events, through every swap, trap
/// and rollback, and must make the same decisions, byte for byte.
///
/// The host's order checks and order books are replayed too, so the same orders are denied again. Exit code 0: equal.
/// 1: different, or the recording cannot be read.
///
/// With --strategy, the run is played with another module for a strategy: the venue is simulated again and answers the new
/// decisions, and differences in decisions and results are reported. Exit code 0 either way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck replay data
  tickdeck replay tape --json
  tickdeck replay data --run 3 --until 250000
  tickdeck replay data --strategy ema-cross=plugins/ema-cross.wasm
  tickdeck replay data --from 1200 --step
  tickdeck replay data --from 1200 --speed 0.1")]
pub(super) struct Replay {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Number of the run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Stop before this event
    #[arg(long, value_name = "SEQUENCE")]
    until: Option<u64>,
    /// With --step or --speed: skip to this event at full speed
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
    /// Replay in real time, this many times as fast [default: at full speed]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,
    /// Step through the run event by event, with the decisions, in the terminal view; without a terminal as lines, where
    /// Enter plays the next event, a number that many, and q quits
    #[arg(long, conflicts_with_all = ["speed", "json"])]
    step: bool,
    /// Play the run with another module for a strategy, and report the differences
    #[arg(long, value_name = "NAME=FILE", value_parser = other, conflicts_with_all = ["speed", "step", "from", "until"])]
    strategy: Option<(String, PathBuf)>,
    /// With --strategy: report at most this many differences
    #[arg(long, value_name = "N", default_value_t = 20)]
    differences: usize,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Outcome {
    equal: bool,
    run: u32,
    events: u64,
    /// Actions compared.
    actions: u64,
    actions_hash: String,
    tape_hash: String,
    fills: u64,
    /// Whether the end of the run was reached; false for a run that was interrupted or is still running.
    ended: bool,
    /// Whether a host is still running it.
    running: bool,
    /// Actions decided before a crash but not recorded.
    unrecorded: u64,
    /// Whether something was left out because the machine went down before everything was on disk.
    left_out: bool,
    /// Strategies that were quarantined when the run was resumed: up to there their decisions are read from the reel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_called: Vec<String>,
    elapsed_s: f64,
    events_per_second: f64,
    /// Description of the first difference.
    difference: Option<String>,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.folder);
        let run = reels.run(self.run)?;
        has_decisions(&run)?;
        let stop = CancelToken::default();
        if let Some((name, file)) = &self.strategy {
            let options = WhatIf {
                name,
                file,
                most: self.differences,
                json: self.json,
            };
            return what_if::run(&reels, &run, &options, &stop);
        }
        let mut announced = self.json;
        let scope = ReplayScope::until(self.until);
        let played = scope.replay(|scope| {
            let PreparedReplay {
                engine,
                tape,
                names,
                manifest,
                left_out,
                not_called,
                running,
            } = prepare_replay(&reels, &run, scope, Compiling::of_host, &stop)?;
            on_interrupt(stop.clone(), Some(engine.controls()))?;
            let title = Untrusted::new(&manifest.title);
            if !std::mem::replace(&mut announced, true) {
                let command = Untrusted::new(&manifest.command);
                print(&format!("run {}: {command} on {title}\n", run.number))?;
            }
            let title = format!("replay of run {}: {title}", run.number);
            let replayed = self.play((engine, tape), &names, &title, &stop)?;
            let differs = replayed
                .divergence
                .as_ref()
                .and_then(|first| first.strategy);
            // With --step or --speed the difference has already been shown.
            let differs = differs.filter(|_| !self.step && self.speed.is_none());
            let not_called = not_called.iter().map(|id| names.strategy(*id));
            let not_called: Vec<String> = not_called.collect();
            Ok(((replayed, names, left_out, not_called, running), differs))
        });
        let (replayed, names, left_out, not_called, running) = match played {
            Err(error) if stop.asked() => {
                note(tickdeck_recording::sentence::sentence(&error));
                return Ok(ExitCode::from(if self.step { 0 } else { INTERRUPTED }));
            }
            played => played?,
        };
        let equal = replayed.divergence.is_none();
        let difference = replayed
            .divergence
            .as_ref()
            .map(|divergence| describe::difference(divergence, &names));
        let outcome = Outcome {
            running,
            left_out,
            not_called,
            difference,
            ..outcome(&replayed, run.number)
        };
        if self.json {
            print_json(&outcome)?;
        } else {
            let asked = self.until.is_some_and(|until| until <= outcome.events);
            print(&text(&outcome, asked))?;
        }
        Ok(match equal {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// Refuses a run that was imported from tables: replayed without its modules, every effect of an order would seem to
/// differ.
fn has_decisions(run: &RecordedRun) -> Result<()> {
    let manifest = RunManifest::read(&run.folder)?;
    ensure!(
        manifest.command != IMPORTED,
        "run {} was imported from tables, which have events but neither modules nor decisions, so there is nothing to \
         compare: inspect it with `tickdeck journal show` or `tail`, or export it with `export`",
        run.number
    );
    Ok(())
}

impl Replay {
    /// Replays the run at the pace asked for.
    fn play(
        &self,
        (engine, tape): (Engine, ReelTape),
        names: &Names,
        title: &str,
        stop: &CancelToken,
    ) -> Result<Replayed> {
        let from = self.from.unwrap_or(0);
        if !(self.step && step_view::has_terminal()) {
            let pacing = self.pacing(names, stop);
            let quiet = self.step || self.json || !std::io::stderr().is_terminal();
            let mut tape = PacedTape::new(tape, pacing, from, stop.clone());
            let mut progress = Progress {
                quiet,
                printed: false,
            };
            return Ok(run_for_strategies("replay", move || {
                engine.replay(&mut tape, &mut progress)
            })??);
        }
        let (display, pacing) = StepView::new();
        let mut tape = PacedTape::new(tape, pacing, from, stop.clone());
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

    fn pacing(&self, names: &Names, stop: &CancelToken) -> Pacing {
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

/// Prints an event with its effects, and if `asks` is set, asks how many more to play.
fn show(event: &Event, effects: &[Effect], asks: bool, names: &Names) -> u64 {
    let mut text = format!("{:>8}  {}\n", event.sequence, describe::event(event, names));
    for line in effects
        .iter()
        .filter_map(|effect| describe::effect(effect, names))
    {
        text += &format!("{:>8}  {line}\n", "");
    }
    // If nobody reads the output, nobody can continue.
    if !print(&text).unwrap_or(false) || !asks {
        return 0;
    }
    loop {
        let mut line = String::new();
        // End of input quits.
        if !matches!(std::io::stdin().read_line(&mut line), Ok(1..)) {
            return 0;
        }
        match (line.trim(), line.trim().parse()) {
            ("", _) => return 1,
            ("q", _) => return 0,
            (_, Ok(number @ 1..)) => return number,
            (other, _) => note(format!(
                "{} is neither a number of events nor q",
                quoted(other)
            )),
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

/// Collects the figures of a replay.
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
        not_called: Vec::new(),
        elapsed_s,
        events_per_second: (report.status.events as f64 / elapsed_s.max(1e-9)).round(),
        difference: None,
    }
}

/// Formats the outcome. With `asked`, the replay stopped where it was told to, which says nothing about the run's own end.
fn text(outcome: &Outcome, asked: bool) -> String {
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
        text += "the machine went down before everything was on disk; incomplete records are left out\n";
    }
    for name in &outcome.not_called {
        text += &format!(
            "{name} was quarantined when the run was resumed; until then its decisions are read from the reel\n"
        );
    }
    if !outcome.ended && !asked && outcome.difference.is_none() {
        text += &match outcome.running {
            true => format!("the run is still running; compared up to event {events}\n"),
            false => format!(
                "the run was interrupted there; {} more actions had been decided but never sent\n",
                outcome.unrecorded
            ),
        };
    }
    text + &format!("{elapsed_s:.2} s, {million:.2} M events/s\n")
}

/// A line of progress on a terminal.
struct Progress {
    quiet: bool,
    printed: bool,
}

impl Observer for Progress {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, status: &Status) {
        if !self.quiet {
            self.printed = true;
            overwrite(format!("{} events ", status.events));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.printed {
            overwrite(" ".repeat(30));
            overwrite("");
        }
    }
}
