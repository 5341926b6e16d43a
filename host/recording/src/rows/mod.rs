//! A run as tables, and tables as a run.
//!
//! `schema.rs` has the tables; each event is a row of the table of its kind, each deed one of `actions`, `commands` or `effects`.

pub mod archive;
mod effect_rows;
mod event_rows;
mod from_rows;
mod import;
mod schema;

pub use crate::rows::effect_rows::OrderInstruments;
pub use import::{Imported, import};
pub use schema::{EVENT_TABLES, all};

use crate::rows::event_rows::{Words, row};
use crate::{EffectReader, EventReader, RecordedRun, RunItem, SeekTo};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_engine::CancelToken;
use tickdeck_model::Registry;
use tickdeck_tables::{Format, Sink, Table, Value, create};

/// Records between two looks at the wish to stop.
const LOOK_EVERY: u64 = 1 << 12;

/// What is to be exported.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest {
    /// As what.
    pub format: Format,
    /// The first event.
    pub from: Option<SeekTo>,
    /// Where to stop; that event is left out.
    pub until: Option<SeekTo>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The files, with their rows and bytes.
    pub files: Vec<(PathBuf, u64, u64)>,
    /// Events among the rows.
    pub events: u64,
    /// Deeds among the rows.
    pub effects: u64,
}

/// Exports a run into a folder, one file a table, all of them or none; nothing if it was asked to stop. `progress` is told the
/// events done and their total.
///
/// # Errors
/// The reels can't be read, or the files not be written.
pub fn export(
    run: &RecordedRun,
    wanted: ExportRequest,
    out: &Path,
    stop: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Exported>> {
    let registry = run.names()?;
    let from = wanted.from.map_or(Ok(0), |place| run.find(place))?;
    let last = run.events()?;
    let until = wanted.until.map_or(Ok(last), |place| run.find(place))?;
    std::fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}", out.display()))?;
    let mut files = Files::create(wanted.format, out)?;
    let mut events = EventReader::open(run, from)?;
    let total = until.saturating_sub(from);
    for done in 0..total {
        if done % LOOK_EVERY == 0 {
            progress(done, total);
            if stop.asked() {
                return Ok(None);
            }
        }
        let Some(event) = events.next()? else {
            break;
        };
        let row =
            row(&event, Words(&registry)).with_context(|| format!("event {}", event.sequence))?;
        files.push(schema::table(event.kind()), &row)?;
    }
    let events = files.rows;
    if !effects(run, &registry, (from, until, last), &mut files, stop)? {
        return Ok(None);
    }
    let effects = files.rows - events;
    for row in event_rows::instruments(Words(&registry))? {
        files.push(&schema::INSTRUMENTS, &row)?;
    }
    for row in event_rows::currencies(&registry) {
        files.push(&schema::CURRENCIES, &row)?;
    }
    progress(total, total);
    let files = files.finish()?;
    Ok(Some(Exported {
        files,
        events,
        effects,
    }))
}

/// Something on the reels as one JSON object: its row as in an export, and `table`, the table that it is in.
///
/// # Errors
/// It names what the reels do not know.
pub fn object(
    happened: &RunItem,
    registry: &Registry,
    about: &mut OrderInstruments,
) -> Result<String> {
    let (table, row) = match happened {
        RunItem::Event(event) => (schema::table(event.kind()), row(event, Words(registry))?),
        RunItem::Effect(kept) => {
            let mut rows = effect_rows::EffectRows::new(registry, std::mem::take(about));
            let row = rows.row(kept.position, &kept.effect, kept.wall);
            *about = rows.about;
            row?
        }
    };
    let object = tickdeck_tables::object(table, &row);
    Ok(format!("{{\"table\":\"{}\",{}", table.name, &object[1..]))
}

/// What was done because of the events from one sequence to another; of a whole run also what was done at its end.
fn effects(
    run: &RecordedRun,
    registry: &Registry,
    (from, until, last): (u64, u64, u64),
    files: &mut Files,
    stop: &CancelToken,
) -> Result<bool> {
    let mut effects = EffectReader::open(run)?;
    let mut rows = effect_rows::EffectRows::new(registry, OrderInstruments::default());
    let mut count = 0u64;
    while let Some(kept) = effects.next()? {
        count += 1;
        if count.is_multiple_of(LOOK_EVERY) && stop.asked() {
            return Ok(false);
        }
        // A deed at position p was done when event p - 1 had been taken in.
        let within =
            (from == 0 || kept.position > from) && (kept.position <= until || until == last);
        if within {
            let (table, row) = rows.row(kept.position, &kept.effect, kept.wall)?;
            files.push(table, &row)?;
        } else {
            rows.about.pass(&kept.effect);
        }
    }
    Ok(true)
}

/// The files of an export while they are written.
struct Files {
    sinks: BTreeMap<&'static str, (PathBuf, Box<dyn Sink>, u64)>,
    rows: u64,
}

impl Files {
    fn create(format: Format, out: &Path) -> Result<Self> {
        let mut sinks = BTreeMap::new();
        for table in all() {
            let file = out.join(format!("{}.{}", table.name, format.extension()));
            let sink = create(format, &file, table)?;
            sinks.insert(table.name, (file, sink, 0));
        }
        Ok(Self { sinks, rows: 0 })
    }

    fn push(&mut self, table: &'static Table, row: &[Value<'_>]) -> Result<()> {
        let (_, sink, rows) = self
            .sinks
            .get_mut(table.name)
            .context("every table has a file")?;
        sink.push(row)?;
        *rows += 1;
        self.rows += 1;
        Ok(())
    }

    fn finish(self) -> Result<Vec<(PathBuf, u64, u64)>> {
        let sinks = self.sinks.into_values();
        sinks
            .map(|(file, sink, rows)| Ok((file, rows, sink.finish()?)))
            .collect()
    }
}
