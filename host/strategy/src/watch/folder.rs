//! The folder over time, without a thread or a clock.

use super::change::{PluginChange, Refused};
use super::config::WatchConfig;
use super::entry::{Entry, Poll};
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

/// The files of plugins, by plugin name.
type Found = BTreeMap<String, Files>;

/// The observed state of a plugins folder. It reads files only when polled, and is given the time: a duration since any
/// fixed moment, which never decreases.
#[derive(Debug)]
pub struct Folder {
    folder: PathBuf,
    /// Plugins that are looked at even if the folder has too many others.
    known: Vec<String>,
    times: Times,
    entries: BTreeMap<String, Entry>,
    /// Module files whose names were refused.
    invalid: BTreeSet<OsString>,
    /// Whether an excess of plugins was reported.
    is_over: bool,
    is_lost: bool,
    polled: Option<Duration>,
    is_hinted: bool,
    /// Number of times a plugin was read.
    pub(super) plugins_read: u64,
    /// Bytes that one poll reads.
    pub(super) budget: u64,
    /// The clock that file times are compared with.
    pub(super) wall: fn() -> SystemTime,
}

impl Folder {
    /// Creates the state of a folder that was never polled.
    pub fn new(config: WatchConfig) -> Self {
        Self {
            times: Times::of(&config),
            folder: config.folder,
            known: config.known,
            entries: BTreeMap::new(),
            invalid: BTreeSet::new(),
            is_over: false,
            is_lost: false,
            polled: None,
            is_hinted: false,
            plugins_read: 0,
            budget: READ_BUDGET,
            wall: SystemTime::now,
        }
    }

    /// Marks a content as reported, so that it is not reported again.
    pub fn seed(&mut self, name: &str, fingerprint: Fingerprint) {
        self.entry(name).seed(fingerprint);
    }

    /// Marks a refusal as reported, so that it is not reported again.
    pub fn seed_refused(&mut self, refused: &Refused) {
        // A valid name identifies the plugin; other files are identified by their file name.
        match refused.path.file_name() {
            Some(file) if matches!(super::kind::named(file), super::kind::Named::Invalid) => {
                self.invalid.insert(file.to_owned());
            }
            _ => self.entry(&refused.name).seed_refused(refused.clone()),
        }
    }

    /// Marks everything in a scan as reported.
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

    /// Makes the next poll soon, because something may have changed.
    pub const fn hint(&mut self) {
        self.is_hinted = true;
    }

    /// Makes the next poll soon, and has it read everything, even plugins that appear unchanged.
    pub fn recheck(&mut self) {
        self.entries.values_mut().for_each(Entry::recheck);
        self.hint();
    }

    /// Makes the next poll soon, and has a plugin reported even if it equals what was reported last.
    pub fn report_again(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.report_again();
        }
        self.hint();
    }

    /// Returns the time of the next poll, not before `now`.
    pub fn next_poll(&self, now: Duration) -> Duration {
        let Some(polled) = self.polled else {
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
        let next = settled.map_or(polled + wait, |due| due.min(polled + wait));
        next.max(now)
    }

    /// Reads the folder and returns the changes that have settled since the last poll, ordered by name.
    pub fn poll(&mut self, now: Duration) -> Vec<PluginChange> {
        self.polled = Some(now);
        self.is_hinted = false;
        match self.read_metadata() {
            Ok((mut changes, found)) => {
                if std::mem::take(&mut self.is_lost) {
                    changes.insert(0, PluginChange::FolderAvailable);
                    self.entries
                        .values_mut()
                        .for_each(|entry| entry.restart(now));
                }
                self.update_entries(now, found, changes)
            }
            Err(error) => self.mark_lost(&error),
        }
    }

    /// Reads the metadata of all known and new plugins.
    fn read_metadata(&mut self) -> Result<(Vec<PluginChange>, Found), WatchError> {
        let names = list::names(&self.folder)?;
        // Known plugins are looked up by path: a listing may miss a name that is being replaced, or be cut.
        let known = self.known.iter().filter(|name| list::is_valid(name));
        let mut found = Found::new();
        for name in self.entries.keys().chain(known) {
            let files = Files::stat(&self.folder, name)?;
            if !files.is_absent() || self.entries.contains_key(name) {
                found.insert(name.clone(), files);
            }
        }
        for name in &names.plugins {
            if found.len() < MAX_MODULES && !found.contains_key(name) {
                found.insert(name.clone(), Files::stat(&self.folder, name)?);
            }
        }
        for name in found.keys() {
            self.entry(name);
        }
        Ok((self.report_names(names), found))
    }

    /// Returns the reports about names: too many plugins, invalid names.
    fn report_names(&mut self, names: Names) -> Vec<PluginChange> {
        let mut changes = Vec::new();
        let mut plugins = names.plugins.iter();
        let is_over = names.is_cut || plugins.any(|name| !self.entries.contains_key(name));
        if is_over && !self.is_over {
            changes.push(PluginChange::Note(list::excess(&self.folder, &names)));
        }
        self.is_over = is_over;
        let invalid: BTreeSet<OsString> = names.invalid.into_iter().take(MAX_MODULES).collect();
        for file in invalid.difference(&self.invalid) {
            changes.push(PluginChange::Refused(list::refuse_invalid(
                &self.folder,
                file,
            )));
        }
        self.invalid = invalid;
        changes
    }

    fn update_entries(
        &mut self,
        now: Duration,
        mut found: Found,
        changes: Vec<PluginChange>,
    ) -> Vec<PluginChange> {
        let mut poll = Poll {
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
            files.is_none_or(|files| entry.poll(name, files, &mut poll))
        });
        self.plugins_read += poll.plugins_read;
        poll.changes
    }

    fn mark_lost(&mut self, error: &WatchError) -> Vec<PluginChange> {
        if std::mem::replace(&mut self.is_lost, true) {
            return Vec::new();
        }
        let why = error.to_string();
        vec![PluginChange::FolderUnavailable { why }]
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.entry(name.to_owned()).or_default()
    }
}
