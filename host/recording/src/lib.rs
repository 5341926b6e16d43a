//! Both reels of a run, as they lie in a data folder:
//!
//! ```text
//! data/reels/000001/   one run: events-000001.reel ..., actions-000001.reel ...
//! data/modules/        every module that ever ran, HASH.wasm
//! ```
//!
//! The events reel begins with what the run was made of ([`RunManifest`]); then come the events, one record each, so that the
//! record after the first is event 0. The actions reel has what the kernel did, each with its position: how many events
//! the router had taken in. Together they are enough to do the run again, years later: see `docs/JOURNAL.md`.

mod codec;
mod comparison;
mod completeness;
pub mod data_folder;
pub mod describe;
mod modules;
pub mod names;
mod retention;
pub mod rows;
pub mod sentence;

mod manifest;
mod order_history;
mod pacing;
mod prune;
mod reader;
mod recorder;
mod tape;
mod usable;
mod verify;

pub use crate::comparison::{Comparison, Counts, Difference, compare};
pub use crate::manifest::{RecordedStart, RecordedTerms, RunManifest, RunOverrides, VersionSpec};
pub use crate::order_history::{OrderHistory, order_history, senders};
pub use crate::pacing::{PacedTape, Pacing, Show};
pub use crate::reader::{
    EffectReader, EventReader, RunItem, RunReader, SeekTo, TimedEffect, effects, names_in,
    recorded_actions,
};
pub use crate::retention::{RetentionBudget, RetentionNote};
pub use crate::usable::UsableRange;
pub use crate::verify::{VerifiedFolder, VerifyFault, verify_folder};
pub use codec::{ActionsRecord, RecordKind, decode};
pub use modules::ModuleStore;
pub use prune::{KeepRule, PrunableRun};
pub use recorder::JournalRecorder;
pub use tape::{ReelTape, VersionFactory};

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tickdeck_journal::{JournalError, Reader, segments};

/// Version of what the records mean. Written into every segment; what an older one means is read for ever.
pub const SCHEMA: u16 = 2;

/// The reel of events.
pub const EVENTS: &str = "events";
/// The command of a session that was made from tables.
pub const IMPORTED: &str = "import";

/// The reel of actions.
pub const ACTIONS: &str = "actions";

const REELS: &str = "reels";
const MODULES: &str = "modules";

/// The reels of a data folder.
#[derive(Debug, Clone)]
pub struct DataReels {
    data: PathBuf,
}

/// The reels of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRun {
    /// Counted from 1.
    pub number: u32,
    /// Its folder.
    pub folder: PathBuf,
}

impl DataReels {
    /// Those in a data folder; of a deck's folder, those in its `data`.
    pub fn in_folder(folder: &Path) -> Self {
        let within = folder.join("data");
        let data = if !folder.join(REELS).is_dir() && within.join(REELS).is_dir() {
            within
        } else {
            folder.to_owned()
        };
        Self { data }
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The modules that ran.
    pub fn modules(&self) -> ModuleStore {
        ModuleStore::at(self.data.join(MODULES))
    }

    /// The runs, oldest first.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn runs(&self) -> Result<Vec<RecordedRun>> {
        let folder = self.data.join(REELS);
        let listed = match std::fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", folder.display()));
            }
        };
        let mut runs = Vec::new();
        for entry in listed {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let name = entry.file_name();
            let number = name.to_str().filter(|name| name.len() == 6);
            if let Some(number) = number.and_then(|name| name.parse().ok()) {
                let folder = entry.path();
                runs.push(RecordedRun { number, folder });
            }
        }
        runs.sort_by_key(|run| run.number);
        Ok(runs)
    }

    /// A run by its number, or the last one.
    ///
    /// # Errors
    /// There is none.
    pub fn run(&self, number: Option<u32>) -> Result<RecordedRun> {
        let runs = self.runs()?;
        let found = match number {
            Some(number) => runs.iter().find(|run| run.number == number),
            None => runs.iter().rev().find(|run| run.has_begun()),
        };
        if let Some(run) = found {
            return Ok(run.clone());
        }
        let data = self.data.display();
        match (number, runs.first(), runs.last()) {
            (Some(number), Some(first), Some(last)) => bail!(
                "{data} has no run {number}, but {} to {}: `tickdeck journal ls {data}` lists them",
                first.number,
                last.number
            ),
            _ => bail!(
                "{data} has no reels: name the data folder of a deck (`tickdeck run` keeps it), or record a \
                 demonstration with `tickdeck demo --data FOLDER`"
            ),
        }
    }

    /// The last run of a host, if it was cut off. What was imported since is no host's.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn interrupted(&self) -> Result<Option<RecordedRun>> {
        let imported = |run: &RecordedRun| {
            let manifest = RunManifest::read(&run.folder);
            manifest.is_ok_and(|manifest| manifest.command == IMPORTED)
        };
        let mut runs = self.runs()?.into_iter().rev();
        let last = runs.find(|run| run.has_begun() && !imported(run));
        Ok(last.filter(|run| !run.has_ended()))
    }

    /// The folder of a run that begins.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn next_run(&self) -> Result<RecordedRun> {
        let last = self.runs()?.last().map_or(0, |run| run.number);
        let number = last + 1;
        let folder = self.data.join(REELS).join(format!("{number:06}"));
        Ok(RecordedRun { number, folder })
    }
}

impl RecordedRun {
    /// Whether anything of it was kept, even if that can't be read any more.
    pub fn has_begun(&self) -> bool {
        if !self.folder.exists() {
            return false;
        }
        match Reader::open(&self.folder, EVENTS) {
            Err(JournalError::Missing { .. }) => false,
            Ok(mut reader) => !matches!(reader.next(), Ok(None)),
            Err(_) => true,
        }
    }

    /// Whether it ended in order.
    pub fn has_ended(&self) -> bool {
        self.last_kind()
            .is_ok_and(|last| last == Some(RecordKind::End as u16))
    }

    /// The kind of the last record of the actions reel.
    fn last_kind(&self) -> Result<Option<u16>> {
        let segments = segments(&self.folder, ACTIONS)?;
        let end = segments.last().map_or(0, |last| last.first + last.records);
        let Some(last) = end.checked_sub(1) else {
            return Ok(None);
        };
        let mut reader = Reader::open(&self.folder, ACTIONS)?;
        reader.seek(last)?;
        let mut kind = None;
        while let Some(record) = reader.next()? {
            kind = Some(record.kind);
        }
        Ok(kind)
    }
}
