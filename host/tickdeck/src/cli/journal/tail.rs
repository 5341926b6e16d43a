//! `tickdeck journal tail`: prints the end of a run, and follows one that is running.

use crate::display::console::on_interrupt;
use crate::output::print;
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tickdeck_engine::CancelToken;
use tickdeck_journal::segments;
use tickdeck_model::Registry;
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;
use tickdeck_recording::rows::{OrderInstruments, object};
use tickdeck_recording::{
    DataReels, EffectReader, EventReader, RecordedRun, RunItem, RunReader, TimedEffect, names_in,
};

/// Polling interval.
const LOOK: Duration = Duration::from_millis(50);

/// Maximum number of lines printed at once.
const AT_ONCE: usize = 1 << 10;

/// Print the last events and actions of a run in the order in which they happened; with -f also new ones.
///
/// Ends with the run, or on Ctrl-C. Following a run does not slow down its host.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal tail
  tickdeck journal tail -f
  tickdeck journal tail tape -n 100 --run 2 --json")]
pub(crate) struct Tail {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Keep printing new events and actions
    #[arg(short, long)]
    follow: bool,
    /// Number of lines
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    lines: u64,
    /// Number of the run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Print one JSON object per line, as in an export
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub(super) fn run(self) -> Result<ExitCode> {
        let run = DataReels::in_folder(&self.folder).run(self.run)?;
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut lines = Lines::new(run.names()?, self.json);
        let mut merged = last(&run, self.lines)?;
        let mut waiting = Vec::new();
        while let Some(happened) = merged.next()? {
            waiting.push(happened);
        }
        // The last lines of both reels were read, up to twice as many as wanted.
        let more = waiting.len().saturating_sub(usize::try_from(self.lines)?);
        let mut text = String::new();
        for happened in waiting.drain(..).skip(more) {
            text += &lines.line(&happened)?;
        }
        let mut read = print(&text)?;
        while self.follow && read && !merged.has_ended() && !stop.asked() {
            text.clear();
            for _ in 0..AT_ONCE {
                match merged.next()? {
                    Some(happened) => text += &lines.line(&happened)?,
                    None => break,
                }
            }
            if text.is_empty() {
                std::thread::sleep(LOOK);
            } else {
                read = print(&text)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Opens both reels, each `count` records before its end.
fn last(run: &RecordedRun, count: u64) -> Result<RunReader> {
    let events = run.events()?.saturating_sub(count);
    let mut effects = EffectReader::open(run)?;
    let all = segments(&run.folder, tickdeck_recording::ACTIONS)?;
    let records = all.last().map_or(0, |last| last.first + last.records);
    // The end of the run is a record of its own.
    effects.seek(records.saturating_sub(count.saturating_add(1)))?;
    Ok(RunReader::new(EventReader::open(run, events)?, effects))
}

/// Formats lines.
struct Lines {
    registry: Registry,
    names: Names,
    about: OrderInstruments,
    json: bool,
}

impl Lines {
    fn new(registry: Registry, json: bool) -> Self {
        let names = Names::new(Arc::new(registry.clone()), None);
        Self {
            registry,
            names,
            about: OrderInstruments::default(),
            json,
        }
    }

    /// Formats a line with its newline; empty for an effect that is not shown.
    fn line(&mut self, happened: &RunItem) -> Result<String> {
        if let RunItem::Effect(TimedEffect { effect, .. }) = happened
            && let Some(text) = names_in(effect)?
        {
            let registry =
                Registry::from_text(&text).context("cannot read the names in the reel")?;
            let about = std::mem::take(&mut self.about);
            *self = Self::new(registry, self.json);
            self.about = about;
        }
        if self.json {
            return Ok(object(happened, &self.registry, &mut self.about)? + "\n");
        }
        Ok(match happened {
            RunItem::Event(event) => {
                format!(
                    "{:>10}  {}\n",
                    event.sequence,
                    describe::event(event, &self.names)
                )
            }
            RunItem::Effect(kept) => describe::effect(&kept.effect, &self.names)
                .map_or_else(String::new, |text| format!("{:>10}  {text}\n", "")),
        })
    }
}
