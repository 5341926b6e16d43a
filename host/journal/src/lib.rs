//! Reels on disk: append, read while written, recover, verify.
//!
//! A *reel* is an append-only sequence of records, `(index, kind, payload)`, in segment files `NAME-000001.reel`,
//! `NAME-000002.reel`, ... of one folder. The host keeps two: the events and the actions.
//!
//! - **Visible after append.** A record that [`Reel::append`] has returned is in the file as every process sees it, and
//!   survives the end of this one by whatever signal. Appending enters the system only where a segment ends.
//! - **Durable after sync.** A record below [`Reel::durable`] survives the end of the machine. See [`Sync`] for when that is.
//! - **Nothing is cut silently.** What a crash left half written is copied aside and told ([`Opened::torn`]); anything else
//!   that is not as it was written is an error that names file and offset, and [`verify`] finds any single changed bit.
//!
//! ```
//! use tickdeck_journal::{Reader, Reel, ReelConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let (mut reel, opened) = Reel::open(folder, "events", &ReelConfig::default())?;
//! assert_eq!(opened.records, 0);
//! assert_eq!(reel.append(7, b"a quote")?, 0);
//!
//! // Readers need nothing of the writer and see a record at once.
//! let mut reader = Reader::open(folder, "events")?;
//! let record = reader.next()?.expect("it has been appended");
//! assert_eq!((record.index, record.kind, record.payload), (0, 7, &b"a quote"[..]));
//! assert!(reader.next()?.is_none());
//!
//! reel.sync()?;
//! assert_eq!(reel.durable(), 1);
//! reel.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! The format, and why it is ours, is in `docs/decisions/0011-journal.md`.
#![deny(unsafe_code)]

pub mod atomic_file;
mod error;
mod files;
mod format;
mod mapping;
mod preparing;
mod reader;
mod recover;
mod reel;
mod scan;
pub mod sealed;
mod segment;
mod shared;
mod syncing;
mod verify;

pub use error::JournalError;
pub use files::{SegmentInfo, prune, segments};
pub use format::FORMAT;
pub use reader::{Reader, Record};
pub use recover::{Opened, Torn};
pub use reel::Reel;
pub use verify::{Damage, Verified, verify};

use std::time::Duration;

/// When records become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// At this interval, by a thread of the reel's own. The end of the machine costs what was appended within about that time;
    /// the end of the process costs nothing.
    Interval(Duration),
    /// As every 50 ms, and the host calls [`Reel::sync`] before an order leaves. So no venue knows of an order that is not
    /// on the disk, at the price of a disk's sync on the way of each.
    Order,
    /// Only when [`Reel::sync`] or [`Reel::close`] is called. For backtests, which can be run again.
    Never,
}

impl Default for Sync {
    fn default() -> Self {
        Self::Interval(Duration::from_millis(50))
    }
}

/// How a reel is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReelConfig {
    /// When records become durable.
    pub sync: Sync,
    /// Bytes of a segment, rounded up to whole pages. A record must fit into one. A changed size counts from the first segment
    /// that is begun after the reel was closed in order.
    pub segment_bytes: u64,
    /// Version of what the records mean; stands in the header of every segment begun with it.
    pub schema: u16,
}

impl Default for ReelConfig {
    fn default() -> Self {
        Self {
            sync: Sync::default(),
            segment_bytes: 128 << 20,
            schema: 1,
        }
    }
}
