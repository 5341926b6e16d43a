//! `tickdeck journal ls`: lists the runs of a data folder.

use crate::output::{print, print_json};
use crate::text_table::aligned;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_engine::Effect;
use tickdeck_model::format::{bytes, grouped, span};
use tickdeck_model::{Timestamp, Untrusted};
use tickdeck_recording::describe::moment;
use tickdeck_recording::{DataReels, EffectReader, EventReader, RecordedRun, RunManifest};
use tickdeck_tables::time;

/// List the recorded runs: when each began, how long it lasted in event time, its contents, and how it ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal ls
  tickdeck journal ls tape --json")]
pub(crate) struct Ls {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Listed {
    runs: Vec<Line>,
}

/// A run.
#[derive(Debug, Serialize)]
struct Line {
    run: u32,
    /// Wall time.
    begun: Option<String>,
    /// Host time of the first and the last event.
    first: Option<String>,
    last: Option<String>,
    seconds: Option<f64>,
    events: u64,
    actions: u64,
    bytes: u64,
    /// `running`, `ended`, `cut off` or `damaged`.
    state: &'static str,
    command: Option<String>,
    title: Option<String>,
    problem: Option<String>,
    #[serde(skip)]
    began: Option<Timestamp>,
}

impl Ls {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.folder);
        // Fails for a folder without runs, as every other command does.
        reels.run(None)?;
        let runs: Vec<Line> = reels.runs()?.iter().map(line).collect();
        if self.json {
            print_json(&Listed { runs })?;
        } else {
            print(&text(&runs))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(run: &RecordedRun) -> Line {
    let mut line = Line {
        run: run.number,
        begun: None,
        first: None,
        last: None,
        seconds: None,
        events: 0,
        actions: 0,
        bytes: run.bytes().unwrap_or_default(),
        state: "damaged",
        command: None,
        title: None,
        problem: None,
        began: None,
    };
    if let Err(error) = fill(run, &mut line) {
        line.problem = Some(tickdeck_recording::sentence::sentence(&error));
    }
    line
}

fn fill(run: &RecordedRun, line: &mut Line) -> Result<()> {
    let manifest = RunManifest::read(&run.folder)?;
    line.begun = Some(time(manifest.began_ns));
    line.began = Some(manifest.began_ns);
    line.command = Some(Untrusted::new(&manifest.command).to_string());
    line.title = Some(Untrusted::new(&manifest.title).to_string());
    line.events = run.events()?;
    if line.events > 0 {
        let at = |sequence| -> Result<Option<Timestamp>> {
            Ok(EventReader::open(run, sequence)?
                .next()?
                .map(|event| event.ts_host))
        };
        let (first, last) = (at(0)?, at(line.events - 1)?);
        (line.first, line.last) = (first.map(time), last.map(time));
        let span = last
            .zip(first)
            .map(|(last, first)| last.saturating_sub(first));
        line.seconds = span.map(|ns| ns as f64 / 1e9);
    }
    let mut effects = EffectReader::open(run)?;
    while let Some(kept) = effects.next()? {
        line.actions += u64::from(matches!(kept.effect, Effect::Applied(_)));
    }
    line.state = match (run.has_ended(), run.is_written()) {
        (_, true) => "running",
        (true, false) => "ended",
        (false, false) => "cut off",
    };
    Ok(())
}

fn text(runs: &[Line]) -> String {
    let header = [
        "run", "<begun", "lasted", "events", "actions", "size", "<state", "<what",
    ];
    let rows: Vec<[String; 8]> = runs
        .iter()
        .map(|run| {
            let what =
                [run.command.as_deref(), run.title.as_deref()].map(Option::unwrap_or_default);
            [
                run.run.to_string(),
                run.began
                    .map_or_else(|| "-".to_owned(), |at| moment(at)[..19].to_owned()),
                run.seconds
                    .map_or_else(|| "-".to_owned(), |seconds| span(seconds.round() as u64)),
                grouped(run.events),
                grouped(run.actions),
                bytes(run.bytes),
                run.state.to_owned(),
                run.problem.clone().unwrap_or_else(|| what.join(" on ")),
            ]
        })
        .collect();
    aligned(&header, &rows)
}
