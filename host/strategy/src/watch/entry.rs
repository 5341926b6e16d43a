//! One plugin of the folder: what was seen of it, and what was said about it.

use super::files::Files;
use super::read::{Verdict, judge};
use super::settle::{Phase, Step, Times};
use super::{Change, Fingerprint, Refused};
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
    pub(super) changes: Vec<Change>,
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
        if let Phase::Settling { .. } = self.phase {
            self.phase = Phase::changed(now);
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
            look.changes.push(Change::Gone { name });
        }
    }

    /// Reads what has settled, and says what is new about it.
    fn judge(&mut self, name: &str, files: &Files, look: &mut Look<'_>) {
        let verdict = look.judge(name, files);
        let Some(passing) = passing(&verdict) else {
            if let Phase::Settling { changed, .. } = &mut self.phase {
                *changed = look.now;
            }
            return;
        };
        self.settle(files, passing, look);
        if self.knows(&verdict) {
            return;
        }
        match verdict {
            Verdict::Valid(plugin) => {
                self.refused = None;
                let fingerprint = plugin.fingerprint();
                if self.given.replace(fingerprint) != Some(fingerprint) {
                    look.changes.push(Change::Ready(plugin));
                }
            }
            Verdict::Refused { refused, .. } => {
                self.refused = Some(refused.clone());
                look.changes.push(Change::Refused(refused));
            }
            Verdict::Changed => {}
        }
    }

    /// Reads what may have changed unseen; if it did, it settles like any change.
    fn verify(&mut self, name: &str, files: &Files, look: &mut Look<'_>) {
        let verdict = look.judge(name, files);
        match passing(&verdict) {
            Some(passing) if self.knows(&verdict) => self.settle(files, passing, look),
            _ => self.phase = Phase::changed(look.now),
        }
    }

    fn settle(&mut self, files: &Files, passing: bool, look: &Look<'_>) {
        self.phase = Phase::Settled {
            doubtful: passing || files.are_fresh(look.wall),
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

/// Whether it may be another one later by itself; nothing if the files changed while they were read.
const fn passing(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Valid(_) => Some(false),
        Verdict::Refused { passing, .. } => Some(*passing),
        Verdict::Changed => None,
    }
}
