//! Why a plugins folder cannot be scanned or watched.

use super::limits::MAX_ENTRIES;
use tickdeck_model::Untrusted;

/// Why a folder cannot be scanned or watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The folder is missing or cannot be read. Show the text.
    #[error(
        "the plugins folder {folder} cannot be read: {source}; create it, or give this user permission to read and enter it"
    )]
    Folder {
        /// The folder.
        folder: Untrusted,
        /// The system's error.
        source: std::io::Error,
    },
    /// The folder has more entries than are read. Show the text.
    #[error(
        "the plugins folder {folder} has more than {MAX_ENTRIES} entries: keep only plugins in it"
    )]
    TooManyEntries {
        /// The folder.
        folder: Untrusted,
    },
    /// The thread cannot be started. The folder is not watched.
    #[error("the plugins folder {folder} is not watched: cannot start a thread: {source}")]
    Thread {
        /// The folder.
        folder: Untrusted,
        /// The system's error.
        source: std::io::Error,
    },
}
