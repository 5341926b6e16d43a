//! Why a plugins folder cannot be scanned or watched.

use super::limits::MAX_ENTRIES;

/// Why a folder can't be scanned or watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The folder is missing or can't be read. Show the text.
    #[error(
        "the plugins folder {folder} cannot be read: {source}; make it, or let this user read and enter it"
    )]
    Folder {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder holds more names than are read. Show the text.
    #[error(
        "the plugins folder {folder} has more than {MAX_ENTRIES} entries: keep only plugins in it"
    )]
    TooManyEntries {
        /// The folder.
        folder: String,
    },
    /// No thread can be started. The folder is not watched.
    #[error("the plugins folder {folder} is not watched: no thread can be started: {source}")]
    Thread {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
}
