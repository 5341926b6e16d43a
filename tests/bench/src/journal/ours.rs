//! The reel of `host/journal`.

use super::base::{Base, KEEP, SEGMENT, SYNC};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use tickdeck_journal::{JournalError, Reel, ReelConfig, Sync, prune};

const NAME: &str = "events";

struct Ours {
    reel: Reel,
    ended: Arc<AtomicBool>,
    pruning: JoinHandle<Result<(), JournalError>>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Base>> {
    let config = ReelConfig {
        sync: Sync::Interval(SYNC),
        segment_bytes: SEGMENT,
        ..ReelConfig::default()
    };
    let (reel, _) = Reel::open(folder, NAME, &config)?;
    let ended = Arc::new(AtomicBool::new(false));
    let pruning = keeps_pruning(folder.to_owned(), Arc::clone(&ended));
    Ok(Box::new(Ours {
        reel,
        ended,
        pruning,
    }))
}

/// As the host does it: by another thread, from time to time.
fn keeps_pruning(folder: PathBuf, ended: Arc<AtomicBool>) -> JoinHandle<Result<(), JournalError>> {
    thread::spawn(move || {
        while !ended.load(Ordering::Acquire) {
            prune(&folder, NAME, KEEP)?;
            thread::sleep(SYNC);
        }
        Ok(())
    })
}

impl Base for Ours {
    fn append(&mut self, payload: &[u8]) -> Result<()> {
        self.reel.append(1, payload)?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.ended.store(true, Ordering::Release);
        self.pruning
            .join()
            .expect("the pruning thread does not panic")?;
        self.reel.health()?;
        self.reel.close()?;
        Ok(())
    }
}
