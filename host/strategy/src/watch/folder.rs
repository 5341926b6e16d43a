//! The folder over time, without a thread or a clock.

use super::change::{PluginChange, Refused};
use super::config::WatchConfig;
use super::entry::{Entry, Look};
use super::error::WatchError;
use super::files::Files;
use super::limits::{MAX_MODULES, READ_BUDGET};
use super::list::{self, Names};
use super::plugin::Fingerprint;
use super::scan::Scan;
use super::settle::Times;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The outsides of plugins, by name.
type Found = BTreeMap<String, Files>;

/// What is known of a plugins folder. It reads files when it is told to look; what time it is, it is told: a time since
/// any moment, that does not go back.
#[derive(Debug)]
pub struct Folder {
    folder: PathBuf,
    times: Times,
    entries: BTreeMap<String, Entry>,
    /// Files that were refused for their names.
    unfit: BTreeSet<OsString>,
    /// Whether it was said that there are too many.
    is_over: bool,
    is_lost: bool,
    looked: Option<Duration>,
    is_hinted: bool,
    /// How many times a plugin was read.
    pub(super) plugins_read: u64,
    /// Bytes that one look reads.
    pub(super) budget: u64,
    /// What the file system's times are held against.
    pub(super) wall: fn() -> SystemTime,
}

impl Folder {
    /// Knows nothing yet.
    pub fn new(config: WatchConfig) -> Self {
        Self {
            times: Times::of(&config),
            folder: config.folder,
            entries: BTreeMap::new(),
            unfit: BTreeSet::new(),
            is_over: false,
            is_lost: false,
            looked: None,
            is_hinted: false,
            plugins_read: 0,
            budget: READ_BUDGET,
            wall: SystemTime::now,
        }
    }

    /// Takes it that this was handed out, so that it is not again.
    pub fn seed(&mut self, name: &str, fingerprint: Fingerprint) {
        self.entry(name).seed(fingerprint);
    }

    /// Takes it that this was said, so that it is not again.
    pub fn seed_refused(&mut self, refused: &Refused) {
        // What is fit has its whole name; the others are known by their file.
        match refused.path.file_name() {
            Some(file) if matches!(super::kind::named(file), super::kind::Named::Unfit) => {
                self.unfit.insert(file.to_owned());
            }
            _ => self.entry(&refused.name).seed_refused(refused.clone()),
        }
    }

    /// Takes it that all of a scan was handed out and said.
    pub fn seed_scan(&mut self, scan: &Scan) {
        for plugin in &scan.plugins {
            self.seed(&plugin.name, plugin.fingerprint());
        }
        for refused in &scan.refused {
            self.seed_refused(refused);
        }
        self.is_over = scan.note.is_some();
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Something may have changed: the next look is soon.
    pub const fn hint(&mut self) {
        self.is_hinted = true;
    }

    /// Lets the next look, which is soon, read everything, also what looks unchanged.
    pub fn doubt(&mut self) {
        self.entries.values_mut().for_each(Entry::doubt);
        self.hint();
    }

    /// When to look next, as of `now`; never before it.
    pub fn next_look(&self, now: Duration) -> Duration {
        let Some(looked) = self.looked else {
            return now;
        };
        let wait = if self.is_hinted {
            self.times.gap
        } else {
            self.times.rescan
        };
        let settled = self
            .entries
            .values()
            .filter_map(|entry| entry.due(&self.times));
        let settled = settled.min().filter(|_| !self.is_lost);
        let next = settled.map_or(looked + wait, |due| due.min(looked + wait));
        next.max(now)
    }

    /// Looks at the folder and says what changed since, as far as it has settled; by name.
    pub fn look(&mut self, now: Duration) -> Vec<PluginChange> {
        self.looked = Some(now);
        self.is_hinted = false;
        match self.survey() {
            Ok((mut changes, found)) => {
                if std::mem::take(&mut self.is_lost) {
                    changes.insert(0, PluginChange::FolderBack);
                    self.entries
                        .values_mut()
                        .for_each(|entry| entry.restart(now));
                }
                self.judge(now, found, changes)
            }
            Err(error) => self.lose(&error),
        }
    }

    /// The outsides of all that is and was there.
    fn survey(&mut self) -> Result<(Vec<PluginChange>, Found), WatchError> {
        let names = list::names(&self.folder)?;
        // Known ones are looked up by their path: a listing may miss a name that is being replaced.
        let mut wanted: BTreeSet<&String> = self.entries.keys().collect();
        for name in &names.plugins {
            if wanted.len() < MAX_MODULES {
                wanted.insert(name);
            }
        }
        let found: Result<Found, WatchError> = wanted
            .into_iter()
            .map(|name| Ok((name.clone(), Files::stat(&self.folder, name)?)))
            .collect();
        let found = found?;
        for name in found.keys() {
            self.entry(name);
        }
        Ok((self.remark(names), found))
    }

    /// What is to be said of the names.
    fn remark(&mut self, names: Names) -> Vec<PluginChange> {
        let mut changes = Vec::new();
        let is_over = names
            .plugins
            .iter()
            .any(|name| !self.entries.contains_key(name));
        if is_over && !self.is_over {
            changes.push(PluginChange::Note(list::too_many(&self.folder)));
        }
        self.is_over = is_over;
        let unfit: BTreeSet<OsString> = names.unfit.into_iter().take(MAX_MODULES).collect();
        for file in unfit.difference(&self.unfit) {
            changes.push(PluginChange::Refused(list::refuse_unfit(
                &self.folder,
                file,
            )));
        }
        self.unfit = unfit;
        changes
    }

    fn judge(
        &mut self,
        now: Duration,
        mut found: Found,
        changes: Vec<PluginChange>,
    ) -> Vec<PluginChange> {
        let mut look = Look {
            folder: &self.folder,
            times: &self.times,
            now,
            wall: (self.wall)(),
            bytes_read: 0,
            budget: self.budget,
            plugins_read: 0,
            changes,
        };
        self.entries.retain(|name, entry| {
            let files = found.remove(name);
            files.is_none_or(|files| entry.look(name, files, &mut look))
        });
        self.plugins_read += look.plugins_read;
        look.changes
    }

    fn lose(&mut self, error: &WatchError) -> Vec<PluginChange> {
        if std::mem::replace(&mut self.is_lost, true) {
            return Vec::new();
        }
        let why = error.to_string();
        vec![PluginChange::FolderGone { why }]
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.entry(name.to_owned()).or_default()
    }
}
