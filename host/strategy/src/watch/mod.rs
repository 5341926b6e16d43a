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

mod entry;
mod files;
mod folder;
mod hints;
mod kind;
mod list;
mod plugin;
mod read;
mod scan;
mod settle;
#[cfg(test)]
mod tests;
mod watcher;

pub use folder::Folder;
pub use hints::Hints;
pub use kind::FileKind;
pub use plugin::{Fingerprint, Plugin, Sidecar};
pub use scan::{Scan, scan};
pub use watcher::Watcher;

use std::path::PathBuf;
use std::time::Duration;
use tickdeck_model::ModuleHash;

/// Most plugins that are taken from a folder.
pub const MAX_MODULES: usize = 1_000;

/// Most names in a folder, of plugins or not.
pub const MAX_ENTRIES: usize = 20_000;

/// Bytes of a settings file.
pub const MAX_SETTINGS: u64 = 1 << 20;

/// Bytes of a signature file.
pub const MAX_SIGNATURE: u64 = 64 << 10;

/// Bytes that one look reads, give or take a plugin; the next look goes on.
pub const READ_BUDGET: u64 = 256 << 20;

/// Which folder is watched, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// The plugins folder. It need not be there yet.
    pub folder: PathBuf,
    /// How long a plugin's files must be left alone before they are read.
    pub settle: Duration,
    /// How long a plugin that is changed again and again is left alone at least, and how long one that breaks off.
    pub settle_cap: Duration,
    /// How often the folder is looked at without any hint.
    pub rescan: Duration,
}

impl WatchConfig {
    /// Settles 200 ms, at most 2 s, and looks every 2 s.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            settle: Duration::from_millis(200),
            settle_cap: Duration::from_secs(2),
            rescan: Duration::from_secs(2),
        }
    }
}

/// What happened in the plugins folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginChange {
    /// A plugin is new, or its module, settings or signature have another content. Load it.
    Ready(Plugin),
    /// A plugin that was handed out is deleted. Stop it.
    Gone {
        /// Its name.
        name: String,
    },
    /// A plugin can't be taken as it is now. Show it; what runs under that name goes on.
    Refused(Refused),
    /// The folder itself is gone or can't be read. Show it; what runs goes on.
    FolderGone {
        /// Names the folder, what is wrong and what to do.
        why: String,
    },
    /// The folder can be read again. What changed meanwhile follows once it has settled.
    FolderBack,
    /// Something that the operator should know. Show it.
    Note(String),
}

/// A plugin that can't be taken as it is. Reported once for every problem and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The plugin.
    pub name: String,
    /// The file that is to blame: its module, settings or signature.
    pub path: PathBuf,
    /// One sentence that names the file, what is wrong and what to do.
    pub why: String,
    /// The content of the file, if it is the content that is wrong.
    pub content: Option<ModuleHash>,
}

/// Why a folder can't be scanned or watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The folder is missing or can't be read. Show the text.
    #[error(
        "the plugins folder {folder} cannot be read: {source}; make it, or let this user read and enter it"
    )]
    Folder {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder holds more names than are read. Show the text.
    #[error(
        "the plugins folder {folder} has more than {MAX_ENTRIES} entries: keep only plugins in it"
    )]
    TooManyEntries {
        /// The folder.
        folder: String,
    },
    /// No thread can be started. The folder is not watched.
    #[error("the plugins folder {folder} is not watched: no thread can be started: {source}")]
    Thread {
        /// The folder.
        folder: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A path in words for the operator.
fn shown(path: &std::path::Path) -> String {
    crate::log::harmless(&path.display().to_string())
}
