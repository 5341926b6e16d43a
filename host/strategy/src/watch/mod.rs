//! Watches the plugins folder: finds its plugins, and reports their changes while strategies trade.
//!
//! ```text
//! let found = watch::scan(&folder, &known)?;                // at the host's start: the plugins that exist now
//! let watcher = Watcher::start(WatchConfig::new(folder), &found, Hints::System, |change| ...)?;
//! watcher.rescan_now();                                     // the operator's reload
//! drop(watcher);                                            // ends the thread
//! ```
//!
//! The rules:
//!
//! - **Only polls of the folder count.** The system's change notifications (inotify and the like) only say when to poll;
//!   without any, the folder is polled every [`WatchConfig::rescan`]. A folder that is removed and created again is found
//!   again.
//! - **A plugin is up to three files**: `NAME.wasm`, `NAME.toml` (settings), `NAME.wasm.minisig` (signature). They
//!   settle together, so a build that writes all three is one change. Temporary files (`.x`, `#x`, `x~`, `x.part` ...)
//!   are ignored.
//! - **Settling.** A changed plugin is read once its files' metadata (length, times, inode) has not changed for
//!   [`WatchConfig::settle`]. One that is written without pause is read after [`WatchConfig::settle_cap`] as soon as two
//!   polls half a settle apart find it the same; while every poll finds it changed, it keeps waiting. A missing plugin
//!   must be missing for a whole settle, without the cap: a file that is deleted and created again is a replacement.
//! - **Half-written modules.** A module states the length of its sections. One that ends inside a section is left alone
//!   until nothing has changed for [`WatchConfig::settle_cap`], because a slow copy pauses; only then is it refused.
//! - **Reading.** Only plain files are opened, without blocking, and only up to a limit. A file that changes while it
//!   is read settles again. Links are followed; a link that is redirected is a change. A module is hashed and classified
//!   while it is read, and read again when it is loaded ([`Plugin::bytes`]): one that is refused or never loaded uses no
//!   memory.
//! - **Unchanged files are not read.** But file times have ticks, so a file that changed within a tick of being read could
//!   hide a second change: it is read again at the next poll.
//! - **Content decides.** [`PluginChange::Ready`] comes only when [`Plugin::fingerprint`] differs from the last one that
//!   was reported under that name. The loader remembers which contents failed to load.
//! - **No failure here stops a strategy.** A file that is not a module or cannot be read, or a folder that vanished
//!   altogether, leaves running strategies as they are and is reported once. Only a deleted file is
//!   [`PluginChange::Removed`].
//! - **Bounds.** [`MAX_MODULES`] plugins, [`MAX_ENTRIES`] names, [`MAX_MODULE`](crate::MAX_MODULE) bytes of a module,
//!   [`MAX_SETTINGS`] and [`MAX_SIGNATURE`], [`READ_BUDGET`] bytes per poll. Known plugins
//!   are looked at first and by path, so a folder beyond these bounds neither hides nor removes them; new ones are taken in
//!   order of name up to [`MAX_MODULES`].
//!
//! [`Folder`] implements all of this without a thread or a clock; [`Watcher`] is the thread around it.

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
mod open;
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
pub use plugin::{Fingerprint, ModuleContent, Plugin, Sidecar};
pub use scan::{Scan, look, scan};
pub use watcher::Watcher;
