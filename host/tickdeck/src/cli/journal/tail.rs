//! `tickdeck journal tail`: the end of a run, also while it goes on.

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

/// How often is looked for more.
const LOOK: Duration = Duration::from_millis(50);

/// Lines that are printed at once.
const AT_ONCE: usize = 1 << 10;

/// Show the last events and actions of a run in words, merged as they happened; with -f also those that come.
///
/// It ends with the run, or on Ctrl-C. Looking on costs the host nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal tail
  tickdeck journal tail -f
  tickdeck journal tail tape -n 100 --run 2 --json")]
pub(crate) struct Tail {
    /// The data folder, or the deck's
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// How many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    lines: u64,
    /// Which run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Print one JSON object a line, as in an export
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
        // The last of both were read, which are up to twice as many.
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

/// Both reels, each so many records before its end.
fn last(run: &RecordedRun, count: u64) -> Result<RunReader> {
    let events = run.events()?.saturating_sub(count);
    let mut effects = EffectReader::open(run)?;
    let all = segments(&run.folder, tickdeck_recording::ACTIONS)?;
    let records = all.last().map_or(0, |last| last.first + last.records);
    // The end of the run is a record too.
    effects.seek(records.saturating_sub(count + 1))?;
    Ok(RunReader::new(EventReader::open(run, events)?, effects))
}

/// Makes lines.
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

    /// A line with its end; nothing for what is not worth one.
    fn line(&mut self, happened: &RunItem) -> Result<String> {
        if let RunItem::Effect(TimedEffect { effect, .. }) = happened
            && let Some(text) = names_in(effect)?
        {
            let registry = Registry::from_text(&text).context("the names in the reel")?;
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
                .map_or_else(String::new, |words| format!("{:>10}  {words}\n", "")),
        })
    }
}
