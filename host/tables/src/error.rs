//! What can go wrong with a table's file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a table could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The system refused. Remove the cause (a full disk, a missing right) and do it again.
    #[error("cannot {doing} {}: {source}", .file.display())]
    Io {
        /// What was tried, as words that fit between "cannot" and the file.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be. Export it again.
    #[error("{}: {what}", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}

impl TableError {
    /// Gives a function that turns what the system said into an error about this file.
    pub(crate) fn io(doing: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io {
            doing,
            file,
            source,
        }
    }

    /// Gives a function that turns what the Parquet library said into an error about this file.
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
