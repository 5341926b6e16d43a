//! The interface of every base, and the parameters that all of them share.

use anyhow::Result;
use std::time::Duration;

/// The interval at which all records are made durable.
pub(super) const SYNC: Duration = Duration::from_millis(50);

/// Bytes of a segment.
pub(super) const SEGMENT: u64 = 128 << 20;

/// Bytes of closed segments to keep.
pub(super) const KEEP: u64 = 1 << 30;

/// Bytes of a record: an event with the journal's prefix.
pub(super) const RECORD: usize = 104;

/// A log to which records can be appended.
pub(super) trait Base {
    /// Appends a record. From time to time, syncs the appended records and deletes old ones, in the way that suits the base.
    fn append(&mut self, payload: &[u8]) -> Result<()>;

    /// Closes the log cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}
