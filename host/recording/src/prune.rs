//! Removes old runs.

use crate::layout::{ACTIONS, EVENTS, REELS};
use crate::runs::{DataReels, RecordedRun};
use anyhow::{Context, Result};
use std::path::Path;
use tickdeck_files::open_plain;
use tickdeck_journal::atomic_file::sync_entry;

/// The amount that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepRule {
    /// This number of runs, the last ones.
    Runs(u64),
    /// This many bytes of reels, the last ones.
    Bytes(u64),
}

/// A run that may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunableRun {
    /// The run.
    pub run: RecordedRun,
    /// Bytes of its reels.
    pub bytes: u64,
}

impl RecordedRun {
    /// Returns the bytes of the run's reels.
    ///
    /// # Errors
    /// Its folder can't be read.
    pub fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(&self.folder)
            .with_context(|| format!("cannot read {}", self.folder.display()))?
        {
            // A segment that was removed in the meantime takes no space.
            bytes += entry?.metadata().map_or(0, |about| about.len());
        }
        Ok(bytes)
    }

    /// Returns whether a host is writing the run.
    pub fn is_written(&self) -> bool {
        // The events' lock is taken first, the actions' lock is released last.
        [ACTIONS, EVENTS].iter().any(|reel| {
            let lock = open_plain(&self.folder.join(format!("{reel}.lock")));
            lock.is_ok_and(|lock| {
                matches!(
                    lock.try_lock_shared(),
                    Err(std::fs::TryLockError::WouldBlock)
                )
            })
        })
    }

    /// Returns whether the run has ended cleanly and no host holds it.
    fn is_finished(&self) -> bool {
        self.has_ended() && !self.is_written()
    }
}

impl DataReels {
    /// Lists the runs to remove so that no more than the rule allows is kept, oldest first. Neither the last run is among them nor
    /// one that is running or was interrupted: it may be resumed.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn prunable(&self, keep: KeepRule) -> Result<Vec<PrunableRun>> {
        let mut runs = Vec::new();
        for run in self.runs()? {
            let bytes = run.bytes()?;
            runs.push(PrunableRun { run, bytes });
        }
        let mut bytes: u64 = runs.iter().map(|old| old.bytes).sum();
        let mut count = runs.len() as u64;
        runs.pop();
        let mut prunable = Vec::new();
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
                prunable.push(old);
            }
        }
        Ok(prunable)
    }

    /// Removes a run atomically: after any interruption, the run is there completely or not at all.
    ///
    /// # Errors
    /// The run can't be renamed, synced or removed.
    pub fn remove(&self, run: &RecordedRun) -> Result<()> {
        let reels = self.data().join(REELS);
        let hidden = reels.join(format!(".{:06}.gone", run.number));
        std::fs::rename(&run.folder, &hidden)
            .with_context(|| format!("cannot remove {}", run.folder.display()))?;
        // Otherwise a power cut could bring back the run's name with only some of its files.
        sync_entry(&hidden).with_context(|| format!("cannot remove {}", run.folder.display()))?;
        clear(&hidden)
    }

    /// Removes the remains of interrupted removals.
    ///
    /// # Errors
    /// They can't be removed.
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
                // The run's name must be gone for good before its files are: a power cut could bring it back.
                sync_entry(&entry.path())?;
                clear(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn clear(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        // Another process that prunes was faster.
        Err(_) if !folder.exists() => Ok(()),
        cleared => cleared.with_context(|| format!("cannot remove {}", folder.display())),
    }
}
