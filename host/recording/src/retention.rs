//! What reels may take on the disk, kept to at the start of a host and while it runs.

use super::{DataReels, KeepRule};
use anyhow::Result;
use tickdeck_model::format::bytes;

/// What the reels of a data folder may take, as `[journal] keep_gib` says.
#[derive(Debug)]
pub struct RetentionBudget {
    reels: DataReels,
    keep_gib: u64,
    /// What was wrong at the last look, so that it is not told again at every one.
    wrong: Option<String>,
    /// Whether it was told that the last run alone takes more.
    exceeded: bool,
}

/// Something about the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetentionNote {
    /// What was removed.
    Removed(String),
    /// What the operator should look at.
    Warning(String),
}

impl RetentionBudget {
    /// So many GiB for the reels of a data folder.
    pub const fn new(reels: DataReels, keep_gib: u64) -> Self {
        Self {
            reels,
            keep_gib,
            wrong: None,
            exceeded: false,
        }
    }

    /// Removes old runs that ended, until the reels keep to the budget or nothing more may go, and gives what there is to say
    /// about it. The host trades all the same if that fails.
    pub fn make_room(&mut self) -> Vec<RetentionNote> {
        let mut said = Vec::new();
        let removed = self.remove_old(&mut said);
        self.tell_wrong(removed, &mut said);
        said
    }

    /// The same while a host runs; tells too, once, that its run alone takes more.
    pub fn look(&mut self) -> Vec<RetentionNote> {
        let mut said = Vec::new();
        let looked = self
            .remove_old(&mut said)
            .and_then(|()| self.look_at_last(&mut said));
        self.tell_wrong(looked, &mut said);
        said
    }

    fn tell_wrong(&mut self, done: Result<()>, said: &mut Vec<RetentionNote>) {
        let wrong = done.err().map(|error| format!("{error:#}"));
        if let Some(error) = wrong.as_ref().filter(|_| wrong != self.wrong) {
            let words = format!("no room was made for new runs: {error}");
            said.push(RetentionNote::Warning(words));
        }
        self.wrong = wrong;
    }

    fn remove_old(&self, said: &mut Vec<RetentionNote>) -> Result<()> {
        self.reels.clear_leftovers()?;
        for old in self.reels.too_many(KeepRule::Bytes(self.keep_gib << 30))? {
            self.reels.remove(&old.run)?;
            let (number, bytes) = (old.run.number, bytes(old.bytes));
            said.push(RetentionNote::Removed(format!(
                "removed run {number}, {bytes}: [journal] keep_gib is {}",
                self.keep_gib
            )));
        }
        Ok(())
    }

    /// The run that goes on is never cut, whatever it takes: to go on after a crash, it is done again from its beginning.
    fn look_at_last(&mut self, said: &mut Vec<RetentionNote>) -> Result<()> {
        let runs = self.reels.runs()?;
        let Some(last) = runs.last().filter(|_| !self.exceeded) else {
            return Ok(());
        };
        let size = last.bytes()?;
        if size > self.keep_gib << 30 && last.is_written() {
            self.exceeded = true;
            said.push(RetentionNote::Warning(format!(
                "run {} alone takes {}, more than [journal] keep_gib = {} allows, and nothing of it goes while it runs, as going \
                 on after a crash needs all of it: raise keep_gib, or end this host and start it anew",
                last.number,
                bytes(size),
                self.keep_gib
            )));
        }
        Ok(())
    }
}

impl RetentionNote {
    /// As a line on standard error.
    pub fn line(&self) -> String {
        match self {
            Self::Removed(words) => words.clone(),
            Self::Warning(words) => format!("warning: {words}"),
        }
    }
}
