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
mod config;
mod error;
mod files;
mod format;
mod io;
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

pub use config::{ReelConfig, Sync};
pub use error::JournalError;
pub use files::{SegmentInfo, prune, segments};
pub use format::FORMAT;
pub use reader::{Reader, Record};
pub use recover::{Opened, Torn};
pub use reel::Reel;
pub use verify::{Damage, Verified, verify};
