//! The errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// A failure to write or read a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A system call failed. Remove the cause (a full disk, a missing permission) and repeat.
    #[error("cannot {doing} {}: {source}", .file.display())]
    Io {
        /// The operation, as a verb that fits between "cannot" and the file.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The content of the file is invalid. Export it again.
    #[error("{}: {what}", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// The fault, and its place.
        what: String,
    },
}

impl TableError {
    /// Returns a function that turns an I/O error into one about this file.
    pub(crate) fn io(doing: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io {
            doing,
            file,
            source,
        }
    }

    /// Returns a function that turns an error of the Parquet library into one about this file.
    pub(crate) fn parquet(
        file: &Path,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Self + use<> {
        let file = file.to_owned();
        move |error| Self::Content {
            file,
            what: error.to_string(),
        }
    }

    pub(crate) fn content(file: &Path, what: impl Into<String>) -> Self {
        Self::Content {
            file: file.to_owned(),
            what: what.into(),
        }
    }
}
