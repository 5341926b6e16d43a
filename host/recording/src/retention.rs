//! The disk budget of the reels, enforced at the start of a host and while it runs.

use crate::prune::KeepRule;
use crate::runs::DataReels;
use anyhow::Result;
use tickdeck_model::format::bytes;

/// The disk budget of a data folder's reels: `[journal] keep_gib`.
#[derive(Debug)]
pub struct RetentionBudget {
    reels: DataReels,
    keep_gib: u64,
    /// The last failure, so that it is not reported again at every check.
    failure: Option<String>,
    /// Whether it was reported that the last run alone takes more.
    exceeded: bool,
}

/// A message about the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetentionNote {
    /// A run was removed.
    Removed(String),
    /// The operator should look at this.
    Warning(String),
}

impl RetentionBudget {
    /// Allows the reels of a data folder `keep_gib` GiB.
    pub const fn new(reels: DataReels, keep_gib: u64) -> Self {
        Self {
            reels,
            keep_gib,
            failure: None,
            exceeded: false,
        }
    }

    /// Removes old runs that have ended until the reels are within the budget or nothing more may be removed, and returns
    /// messages about it. A failure is a message too: the host trades anyway.
    pub fn enforce(&mut self) -> Vec<RetentionNote> {
        let mut notes = Vec::new();
        let removed = self.remove_old(&mut notes);
        self.report_failure(removed, &mut notes);
        notes
    }

    /// Enforces the budget while a host runs; also reports, once, that its run alone takes more.
    pub fn check(&mut self) -> Vec<RetentionNote> {
        let mut notes = Vec::new();
        let checked = self
            .remove_old(&mut notes)
            .and_then(|()| self.check_last(&mut notes));
        self.report_failure(checked, &mut notes);
        notes
    }

    fn report_failure(&mut self, done: Result<()>, notes: &mut Vec<RetentionNote>) {
        let failure = done.err().map(|error| format!("{error:#}"));
        if let Some(error) = failure.as_ref().filter(|_| failure != self.failure) {
            let text = format!("old runs could not be removed: {error}");
            notes.push(RetentionNote::Warning(text));
        }
        self.failure = failure;
    }

    fn remove_old(&self, notes: &mut Vec<RetentionNote>) -> Result<()> {
        self.reels.clear_leftovers()?;
        let prunable = self.reels.prunable(KeepRule::Bytes(self.keep_gib << 30))?;
        let removes = !prunable.is_empty();
        for old in prunable {
            self.reels.remove(&old.run)?;
            let (number, bytes) = (old.run.number, bytes(old.bytes));
            notes.push(RetentionNote::Removed(format!(
                "removed run {number}, {bytes}: [journal] keep_gib is {}",
                self.keep_gib
            )));
        }
        if removes {
            self.reels.remove_unused_modules()?;
        }
        Ok(())
    }

    /// Reports if the running run exceeds the budget. It is never shortened, because resuming it replays it from its beginning.
    fn check_last(&mut self, notes: &mut Vec<RetentionNote>) -> Result<()> {
        let runs = self.reels.runs()?;
        let Some(last) = runs.last().filter(|_| !self.exceeded) else {
            return Ok(());
        };
        let size = last.bytes()?;
        if size > self.keep_gib << 30 && last.is_written() {
            self.exceeded = true;
            notes.push(RetentionNote::Warning(format!(
                "run {} alone takes {}, more than [journal] keep_gib = {} allows, and nothing of it is removed while it runs, as \
                 resuming it after a crash needs all of it: raise keep_gib, or stop this host and start it again",
                last.number,
                bytes(size),
                self.keep_gib
            )));
        }
        Ok(())
    }
}

impl RetentionNote {
    /// Returns the message as a line on standard error.
    pub fn line(&self) -> String {
        match self {
            Self::Removed(text) => text.clone(),
            Self::Warning(text) => format!("warning: {text}"),
        }
    }
}
