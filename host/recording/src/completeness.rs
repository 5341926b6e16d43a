//! Finds the missing parts of a run whose existing segments are intact, from what the reels say about each other.
//!
//! For a run that is being written, only invariants that hold at every moment are checked. An interrupted run is not damaged:
//! its last segments may be open, and a machine crash may have lost more of one reel than of the other.

use crate::codec::RecordKind;
use crate::layout::{ACTIONS, EVENTS};
use crate::runs::RecordedRun;
use crate::verify_fault::VerifyFault;
use anyhow::Result;
use std::path::PathBuf;
use tickdeck_journal::{Reader, Verified};

/// The results for both reels of a run, each if the reel exists.
pub(super) struct ReelPair<'a> {
    pub(super) run: &'a RecordedRun,
    pub(super) events: Option<&'a Verified>,
    pub(super) actions: Option<&'a Verified>,
}

/// The missing parts of a run, and the files that can't be judged.
#[derive(Default)]
pub(super) struct MissingParts {
    pub(super) damage: Vec<VerifyFault>,
    pub(super) uncovered: Vec<VerifyFault>,
}

impl ReelPair<'_> {
    /// Returns whether the events reel has a record, and so the run's manifest.
    pub(super) fn has_begun(&self) -> bool {
        self.events.is_some_and(|events| events.records > 0)
    }

    /// Finds the missing parts; `written` says that a host writes the run now.
    ///
    /// # Errors
    /// A reel can't be read.
    pub(super) fn missing_parts(&self, written: bool) -> Result<MissingParts> {
        let mut missing = MissingParts::default();
        for (reel, verified) in [(EVENTS, self.events), (ACTIONS, self.actions)] {
            // Runs are removed as a whole, so a reel has its first segment as long as it exists.
            if verified.is_some_and(|verified| verified.first > 1) {
                missing.damage(self.segment(reel, 1), "it is missing, and later ones exist");
            }
        }
        if written {
            return Ok(missing);
        }
        match (self.events, self.actions) {
            (Some(events), Some(actions)) => self.between(events, actions, &mut missing)?,
            (None, Some(actions)) if actions.records > 0 => {
                let what = "it is missing, and the run's actions exist";
                missing.damage(self.segment(EVENTS, 1), what);
            }
            // The manifest is durable on both reels before the first event.
            (Some(events), None) if events.records > 1 => {
                let what = "it is missing, and the run's events exist";
                missing.damage(self.segment(ACTIONS, 1), what);
            }
            (None, None) => missing.uncovered(
                self.run.folder.clone(),
                "the run is empty: left by a host that was killed during startup",
            ),
            // The run was interrupted while it started.
            _ => {}
        }
        Ok(missing)
    }

    /// Compares the ends of the reels.
    fn between(
        &self,
        events: &Verified,
        actions: &Verified,
        missing: &mut MissingParts,
    ) -> Result<()> {
        if events.records == 0 && actions.records > 0 {
            let what = "it has no record, and the run's actions exist";
            missing.damage(self.segment(EVENTS, events.first), what);
            return Ok(());
        }
        if self.is_of_another_run()? {
            let what = "it begins with the manifest of another run";
            missing.damage(self.segment(ACTIONS, actions.first), what);
        }
        let ended = self.run.has_ended();
        if !ended && actions.finished {
            let what = "it is missing: the one before it is closed, and the run does not end there";
            missing.damage(self.segment(ACTIONS, actions.last + 1), what);
        }
        // Without a clean end and a whole last segment, a machine crash may have lost the events.
        if (ended || events.finished) && self.run.usable_range()?.beyond.is_some() {
            let (number, what) = match events.sealed {
                true => (
                    events.last + 1,
                    "it is missing: decisions on its events exist",
                ),
                false => (
                    events.last,
                    "events are missing at its end: decisions on them exist",
                ),
            };
            missing.damage(self.segment(EVENTS, number), what);
        }
        match (ended, events.sealed, actions.sealed) {
            // The events are closed before the actions are.
            (true, false, true) => {
                let what = "it is not closed, though the run has ended";
                missing.damage(self.segment(EVENTS, events.last), what);
            }
            (true, _, false) => missing.uncovered(
                self.segment(ACTIONS, actions.last),
                "the host was killed while closing the run, so the last events may be incomplete",
            ),
            _ => {}
        }
        Ok(())
    }

    /// Returns whether the actions reel begins with another manifest than the events reel.
    fn is_of_another_run(&self) -> Result<bool> {
        let first = |reel| -> Result<Option<Vec<u8>>> {
            let mut reader = Reader::open(&self.run.folder, reel)?;
            let record = reader.next()?;
            // A run that was interrupted while it started, and resumed, has it on the events reel only.
            let manifest = record.filter(|record| record.kind == RecordKind::Session as u16);
            Ok(manifest.map(|record| record.payload.to_vec()))
        };
        let (events, actions) = (first(EVENTS)?, first(ACTIONS)?);
        Ok(events.is_some() && actions.is_some() && events != actions)
    }

    fn segment(&self, reel: &str, number: u64) -> PathBuf {
        self.run.folder.join(format!("{reel}-{number:06}.reel"))
    }
}

impl MissingParts {
    fn damage(&mut self, file: PathBuf, what: &str) {
        self.damage.push(found(file, what));
    }

    fn uncovered(&mut self, file: PathBuf, what: &str) {
        self.uncovered.push(found(file, what));
    }
}

fn found(file: PathBuf, what: &str) -> VerifyFault {
    let (offset, what) = (None, what.to_owned());
    VerifyFault { file, offset, what }
}
