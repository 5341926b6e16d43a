//! Removes old runs.

use super::{ACTIONS, DataReels, EVENTS, REELS, RecordedRun};
use anyhow::{Context, Result};
use std::path::Path;

/// What is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepRule {
    /// As many runs, the last ones.
    Runs(u64),
    /// As many bytes of reels, the last ones.
    Bytes(u64),
}

/// A run that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunableRun {
    /// Which.
    pub run: RecordedRun,
    /// What it takes.
    pub bytes: u64,
}

impl RecordedRun {
    /// Bytes of its reels.
    ///
    /// # Errors
    /// Its folder can't be read.
    pub fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(&self.folder)
            .with_context(|| format!("cannot read {}", self.folder.display()))?
        {
            // A segment that is gone by now takes nothing.
            bytes += entry?.metadata().map_or(0, |about| about.len());
        }
        Ok(bytes)
    }

    /// Whether a host writes it now.
    pub fn is_written(&self) -> bool {
        // The events' lock is the first to be taken, the actions' the last to be given back.
        [ACTIONS, EVENTS].iter().any(|reel| {
            let lock = std::fs::File::open(self.folder.join(format!("{reel}.lock")));
            lock.is_ok_and(|lock| {
                matches!(
                    lock.try_lock_shared(),
                    Err(std::fs::TryLockError::WouldBlock)
                )
            })
        })
    }

    /// Whether it ended in order.
    fn is_finished(&self) -> bool {
        self.has_ended() && !self.is_written()
    }
}

impl DataReels {
    /// The runs that have to go so that no more stays than is to be kept, oldest first. The last run never goes, and neither
    /// does one that is running or was cut off: it may be gone on with.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn too_many(&self, keep: KeepRule) -> Result<Vec<PrunableRun>> {
        let mut runs = Vec::new();
        for run in self.runs()? {
            let bytes = run.bytes()?;
            runs.push(PrunableRun { run, bytes });
        }
        let mut bytes: u64 = runs.iter().map(|old| old.bytes).sum();
        let mut count = runs.len() as u64;
        runs.pop();
        let mut gone = Vec::new();
        for old in runs {
            let enough = match keep {
                KeepRule::Runs(most) => count <= most,
                KeepRule::Bytes(most) => bytes <= most,
            };
            if enough {
                break;
            }
            if old.run.is_finished() {
                count -= 1;
                bytes -= old.bytes;
                gone.push(old);
            }
        }
        Ok(gone)
    }

    /// Removes a run. Whatever breaks it off, the run is there whole or not at all.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove(&self, run: &RecordedRun) -> Result<()> {
        let reels = self.data().join(REELS);
        let gone = reels.join(format!(".{:06}.gone", run.number));
        std::fs::rename(&run.folder, &gone)
            .with_context(|| format!("cannot remove {}", run.folder.display()))?;
        clear(&gone)
    }

    /// Removes what a removal that was broken off left.
    ///
    /// # Errors
    /// The system refuses.
    pub fn clear_leftovers(&self) -> Result<()> {
        let reels = self.data().join(REELS);
        let Ok(listed) = std::fs::read_dir(&reels) else {
            return Ok(());
        };
        for entry in listed {
            let entry = entry.with_context(|| format!("cannot read {}", reels.display()))?;
            let name = entry.file_name();
            if name
                .to_str()
                .is_some_and(|name| name.starts_with('.') && name.ends_with(".gone"))
            {
                clear(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn clear(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        // Somebody else who makes room was faster.
        Err(_) if !folder.exists() => Ok(()),
        cleared => cleared.with_context(|| format!("cannot remove {}", folder.display())),
    }
}
