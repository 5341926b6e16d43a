//! Reads the records of one kind from a run's actions reel: the others are skipped without being decoded.

use crate::codec::{ActionsRecord, RecordKind, decode};
use crate::layout::ACTIONS;
use anyhow::{Context, Result};
use std::path::Path;
use tickdeck_journal::{JournalError, Reader};

/// The records of one kind on the actions reel of a run.
pub(crate) struct ActionsReel {
    reader: Reader,
    kind: RecordKind,
}

impl ActionsReel {
    /// Opens the reel of the run in `folder`.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub(crate) fn open(folder: &Path, kind: RecordKind) -> Result<Self, JournalError> {
        let reader = Reader::open(folder, ACTIONS)?;
        Ok(Self { reader, kind })
    }

    /// Continues at the record with this index.
    pub(crate) fn seek(&mut self, index: u64) -> Result<(), JournalError> {
        self.reader.seek(index)
    }

    /// Returns the next record of the kind, with its index.
    ///
    /// # Errors
    /// The reel can't be read, or a record is damaged.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, ActionsRecord)>> {
        while let Some(record) = self.reader.next()? {
            if record.kind == self.kind as u16 {
                let index = record.index;
                let decoded = decode(record.kind, record.payload)
                    .with_context(|| format!("record {index} of the actions reel"))?;
                return Ok(Some((index, decoded)));
            }
        }
        Ok(None)
    }
}
