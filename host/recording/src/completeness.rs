//! What is missing of a run, though every segment that is there is as it was written: what the reels say about each other.
//!
//! A run that is being written is only asked what is true at every moment. A run that was cut off is no damage: its last
//! segments may be open, and the end of the machine may have taken more of one reel than of the other.

use super::codec::RecordKind;
use super::{ACTIONS, EVENTS, RecordedRun, VerifyFault};
use anyhow::Result;
use std::path::PathBuf;
use tickdeck_journal::{Reader, Verified};

/// What was found of both reels, each if it is there at all.
pub(super) struct ReelPair<'a> {
    pub(super) run: &'a RecordedRun,
    pub(super) events: Option<&'a Verified>,
    pub(super) actions: Option<&'a Verified>,
}

/// What is missing, and what can't be told.
#[derive(Default)]
pub(super) struct MissingParts {
    pub(super) damage: Vec<VerifyFault>,
    pub(super) uncovered: Vec<VerifyFault>,
}

impl ReelPair<'_> {
    /// Whether there is a record on the events reel, and so what the run was made of.
    pub(super) fn has_begun(&self) -> bool {
        self.events.is_some_and(|events| events.records > 0)
    }

    /// Looks for what is missing; `written`: a host writes the run now.
    ///
    /// # Errors
    /// A reel can't be read.
    pub(super) fn gaps(&self, written: bool) -> Result<MissingParts> {
        let mut gaps = MissingParts::default();
        for (reel, verified) in [(EVENTS, self.events), (ACTIONS, self.actions)] {
            // Runs go as a whole, so a reel keeps its first segment as long as it is there.
            if verified.is_some_and(|verified| verified.first > 1) {
                gaps.damage(
                    self.segment(reel, 1),
                    "it is missing, and later ones are there",
                );
            }
        }
        if written {
            return Ok(gaps);
        }
        match (self.events, self.actions) {
            (Some(events), Some(actions)) => self.between(events, actions, &mut gaps)?,
            (None, Some(actions)) if actions.records > 0 => {
                let what = "it is missing, and the run's actions are there";
                gaps.damage(self.segment(EVENTS, 1), what);
            }
            // What the run was made of is durable on both reels before its first event.
            (Some(events), None) if events.records > 1 => {
                let what = "it is missing, and the run's events are there";
                gaps.damage(self.segment(ACTIONS, 1), what);
            }
            (None, None) => gaps.uncovered(
                self.run.folder.clone(),
                "there is nothing of the run: a host that is cut off as it begins leaves that",
            ),
            // It was cut off as it began.
            _ => {}
        }
        Ok(gaps)
    }

    /// Compares how far the reels reach.
    fn between(
        &self,
        events: &Verified,
        actions: &Verified,
        gaps: &mut MissingParts,
    ) -> Result<()> {
        if events.records == 0 && actions.records > 0 {
            let what = "it has no record, and the run's actions are there";
            gaps.damage(self.segment(EVENTS, events.first), what);
            return Ok(());
        }
        if self.is_of_another_run()? {
            let what = "it begins with what another run was made of";
            gaps.damage(self.segment(ACTIONS, actions.first), what);
        }
        let ended = self.run.has_ended();
        if !ended && actions.finished {
            let what = "it is missing: the one before it is closed, and the run does not end there";
            gaps.damage(self.segment(ACTIONS, actions.last + 1), what);
        }
        // Without an end and a whole last segment, the end of the machine may have taken the events.
        if (ended || events.finished) && self.run.reach()?.beyond.is_some() {
            let (number, what) = match events.sealed {
                true => (
                    events.last + 1,
                    "it is missing: what was decided on its events is there",
                ),
                false => (
                    events.last,
                    "events are missing at its end: what was decided on them is there",
                ),
            };
            gaps.damage(self.segment(EVENTS, number), what);
        }
        match (ended, events.sealed, actions.sealed) {
            // The events are closed before the actions are.
            (true, false, true) => {
                let what = "it is not closed, though the run has ended";
                gaps.damage(self.segment(EVENTS, events.last), what);
            }
            (true, _, false) => gaps.uncovered(
                self.segment(ACTIONS, actions.last),
                "the host was ended while it closed the run, so it is not certain that the last events are all there",
            ),
            _ => {}
        }
        Ok(())
    }

    /// Whether the actions begin with another session than the events.
    fn is_of_another_run(&self) -> Result<bool> {
        let first = |reel| -> Result<Option<Vec<u8>>> {
            let mut reader = Reader::open(&self.run.folder, reel)?;
            let record = reader.next()?;
            // A run that was cut off as it began, and went on, has it on the events reel only.
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
