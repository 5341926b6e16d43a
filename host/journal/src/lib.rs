//! Reels on disk: append, read while written, recover, verify.
//!
//! A *reel* is an append-only sequence of records, `(index, kind, payload)`, in segment files `NAME-000001.reel`,
//! `NAME-000002.reel`, ... of one folder. The host writes two: the events and the actions.
//!
//! - **Visible after append.** Once [`Reel::append`] has returned, the record is in the file for every process, and survives the
//!   death of this one by whatever signal. Appending makes system calls only where a segment ends.
//! - **Durable after sync.** A record below [`Reel::durable`] survives a machine crash. See [`Sync`] for the times.
//! - **Nothing is cut silently.** A record that a crash left half-written is put aside and reported ([`Opened::torn`]); any other
//!   difference from what was written is an error that names file and offset, and [`verify`] finds any single changed bit.
//!
//! A few smaller things live here because several crates need them: files that are replaced atomically and durably
//! ([`atomic_file`]), carry a checksum ([`sealed`]), or tell what a process was doing when
//! it died ([`SharedWords`]), and the wall clock ([`unix_ns`]).
//!
//! This crate must never see another crate of ours: records are bytes to it. Start reading at `format.rs` (the bytes), then `reel.rs`
//! (the writer), `reader.rs`, and `recover.rs` (opening after a crash).
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
//! // Readers are independent of the writer and see a record at once.
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
mod clock;
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
mod words;

pub use clock::unix_ns;
pub use config::{ReelConfig, Sync};
pub use error::JournalError;
pub use files::{SegmentInfo, prune, segments};
pub use format::FORMAT;
pub use reader::{Reader, Record};
pub use recover::{Opened, Torn};
pub use reel::Reel;
pub use verify::{Damage, Verified, verify};
pub use words::SharedWords;
