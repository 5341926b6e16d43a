//! The crate `open-wal` 0.2.1.

use super::base::{Base, KEEP, RECORD, SEGMENT, SYNC};
use anyhow::Result;
use open_wal::{Lsn, Wal, WalConfig};
use std::path::Path;
use std::time::Instant;

/// Appends between two looks at the clock.
const LOOK: u32 = 256;

struct OpenWal {
    wal: Wal,
    synced: Instant,
    look: u32,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Base>> {
    let config = WalConfig {
        segment_size: SEGMENT,
        ..WalConfig::default()
    };
    let (wal, _) = Wal::open(folder, config)?;
    Ok(Box::new(OpenWal {
        wal,
        synced: Instant::now(),
        look: 0,
    }))
}

impl Base for OpenWal {
    fn append(&mut self, payload: &[u8]) -> Result<()> {
        self.wal.append(payload)?;
        self.look += 1;
        if self.look == LOOK {
            self.look = 0;
            if self.synced.elapsed() >= SYNC {
                let durable = self.wal.commit()?;
                let kept = KEEP / (RECORD as u64 + 24);
                self.wal.checkpoint(Lsn(durable.0.saturating_sub(kept)))?;
                self.synced = Instant::now();
            }
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.wal.commit()?;
        Ok(())
    }
}
