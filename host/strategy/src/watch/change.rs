//! The changes that a watcher reports.

use super::plugin::Plugin;
use std::path::PathBuf;
use tickdeck_model::ModuleHash;

/// A change in the plugins folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginChange {
    /// A plugin is new, or the content of its module, settings or signature changed. Load it.
    Ready(Plugin),
    /// A reported plugin was deleted. Stop it.
    Removed {
        /// The plugin's name.
        name: String,
    },
    /// A plugin cannot be used as it is now. Show it; a strategy that runs under that name continues.
    Refused(Refused),
    /// The folder itself is missing or cannot be read. Show it; running strategies continue.
    FolderUnavailable {
        /// Names the folder, the problem and the remedy.
        why: String,
    },
    /// The folder can be read again. Changes made meanwhile follow once they have settled.
    FolderAvailable,
    /// Information for the operator. Show it.
    Note(String),
}

/// A plugin that cannot be used as it is. Reported once for every problem and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The plugin's name.
    pub name: String,
    /// The faulty file: its module, settings or signature.
    pub path: PathBuf,
    /// One sentence that names the file, the problem and the remedy.
    pub why: String,
    /// The hash of the file's content, if the content is at fault.
    pub content: Option<ModuleHash>,
}
