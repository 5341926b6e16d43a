//! One plugin of the folder: what was seen of it, and what was said about it.

use super::change::{PluginChange, Refused};
use super::files::Files;
use super::plugin::Fingerprint;
use super::read::{Hope, Verdict, judge};
use super::settle::{Phase, Step, Times};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What is the same for all plugins of one look.
pub(super) struct Look<'a> {
    pub(super) folder: &'a Path,
    pub(super) times: &'a Times,
    pub(super) now: Duration,
    pub(super) wall: SystemTime,
    pub(super) bytes_read: u64,
    /// Most bytes that are read, give or take a plugin.
    pub(super) budget: u64,
    pub(super) plugins_read: u64,
    pub(super) changes: Vec<PluginChange>,
}

impl Look<'_> {
    fn judge(&mut self, name: &str, files: &Files) -> Verdict {
        self.plugins_read += 1;
        judge(self.folder, name, files, &mut self.bytes_read)
    }
}

/// A plugin that is or was in the folder.
#[derive(Debug)]
pub(super) struct Entry {
    /// As of the last look.
    seen: Option<Files>,
    phase: Phase,
    /// What was last handed out.
    given: Option<Fingerprint>,
    /// What was last refused, unless it has been good since.
    refused: Option<Refused>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            seen: None,
            phase: Phase::Settled { doubtful: false },
            given: None,
            refused: None,
        }
    }
}

impl Entry {
    pub(super) fn seed(&mut self, fingerprint: Fingerprint) {
        self.given = Some(fingerprint);
    }

    pub(super) fn seed_refused(&mut self, refused: Refused) {
        self.refused = Some(refused);
    }

    /// Starts settling anew, after a time in which nothing could be seen.
    pub(super) fn restart(&mut self, now: Duration) {
        match self.phase {
            Phase::Settled { .. } => {}
            Phase::Settling { .. } | Phase::Unfinished { .. } => self.phase = Phase::changed(now),
        }
    }

    /// Lets the next look read it, whatever it looks like.
    pub(super) fn doubt(&mut self) {
        if let Phase::Settled { doubtful } = &mut self.phase {
            *doubtful = true;
        }
    }

    pub(super) fn due(&self, times: &Times) -> Option<Duration> {
        let absent = self.seen.as_ref().is_some_and(Files::is_absent);
        self.phase.due(absent, times)
    }

    /// Takes one look into account. Returns whether there is anything left to remember.
    pub(super) fn look(&mut self, name: &str, files: Files, look: &mut Look<'_>) -> bool {
        let same = self.seen.as_ref() == Some(&files);
        let (phase, step) = self
            .phase
            .look(same, files.is_absent(), look.now, look.times);
        self.phase = phase;
        let keep = match step {
            _ if look.bytes_read >= look.budget => true,
            Step::Wait => true,
            Step::Judge if files.is_absent() => {
                self.is_gone(name, look);
                false
            }
            Step::Judge => {
                self.judge(name, &files, look);
                true
            }
            Step::Verify => {
                self.verify(name, &files, look);
                true
            }
        };
        self.seen = Some(files);
        keep
    }

    fn is_gone(&self, name: &str, look: &mut Look<'_>) {
        if self.given.is_some() {
            let name = name.to_owned();
            look.changes.push(PluginChange::Gone { name });
        }
    }

    /// Reads what has settled, and says what is new about it.
    fn judge(&mut self, name: &str, files: &Files, look: &mut Look<'_>) {
        let verdict = look.judge(name, files);
        let known = self.knows(&verdict);
        match (self.phase, hope(&verdict)) {
            (Phase::Settling { since, .. }, None) => {
                let changed = look.now;
                self.phase = Phase::Settling { since, changed };
                return;
            }
            (_, None) => {
                self.phase = Phase::changed(look.now);
                return;
            }
            (Phase::Settling { changed, .. }, Some(Hope::Unfinished)) if !known => {
                self.phase = Phase::Unfinished { changed };
                return;
            }
            (_, Some(hope)) => self.settle(files, hope, look),
        }
        if !known {
            self.say(verdict, look);
        }
    }

    fn say(&mut self, verdict: Verdict, look: &mut Look<'_>) {
        match verdict {
            Verdict::Valid(plugin) => {
                self.refused = None;
                let fingerprint = plugin.fingerprint();
                if self.given.replace(fingerprint) != Some(fingerprint) {
                    look.changes.push(PluginChange::Ready(plugin));
                }
            }
            Verdict::Refused { refused, .. } => {
                self.refused = Some(refused.clone());
                look.changes.push(PluginChange::Refused(refused));
            }
            Verdict::Changed => {}
        }
    }

    /// Reads what may have changed unseen; if it did, it settles like any change.
    fn verify(&mut self, name: &str, files: &Files, look: &mut Look<'_>) {
        let verdict = look.judge(name, files);
        match hope(&verdict) {
            Some(hope) if self.knows(&verdict) => self.settle(files, hope, look),
            _ => self.phase = Phase::changed(look.now),
        }
    }

    fn settle(&mut self, files: &Files, hope: Hope, look: &Look<'_>) {
        self.phase = Phase::Settled {
            doubtful: hope == Hope::Passing || files.are_fresh(look.wall),
        };
    }

    /// Whether there is nothing new in it.
    fn knows(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Valid(plugin) => {
                self.refused.is_none() && self.given == Some(plugin.fingerprint())
            }
            Verdict::Refused { refused, .. } => self.refused.as_ref() == Some(refused),
            Verdict::Changed => false,
        }
    }
}

/// Whether it may be another one later; nothing if the files changed while they were read.
const fn hope(verdict: &Verdict) -> Option<Hope> {
    match verdict {
        Verdict::Valid(_) => Some(Hope::None),
        Verdict::Refused { hope, .. } => Some(*hope),
        Verdict::Changed => None,
    }
}
