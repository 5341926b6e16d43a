//! A finding about one file of a data folder.

use std::path::PathBuf;

/// A finding about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFault {
    /// The file.
    pub file: PathBuf,
    /// The byte in it, where that is known.
    pub offset: Option<u64>,
    /// The finding.
    pub what: String,
}
