//! The runs of a data folder: listed, found by number, and how each of them ended.

use crate::codec::RecordKind;
use crate::layout::{ACTIONS, EVENTS, IMPORTED, MODULES, REELS, SCHEMA, SCHEMA_OF_CONTRACT};
use crate::manifest::RunManifest;
use crate::modules::ModuleStore;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use tickdeck_journal::{JournalError, Reader, segments};
use tickdeck_model::Untrusted;

/// The recorded runs of a data folder.
#[derive(Debug, Clone)]
pub struct DataReels {
    data: PathBuf,
}

/// A recorded run: its two reels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRun {
    /// The number of the run, counted from 1.
    pub number: u32,
    /// The folder of its reels.
    pub folder: PathBuf,
}

impl DataReels {
    /// Opens a data folder; for a deck's folder, its `data`.
    pub fn in_folder(folder: &Path) -> Self {
        let within = folder.join("data");
        let data = if !folder.join(REELS).is_dir() && within.join(REELS).is_dir() {
            within
        } else {
            folder.to_owned()
        };
        Self { data }
    }

    /// Returns the path of the data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the store of the modules that ran.
    pub fn modules(&self) -> ModuleStore {
        ModuleStore::at(self.data.join(MODULES))
    }

    /// Lists the runs, oldest first.
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

    /// Returns the run with this number, or the last one.
    ///
    /// # Errors
    /// There is no such run.
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
                "`{data}` has no reels: name the data folder of a deck (`tickdeck run` records into it), or record a \
                 demonstration with `tickdeck demo --data FOLDER`"
            ),
        }
    }

    /// Returns the last run of a host, if it was interrupted. Imported runs do not count.
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

    /// Returns the number and folder of a new run.
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
    /// Checks that the strategies of the run can still be called.
    ///
    /// # Errors
    /// The run was recorded under an earlier layout of the contract: it can be read, and not be played.
    pub fn check_contract(&self) -> Result<()> {
        let segments = segments(&self.folder, ACTIONS)?;
        let schema = segments.first().map_or(SCHEMA, |first| first.schema);
        ensure!(
            schema >= SCHEMA_OF_CONTRACT,
            "run {} was recorded with schema {schema}, under an earlier layout of the contract, so its strategies can't be called any more: \
             read it with `tickdeck journal show` or `export` ({})",
            self.number,
            Untrusted::path(&self.folder)
        );
        Ok(())
    }

    /// Returns whether anything of the run was recorded, even if it can't be read any more.
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

    /// Returns whether the run ended cleanly.
    pub fn has_ended(&self) -> bool {
        self.last_kind()
            .is_ok_and(|last| last == Some(RecordKind::End as u16))
    }

    /// Returns the kind of the last record of the actions reel.
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
