//! Why a plugins folder cannot be scanned or watched.

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
    /// The thread cannot be started. The folder is not watched.
    #[error("the plugins folder {folder} is not watched: cannot start a thread: {source}")]
    Thread {
        /// The folder.
        folder: Untrusted,
        /// The system's error.
        source: std::io::Error,
    },
}
