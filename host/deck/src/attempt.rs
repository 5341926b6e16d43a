//! One attempt to start a deck or to resume its interrupted run, so that a crash of the host does not repeat itself.
//!
//! An attempt is on disk before the first strategy is called, together with what is known about how earlier hosts died, and is
//! removed once it has succeeded. A strategy that is to blame for a host's death is left out and quarantined until an operator
//! lets it run again.

use crate::assemble::DeckParts;
use crate::call_marks::{CallMarks, LastProcess};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tickdeck_journal::unix_ns;
use tickdeck_model::untrusted::kept;
use tickdeck_recording::{DeathPhase, GuestCall, Quarantine, QuarantinedModule, ResumeAttempts};

/// An attempt to start a deck, or to resume its run.
pub(crate) struct Attempt {
    record: ResumeAttempts,
    marks: CallMarks,
    quarantine: Quarantine,
}

impl Attempt {
    /// Reads how the last host ended, and begins an attempt at the interrupted run with this number, or at a new one. A deck that
    /// records nothing has no attempts.
    ///
    /// # Errors
    /// The data folder can't be read or written.
    pub(crate) fn begin(parts: &mut DeckParts, run: Option<u32>) -> Result<Option<Self>> {
        let Some(data) = data_of(parts) else {
            return Ok(None);
        };
        let number = run.unwrap_or_default();
        let (last, marks) = CallMarks::open(&data)?;
        let quarantine = Quarantine::load(&data)?;
        let mut record = ResumeAttempts::load(&data, number)?;
        if let Some(LastProcess { run, death }) = last
            && run == number
            && (number > 0 || death.phase == DeathPhase::Starting)
            && let phase = death.phase
            && let Some(call) = record.died(death)
        {
            let why = blame(&call, phase, number);
            match phase {
                // What was being loaded is not part of the run.
                DeathPhase::Running => {
                    quarantine_in_folder(parts, &quarantine, &call.strategy, &why)?
                }
                _ => record.leave_out(&call.strategy, &why),
            }
        }
        (parts.marks, parts.quarantine) = (marks.clone(), quarantine.clone());
        let mut attempt = Self {
            record,
            marks,
            quarantine,
        };
        attempt.mark()?;
        if run.is_none() {
            attempt.keep_from_starting(parts)?;
        }
        Ok(Some(attempt))
    }

    /// The strategies that are left out, with the reasons.
    pub(crate) const fn left_out(&self) -> &BTreeMap<String, String> {
        &self.record.left_out
    }

    /// Leaves a strategy out of the next attempt, which begins now.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub(crate) fn leave_out(&mut self, strategy: &str, why: &str) -> Result<()> {
        self.record.leave_out(strategy, &kept(why));
        self.mark()
    }

    /// Quarantines a strategy with this module until an operator allows it.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub(crate) fn quarantine(&self, strategy: &str, module: &str, why: &str) -> Result<()> {
        enter(&self.quarantine, strategy, module, why)
    }

    /// The deck has started, and trades in the run of this number.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub(crate) fn succeeded(self, run: u32) -> Result<()> {
        self.marks.set_phase(DeathPhase::Running, run);
        self.record.succeeded()
    }

    /// Marks this attempt as being in progress.
    fn mark(&mut self) -> Result<()> {
        self.record.begin()?;
        let phase = match self.record.run {
            0 => DeathPhase::Starting,
            _ => DeathPhase::Resuming,
        };
        self.marks.set_phase(phase, self.record.run);
        Ok(())
    }

    /// Quarantines the strategies that the start of a new run leaves out: nothing of them has to be replayed.
    fn keep_from_starting(&self, parts: &DeckParts) -> Result<()> {
        for (strategy, why) in self.left_out() {
            quarantine_in_folder(parts, &self.quarantine, strategy, why)?;
        }
        Ok(())
    }
}

/// Quarantines a strategy with the module that is in the plugins folder.
fn quarantine_in_folder(
    parts: &DeckParts,
    quarantine: &Quarantine,
    strategy: &str,
    why: &str,
) -> Result<()> {
    let settings = parts.config.strategies.get(strategy);
    let plugin = settings.and_then(|settings| settings.plugin.as_ref());
    let plugin = plugin.map_or(strategy, |plugin| plugin.value.as_str());
    let mut plugins = parts.scan.plugins.iter();
    match plugins.find(|other| other.name == plugin) {
        Some(found) => enter(quarantine, strategy, &found.hash.to_string(), why),
        None => Ok(()),
    }
}

fn enter(quarantine: &Quarantine, strategy: &str, module: &str, why: &str) -> Result<()> {
    let entry = QuarantinedModule {
        module: module.to_owned(),
        why: why.to_owned(),
        at_ns: unix_ns(),
    };
    quarantine.enter(strategy, entry)
}

/// Returns what a call did to the host.
fn blame(call: &GuestCall, phase: DeathPhase, run: u32) -> String {
    let function = &call.function;
    let place = match (call.events, run) {
        _ if phase == DeathPhase::Running => format!("{function}, when it was loaded"),
        (_, 0) => format!("{function}, when the deck started"),
        ((first, _), run) if function == "on-events" => {
            format!("{function} at event {first}, when run {run} was resumed")
        }
        (_, run) => format!("{function}, when run {run} was resumed"),
    };
    format!("the host repeatedly died in its {place}")
}

fn data_of(parts: &DeckParts) -> Option<PathBuf> {
    let journal = parts.journal.as_ref()?;
    Some(journal.reels.data().to_owned())
}
