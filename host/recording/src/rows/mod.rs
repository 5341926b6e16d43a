//! Exports a run as tables, and imports tables as a run.
//!
//! Each event is a row of the table of its kind (`kinds/`), each effect one of `actions`, `commands` or `deeds` (`schema.rs`).

pub mod archive;
mod effect_rows;
mod import;
mod registry_rows;
mod schema;

pub use crate::kinds::EVENT_TABLES;
pub use crate::rows::effect_rows::OrderInstruments;
pub use import::{Imported, import};
pub use schema::all;

use crate::kinds;
use crate::kinds::values::RowNames;
use crate::reader::{EffectReader, EventReader, RunItem, SeekTo};
use crate::runs::RecordedRun;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_engine::CancelToken;
use tickdeck_journal::atomic_file::create_folder;
use tickdeck_model::Registry;
use tickdeck_tables::{Format, Sink, Table, Value, create};

/// Records between two checks of the cancel token.
const CHECK_EVERY: u64 = 1 << 12;

/// An export: the format, and the range of events.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest {
    /// The format of the files.
    pub format: Format,
    /// The first event.
    pub from: Option<SeekTo>,
    /// The end; that event is left out.
    pub until: Option<SeekTo>,
}

/// The result of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The files, with their rows and bytes.
    pub files: Vec<(PathBuf, u64, u64)>,
    /// Events among the rows.
    pub events: u64,
    /// Effects among the rows.
    pub effects: u64,
}

/// Exports a run into a folder, one file a table, all of them or none; returns nothing if it was asked to stop. `progress` receives
/// the events done and their total.
///
/// # Errors
/// The reels can't be read, or the files can't be written.
pub fn export(
    run: &RecordedRun,
    request: ExportRequest,
    out: &Path,
    stop: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Exported>> {
    let registry = run.names()?;
    let from = request.from.map_or(Ok(0), |target| run.find(target))?;
    let last = run.events()?;
    let until = request.until.map_or(Ok(last), |target| run.find(target))?;
    create_folder(out)?;
    let mut files = Files::create(request.format, out)?;
    let mut events = EventReader::open(run, from)?;
    let total = until.saturating_sub(from);
    for done in 0..total {
        if done % CHECK_EVERY == 0 {
            progress(done, total);
            if stop.asked() {
                return Ok(None);
            }
        }
        let Some(event) = events.next()? else {
            break;
        };
        let row = kinds::row(&event, RowNames(&registry))
            .with_context(|| format!("event {}", event.sequence))?;
        files.push(kinds::table(event.kind()), &row)?;
    }
    let events = files.rows;
    if !effects(run, &registry, (from, until, last), &mut files, stop)? {
        return Ok(None);
    }
    let effects = files.rows - events;
    for row in registry_rows::instruments(RowNames(&registry))? {
        files.push(&schema::INSTRUMENTS, &row)?;
    }
    for row in registry_rows::currencies(&registry) {
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

/// Returns an item of the reels as one JSON object: its row as in an export, and `table`, the name of its table.
///
/// # Errors
/// The item names something that the reels do not know.
pub fn object(
    item: &RunItem,
    registry: &Registry,
    instruments: &mut OrderInstruments,
) -> Result<String> {
    let (table, row) = match item {
        RunItem::Event(event) => (
            kinds::table(event.kind()),
            kinds::row(event, RowNames(registry))?,
        ),
        RunItem::Effect(timed) => {
            let mut rows = effect_rows::EffectRows::new(registry, std::mem::take(instruments));
            let row = rows.row(timed.position, &timed.effect, timed.wall);
            *instruments = rows.instruments;
            row?
        }
    };
    let object = tickdeck_tables::object(table, &row);
    Ok(format!("{{\"table\":\"{}\",{}", table.name, &object[1..]))
}

/// Exports the effects of the events from one sequence to another; of a whole run also the effects at its end.
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
    while let Some(timed) = effects.next()? {
        count += 1;
        if count.is_multiple_of(CHECK_EVERY) && stop.asked() {
            return Ok(false);
        }
        // An effect at position p was done when event p - 1 had been processed.
        let within =
            (from == 0 || timed.position > from) && (timed.position <= until || until == last);
        if within {
            let (table, row) = rows.row(timed.position, &timed.effect, timed.wall)?;
            files.push(table, &row)?;
        } else {
            rows.instruments.add(&timed.effect);
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
