//! The plugins folder: what is in it, and what changes there while strategies trade.
//!
//! ```text
//! let found = watch::scan(&folder)?;                        // at the host's start: what is there now
//! let watcher = Watcher::start(WatchConfig::new(folder), &found, Hints::System, |change| ...)?;
//! watcher.rescan_now();                                     // the operator's reload
//! drop(watcher);                                            // ends the thread
//! ```
//!
//! The rules:
//!
//! - **What counts is what a look at the folder finds.** The system's notices of changes (inotify and its like) only
//!   say when to look; without any, the folder is looked at every [`WatchConfig::rescan`]. A folder that is removed and
//!   made again is found again.
//! - **A plugin is up to three files**: `NAME.wasm`, `NAME.toml` (settings), `NAME.wasm.minisig` (signature). They
//!   settle together, so a build that writes all three is one change. Names of temporaries (`.x`, `#x`, `x~`, `x.part`
//!   ...) are passed over.
//! - **Settling.** A changed plugin is read once nothing about its files (length, times, inode) changed for
//!   [`WatchConfig::settle`]. One that is written without end is read after [`WatchConfig::settle_cap`] as soon as two
//!   looks half a settle apart find it the same; while every look finds it changed, it waits on. A plugin that is gone
//!   has to be gone for a whole settle, without the cap: a file that is deleted and made again is a replacement.
//! - **Half-written modules.** A module says how long its sections are. One that breaks off inside of a section is left
//!   alone until nothing changed for [`WatchConfig::settle_cap`], for a slow copy makes pauses; only then is it refused.
//! - **Reading.** Only plain files are opened, without blocking, and only up to a limit. A file that changed while it
//!   was read settles anew. Links are followed; a link that is switched is a change.
//! - **Unchanged files are not read.** But times are counted in ticks, so a file that changed within a tick of being
//!   read could hide a second change: it is read again at the next look.
//! - **Content decides.** [`PluginChange::Ready`] comes only when [`Plugin::fingerprint`] differs from the last one that was
//!   handed out under that name. Which contents failed to load is the loader's to remember.
//! - **Nothing that goes wrong here stops a strategy.** A file that is no module, that can't be read, or a folder that
//!   vanished as a whole leaves what runs as it is, and is said once. Only a deleted file is [`PluginChange::Gone`].
//! - **Bounds.** [`MAX_MODULES`] plugins, [`MAX_ENTRIES`] names, [`MAX_MODULE`](crate::MAX_MODULE) bytes of a module,
//!   [`MAX_SETTINGS`] and [`MAX_SIGNATURE`], [`READ_BUDGET`] bytes a look. Beyond [`MAX_MODULES`], those already known
//!   stay and of new ones the first by name are taken.
//!
//! [`Folder`] is all of this without a thread and without a clock; [`Watcher`] is the thread around it.

mod change;
mod config;
mod entry;
mod error;
mod files;
mod folder;
mod hints;
mod kind;
mod limits;
mod list;
mod plugin;
mod read;
mod scan;
mod settle;
mod signal;
#[cfg(test)]
mod tests;
mod watcher;

pub use change::{PluginChange, Refused};
pub use config::WatchConfig;
pub use error::WatchError;
pub use folder::Folder;
pub use hints::Hints;
pub use kind::FileKind;
pub use limits::{MAX_ENTRIES, MAX_MODULES, MAX_SETTINGS, MAX_SIGNATURE, READ_BUDGET};
pub use plugin::{Fingerprint, Plugin, Sidecar};
pub use scan::{Scan, scan};
pub use watcher::Watcher;
