//! One plugin of the folder: its last observed state, and the last reports about it.

use super::change::{PluginChange, Refused};
use super::files::Files;
use super::plugin::Fingerprint;
use super::read::{Retry, Verdict, read_plugin};
use super::settle::{Phase, Step, Times};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The context that all plugins of one poll share.
pub(super) struct Poll<'a> {
    pub(super) folder: &'a Path,
    pub(super) times: &'a Times,
    pub(super) now: Duration,
    pub(super) wall: SystemTime,
    pub(super) bytes_read: u64,
    /// Maximum number of bytes to read, exceeded by at most one plugin.
    pub(super) budget: u64,
    pub(super) plugins_read: u64,
    pub(super) changes: Vec<PluginChange>,
}

impl Poll<'_> {
    fn read(&mut self, name: &str, files: &Files) -> Verdict {
        self.plugins_read += 1;
        read_plugin(self.folder, name, files, &mut self.bytes_read)
    }
}

/// A plugin that is or was in the folder.
#[derive(Debug)]
pub(super) struct Entry {
    /// The files at the last poll.
    seen: Option<Files>,
    phase: Phase,
    /// The content last reported as ready.
    reported: Option<Fingerprint>,
    /// Whether that report was useless because the files had changed by the time they were read again.
    was_outrun: bool,
    /// The last refusal, unless the plugin has been valid since.
    refused: Option<Refused>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            seen: None,
            phase: Phase::Settled { recheck: false },
            reported: None,
            was_outrun: false,
            refused: None,
        }
    }
}

impl Entry {
    pub(super) fn seed(&mut self, fingerprint: Fingerprint) {
        self.reported = Some(fingerprint);
    }

    pub(super) fn seed_refused(&mut self, refused: Refused) {
        self.refused = Some(refused);
    }

    /// Restarts settling after a time in which the folder could not be read.
    pub(super) fn restart(&mut self, now: Duration) {
        match self.phase {
            Phase::Settled { .. } => {}
            Phase::Settling { .. } | Phase::Unfinished { .. } => self.phase = Phase::changed(now),
        }
    }

    /// Makes the next poll read the plugin even if it appears unchanged.
    pub(super) fn recheck(&mut self) {
        if let Phase::Settled { recheck } = &mut self.phase {
            *recheck = true;
        }
    }

    /// Has the plugin reported even if it equals what was reported last.
    pub(super) fn report_again(&mut self) {
        self.was_outrun = true;
        self.recheck();
    }

    pub(super) fn due(&self, times: &Times) -> Option<Duration> {
        let absent = self.seen.as_ref().is_some_and(Files::is_absent);
        self.phase.due(absent, times)
    }

    /// Processes one poll. Returns whether the entry is still needed.
    pub(super) fn poll(&mut self, name: &str, files: Files, poll: &mut Poll<'_>) -> bool {
        let same = self.seen.as_ref() == Some(&files);
        let (phase, step) = self
            .phase
            .poll(same, files.is_absent(), poll.now, poll.times);
        self.phase = phase;
        let keep = match step {
            _ if poll.bytes_read >= poll.budget => true,
            Step::Wait => true,
            Step::Read if files.is_absent() => {
                self.report_removal(name, poll);
                false
            }
            Step::Read => {
                self.read(name, &files, poll);
                true
            }
            Step::Verify => {
                self.verify(name, &files, poll);
                true
            }
        };
        self.seen = Some(files);
        keep
    }

    fn report_removal(&self, name: &str, poll: &mut Poll<'_>) {
        if self.reported.is_some() {
            let name = name.to_owned();
            poll.changes.push(PluginChange::Removed { name });
        }
    }

    /// Reads a settled plugin and reports what is new.
    fn read(&mut self, name: &str, files: &Files, poll: &mut Poll<'_>) {
        let verdict = poll.read(name, files);
        let known = self.is_known(&verdict);
        match (self.phase, retry(&verdict)) {
            (Phase::Settling { since, .. }, None) => {
                let changed = poll.now;
                self.phase = Phase::Settling { since, changed };
                return;
            }
            (_, None) => {
                self.phase = Phase::changed(poll.now);
                return;
            }
            (Phase::Settling { changed, .. }, Some(Retry::Unfinished)) if !known => {
                self.phase = Phase::Unfinished { changed };
                return;
            }
            (_, Some(retry)) => self.settle(files, retry, poll),
        }
        if !known {
            self.report(verdict, poll);
        }
    }

    fn report(&mut self, verdict: Verdict, poll: &mut Poll<'_>) {
        match verdict {
            Verdict::Valid(plugin) => {
                self.refused = None;
                let fingerprint = plugin.fingerprint();
                let was_outrun = std::mem::take(&mut self.was_outrun);
                if self.reported.replace(fingerprint) != Some(fingerprint) || was_outrun {
                    poll.changes.push(PluginChange::Ready(plugin));
                }
            }
            Verdict::Refused { refused, .. } => {
                self.refused = Some(refused.clone());
                poll.changes.push(PluginChange::Refused(refused));
            }
            Verdict::Changed => {}
        }
    }

    /// Reads a plugin that may have changed unnoticed; if it did, it settles like any change.
    fn verify(&mut self, name: &str, files: &Files, poll: &mut Poll<'_>) {
        let verdict = poll.read(name, files);
        match retry(&verdict) {
            Some(retry) if self.is_known(&verdict) => self.settle(files, retry, poll),
            _ => self.phase = Phase::changed(poll.now),
        }
    }

    fn settle(&mut self, files: &Files, retry: Retry, poll: &Poll<'_>) {
        self.phase = Phase::Settled {
            recheck: retry == Retry::AnyTime || files.are_fresh(poll.wall),
        };
    }

    /// Whether the verdict was already reported.
    fn is_known(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Valid(plugin) => {
                let is_reported = self.reported == Some(plugin.fingerprint());
                is_reported && self.refused.is_none() && !self.was_outrun
            }
            Verdict::Refused { refused, .. } => self.refused.as_ref() == Some(refused),
            Verdict::Changed => false,
        }
    }
}

/// When the verdict may change; `None` if the files changed while they were read.
const fn retry(verdict: &Verdict) -> Option<Retry> {
    match verdict {
        Verdict::Valid(_) => Some(Retry::AfterChange),
        Verdict::Refused { retry, .. } => Some(*retry),
        Verdict::Changed => None,
    }
}
