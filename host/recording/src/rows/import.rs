//! Imports exported tables as a run.
//!
//! An imported run holds the events in their order and no decisions: it can be shown, verified and exported like any other run, and
//! serves as a market for programs that read reels. It can't be replayed, because no strategy ran on it.

use super::registry_rows::{add_currency, add_instrument};
use super::schema::{CURRENCIES, INSTRUMENTS};
use crate::data_folder::Data;
use crate::kinds;
use crate::layout::{IMPORTED, SCHEMA};
use crate::manifest::{RecordedTerms, RunManifest, RunOverrides};
use crate::recorder::JournalRecorder;
use crate::runs::{DataReels, RecordedRun};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use tickdeck_engine::CancelToken;
use tickdeck_engine::Recorder;
use tickdeck_engine::port::{Continuity, VenueTerms};
use tickdeck_journal::{ReelConfig, unix_ns};
use tickdeck_model::{Event, Kind, Registry, VenueId};
use tickdeck_tables::{Row, Source, Table, Value, open};

/// The number of events written at once.
const BATCH: usize = 1 << 12;

/// The result of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The new run.
    pub run: RecordedRun,
    /// The number of its events.
    pub events: u64,
    /// Sequences missing from all tables: events of missing tables, or left out by the export.
    pub gaps: u64,
}

/// Imports the tables of a folder, or one of them, as a run of a data folder; returns nothing if it was asked to stop. `progress`
/// receives the events done.
///
/// # Errors
/// A table is missing or damaged, or another host holds the data folder.
pub fn import(
    from: &Path,
    into: &Path,
    stop: &CancelToken,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Imported>> {
    let folder = if from.is_dir() {
        from
    } else {
        from.parent().unwrap_or(Path::new("."))
    };
    let files = tables(from)?;
    let data = Data::open(into.to_owned())?;
    let mut registry = data.ids()?;
    let instruments = names(folder, &mut registry)?;
    // Readers of the reel need all names at its beginning.
    for (kind, file) in files.iter().filter(|(kind, _)| kinds::has_names(*kind)) {
        let mut rows = Rows::open(*kind, file)?;
        while rows.next(&mut registry)?.is_some() {}
    }
    data.keep_ids(&registry)?;
    let reels = DataReels::in_folder(into);
    let run = reels.next_run()?;
    let manifest = manifest(from, &registry, &instruments);
    let (recorder, _) = JournalRecorder::open(&run, &config(), Some(&manifest))?;
    let written = write(recorder, &files, &mut registry, stop, progress);
    match written {
        Ok(Some((events, gaps))) => Ok(Some(Imported { run, events, gaps })),
        other => {
            // Half a run is useless.
            std::fs::remove_dir_all(&run.folder)
                .with_context(|| format!("cannot remove {}", run.folder.display()))?;
            other.map(|_| None)
        }
    }
}

fn config() -> ReelConfig {
    ReelConfig {
        sync: tickdeck_journal::Sync::Never,
        schema: SCHEMA,
        ..ReelConfig::default()
    }
}

/// Returns the tables of events that exist, each by its kind.
fn tables(from: &Path) -> Result<Vec<(Kind, PathBuf)>> {
    if !from.is_dir() {
        let stem = from.file_stem().unwrap_or_default();
        let mut all = Kind::ALL.iter().copied();
        let kind = all.find(|kind| stem == kinds::table(*kind).name);
        let kind = kind.with_context(|| {
            format!(
                "{} does not have the name of a table of events, as quotes.parquet does",
                from.display()
            )
        })?;
        return Ok(vec![(kind, from.to_owned())]);
    }
    let mut found = Vec::new();
    for kind in Kind::ALL {
        found.extend(file(from, kinds::table(*kind))?.map(|file| (*kind, file)));
    }
    ensure!(
        !found.is_empty(),
        "{} has no table of events: name a folder that `tickdeck journal export` wrote as parquet or jsonl",
        from.display()
    );
    Ok(found)
}

/// Returns the file of a table, if it exists.
fn file(folder: &Path, table: &Table) -> Result<Option<PathBuf>> {
    let files = ["parquet", "jsonl"].map(|end| folder.join(format!("{}.{end}", table.name)));
    match files.each_ref().map(|file| file.exists()) {
        [true, true] => bail!(
            "both {} and {} exist: remove one of them",
            files[0].display(),
            files[1].display()
        ),
        [true, false] => Ok(files.into_iter().next()),
        [false, true] => Ok(files.into_iter().nth(1)),
        [false, false] => Ok(None),
    }
}

/// Adds the instruments and currencies of an export to the registry; returns the symbols.
fn names(folder: &Path, registry: &mut Registry) -> Result<Vec<String>> {
    let mut symbols = Vec::new();
    for table in [&CURRENCIES, &INSTRUMENTS] {
        let file = file(folder, table)?.with_context(|| {
            format!(
                "{} has no table `{}`, without which ids cannot be resolved: export it again",
                folder.display(),
                table.name
            )
        })?;
        let mut source = open(&file, table)?;
        let mut number = 0;
        while let Some(row) = source.next()? {
            number += 1;
            let place = || format!("{}: row {number}", file.display());
            if table.name == "currencies" {
                add_currency(row, registry).with_context(place)?;
                continue;
            }
            if let Some(Value::Text(symbol)) = row.first() {
                symbols.push(symbol.to_string());
            }
            add_instrument(row, registry).with_context(place)?;
        }
    }
    Ok(symbols)
}

fn manifest(from: &Path, registry: &Registry, symbols: &[String]) -> RunManifest {
    let known = symbols
        .iter()
        .filter_map(|symbol| registry.find_instrument(symbol));
    let mut venues: Vec<VenueTerms> = Vec::new();
    for terms in known {
        let venue: VenueId = terms.venue;
        match venues.iter_mut().find(|known| known.venue == venue) {
            Some(known) => known.instruments.push(terms.id),
            None => venues.push(VenueTerms {
                venue,
                instruments: vec![terms.id],
                balances: Vec::new(),
                lookahead_ns: 1,
                continuity: Continuity::Repeats,
            }),
        }
    }
    RunManifest {
        tickdeck: env!("CARGO_PKG_VERSION").to_owned(),
        began_ns: unix_ns(),
        command: IMPORTED.to_owned(),
        settings: ("import".to_owned(), String::new()),
        overrides: RunOverrides::default(),
        title: format!("imported from {}", from.display()),
        names: registry.to_text(),
        venues: venues.iter().map(RecordedTerms::of).collect(),
        first_order: 1,
        killed: false,
        strategies: Vec::new(),
    }
}

/// Writes the events of all tables in the order of their sequences; those of a reel start at 0 and have no gaps.
fn write(
    mut recorder: JournalRecorder,
    files: &[(Kind, PathBuf)],
    registry: &mut Registry,
    stop: &CancelToken,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<(u64, u64)>> {
    let opened = files.iter().map(|(kind, file)| Rows::open(*kind, file));
    let mut sources: Vec<Rows> = opened.collect::<Result<_>>()?;
    let mut heads: Vec<Option<Event>> = Vec::new();
    for source in &mut sources {
        heads.push(source.next(registry)?);
    }
    let (mut batch, mut events, mut gaps) = (Vec::with_capacity(BATCH), 0u64, 0);
    let mut before: Option<u64> = None;
    loop {
        let first = heads
            .iter()
            .enumerate()
            .filter_map(|(at, head)| Some((at, head.as_ref()?.sequence)));
        let next = first.min_by_key(|(_, sequence)| *sequence);
        if batch.len() == BATCH || next.is_none() {
            recorder.events(&batch);
            recorder.commit(false)?;
            batch.clear();
            progress(events);
            if stop.asked() {
                return Ok(None);
            }
        }
        let Some((at, sequence)) = next else {
            break;
        };
        let expected = before.map_or(sequence, |before| before + 1);
        ensure!(
            sequence >= expected,
            "{} has event {sequence} a second time",
            sources[at].file.display()
        );
        gaps += sequence - expected;
        before = Some(sequence);
        let event = std::mem::replace(&mut heads[at], sources[at].next(registry)?);
        batch.extend(event.map(|event| event.with_sequence(events)));
        events += 1;
    }
    recorder.end()?;
    Ok(Some((events, gaps)))
}

/// Reads the events of a table.
struct Rows {
    kind: Kind,
    file: PathBuf,
    source: Box<dyn Source>,
    row: u64,
    before: Option<u64>,
}

impl Rows {
    fn open(kind: Kind, file: &Path) -> Result<Self> {
        Ok(Self {
            kind,
            file: file.to_owned(),
            source: open(file, kinds::table(kind))?,
            row: 0,
            before: None,
        })
    }

    fn next(&mut self, registry: &mut Registry) -> Result<Option<Event>> {
        let Some(row): Option<Row> = self.source.next()? else {
            return Ok(None);
        };
        self.row += 1;
        let place = || format!("{}: row {}", self.file.display(), self.row);
        let event = kinds::event(self.kind, row, registry).with_context(place)?;
        let before = self.before.replace(event.sequence);
        ensure!(
            before.is_none_or(|before| before < event.sequence),
            "{}: its sequence is not above the one before: sort the table by `sequence`",
            place()
        );
        Ok(Some(event))
    }
}
