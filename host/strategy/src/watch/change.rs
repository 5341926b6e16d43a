//! The changes that a watcher reports.

use super::plugin::Plugin;
use std::path::PathBuf;
use tickdeck_model::ModuleHash;

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
