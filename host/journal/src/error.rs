//! The errors of reels.

use crate::atomic_file::WriteError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A failure to open, write, sync or read a reel.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// A system call on a file failed. Nothing was left half-done: remove the cause (a full disk, a missing permission) and
    /// repeat the operation.
    #[error("cannot {doing} {}: {source}", .file.display())]
    Io {
        /// The operation, as a verb that fits between "cannot" and the file.
        doing: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The reel could not be made durable. Which parts of it are on the disk is unknown after that, so the error is final: stop, check
    /// the disk, start again; opening reports what is there.
    #[error("cannot make {} durable: {source}; nothing more is written to it: check the disk and start again", .file.display())]
    SyncFailed {
        /// The segment.
        file: PathBuf,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The disk is slower than the appends. Send no new orders until it has caught up.
    #[error("{} has {records} records that have waited more than {} ms for the disk", .file.display(), .behind.as_millis())]
    Stalled {
        /// The folder and name of the reel.
        file: PathBuf,
        /// Records appended but not durable.
        records: u64,
        /// The minimum time that the oldest of them has waited.
        behind: Duration,
    },
    /// Bytes differ from what was written, and it is not a torn end. Nothing was changed. Verify the folder, then restore the file from
    /// a copy or move it away together with those after it.
    #[error("{} is damaged at byte {offset}: {what}; nothing was changed: restore it from a copy, or move it and the segments after it away", .file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// The byte where the damage begins.
        offset: u64,
        /// The fault.
        what: String,
    },
    /// Another process, or another `Reel` of this one, writes this reel. Stop it, or use another folder.
    #[error("{} is held by another writer: stop that host or use another folder", .file.display())]
    InUse {
        /// The lock file.
        file: PathBuf,
    },
    /// The reel does not exist. Check the folder and the name.
    #[error("there is no reel `{name}` in {}", .folder.display())]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
        /// The name of the reel.
        name: String,
    },
    /// The index was pruned or is not written yet. Seek an existing one.
    #[error("reel `{name}` holds records {first} to {next} (exclusive), not {index}")]
    OutOfRange {
        /// The name of the reel.
        name: String,
        /// The requested index.
        index: u64,
        /// The first existing record.
        first: u64,
        /// The index after the last record.
        next: u64,
    },
    /// The reader was so far behind that its next record has been pruned. Seek the first remaining one, or open the reel again.
    #[error("record {index} of reel `{name}` has been pruned; the first remaining one is {first}")]
    Pruned {
        /// The name of the reel.
        name: String,
        /// The record that should have been read.
        index: u64,
        /// The first existing record.
        first: u64,
    },
    /// A record does not fit into a segment. Make it smaller, or `segment_bytes` larger.
    #[error(
        "a record of {bytes} bytes does not fit into a segment, which takes {most}: raise `segment_bytes`"
    )]
    TooLarge {
        /// The bytes of the payload.
        bytes: usize,
        /// The longest possible payload.
        most: u64,
    },
    /// A name or a setting is invalid. Change it as the text says.
    #[error("{what}")]
    Setting {
        /// The fault, and the valid values.
        what: String,
    },
}

impl JournalError {
    /// Returns a function that turns an I/O error into one about this file.
    pub(crate) fn io(doing: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io {
            doing,
            file,
            source: Arc::new(source),
        }
    }

    /// Turns the failure to create a folder into an error about it.
    pub(crate) fn folder(error: WriteError) -> Self {
        Self::io("create the folder", &error.file)(error.source)
    }

    pub(crate) fn sync(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::SyncFailed {
            file,
            source: Arc::new(source),
        }
    }

    pub(crate) fn damaged(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            offset,
            what: what.into(),
        }
    }
}
