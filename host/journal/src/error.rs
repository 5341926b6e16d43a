//! What can go wrong with a reel.

use crate::atomic_file::WriteError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why a reel could not be opened, written, made durable or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The system refused an operation on a file. Nothing is half done: remove the cause (a full disk, a missing right) and
    /// do the same again.
    #[error("cannot {doing} {}: {source}", .file.display())]
    Io {
        /// What was tried, as words that fit between "cannot" and the file.
        doing: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The system could not make the reel durable. After that nobody knows what of it is on the disk, so it stays refused:
    /// stop, look at the disk, start again; opening tells what is there.
    #[error("cannot make {} durable: {source}; nothing more is written to it: check the disk and start again", .file.display())]
    SyncFailed {
        /// The segment.
        file: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The disk is slower than what is appended. Send no new orders until it has caught up.
    #[error("{} has {records} records that have waited more than {} ms for the disk", .file.display(), .behind.as_millis())]
    Stalled {
        /// The folder and name of the reel.
        file: PathBuf,
        /// Records appended but not durable.
        records: u64,
        /// How long the oldest of them has waited at least.
        behind: Duration,
    },
    /// Bytes are not what was written, and it is no torn tail. Nothing was changed. Verify the folder, then restore the file
    /// from a copy or move it away together with those after it.
    #[error("{} is damaged at byte {offset}: {what}; nothing was changed: restore it from a copy, or move it and the segments after it away", .file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it the damage begins.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// Another process, or another `Reel` of this one, writes this reel. Stop it, or use another folder.
    #[error("{} is held by another writer: stop that host or use another folder", .file.display())]
    InUse {
        /// The lock's file.
        file: PathBuf,
    },
    /// There is no such reel. Check the folder and the name.
    #[error("there is no reel `{name}` in {}", .folder.display())]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// The reel.
        name: String,
    },
    /// The index was pruned away or is not written yet. Seek one that is there.
    #[error("reel `{name}` holds records {first} to {next} (exclusive), not {index}")]
    OutOfRange {
        /// The reel.
        name: String,
        /// The index asked for.
        index: u64,
        /// The first record that is there.
        first: u64,
        /// One after the last.
        next: u64,
    },
    /// The reader was so far behind that what comes next for it has been pruned. Seek the first that is left, or open anew.
    #[error("record {index} of reel `{name}` has been pruned; the first that is left is {first}")]
    Pruned {
        /// The reel.
        name: String,
        /// The record that was to be read.
        index: u64,
        /// The first record that is there.
        first: u64,
    },
    /// A record does not fit into a segment. Make it smaller, or `segment_bytes` larger.
    #[error(
        "a record of {bytes} bytes does not fit into a segment, which takes {most}: raise `segment_bytes`"
    )]
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The longest payload possible.
        most: u64,
    },
    /// A name or a setting is not usable. Change it as the text says.
    #[error("{what}")]
    Setting {
        /// What is wrong and what would be right.
        what: String,
    },
}

impl JournalError {
    /// Gives a function that turns what the system said into an error about this file.
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
