//! The crate `tickertape` 0.4.

use super::base::{Base, KEEP, SEGMENT, SYNC};
use anyhow::Result;
use std::path::Path;
use std::time::Instant;
use tickertape::{NewRecord, Writer, WriterConfig, retention};

/// Appends between two looks at the clock.
const LOOK: u32 = 256;

struct Tickertape {
    writer: Writer,
    synced: Instant,
    look: u32,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Base>> {
    let policy = retention::Policy::default().max_bytes(KEEP);
    // It has no reader that would have to be woken here.
    let config = WriterConfig::default()
        .segment_size(SEGMENT)
        .notify(false)
        .retention(policy, retention::Action::Delete);
    Ok(Box::new(Tickertape {
        writer: Writer::open(folder, config)?,
        synced: Instant::now(),
        look: 0,
    }))
}

impl Base for Tickertape {
    fn append(&mut self, payload: &[u8]) -> Result<()> {
        self.writer.append(&NewRecord {
            schema_id: 1,
            venue_ts_ns: 0,
            local_ts_ns: 0,
            payload,
        })?;
        self.look += 1;
        if self.look == LOOK {
            self.look = 0;
            if self.synced.elapsed() >= SYNC {
                self.writer.checkpoint()?;
                self.synced = Instant::now();
            }
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.writer.checkpoint()?;
        Ok(())
    }
}
