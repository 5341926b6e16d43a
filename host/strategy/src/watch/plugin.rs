//! A plugin as read from the folder.

use super::files::unreadable;
use super::kind::FileKind;
use super::open::open_plain;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use tickdeck_model::{ModuleHash, Untrusted};

/// A plugin whose files have settled: its module, settings and signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The module file's name without its ending.
    pub name: String,
    /// The module file.
    pub path: PathBuf,
    /// The kind of the module file.
    pub kind: FileKind,
    /// Where the module file's content is.
    pub content: ModuleContent,
    /// The hash of the module file's content.
    pub hash: ModuleHash,
    /// `NAME.toml`, if it exists.
    pub settings: Option<Sidecar>,
    /// The content of `NAME.wasm.minisig`, if it exists.
    pub signature: Option<Vec<u8>>,
}

/// Where a module file's content is. A folder may hold many large files of which few are ever loaded, so the watcher does not
/// keep them in memory.
#[derive(Clone, PartialEq, Eq)]
pub enum ModuleContent {
    /// In the file at [`Plugin::path`].
    OnDisk,
    /// In memory.
    Held(Arc<[u8]>),
}

/// The settings file that accompanies a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// The file.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// The hash of a whole plugin: module, settings and signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Plugin {
    /// Returns the module file's content, read now if it is on disk: exactly the bytes of [`Plugin::hash`].
    ///
    /// # Errors
    /// The file cannot be read, or its content has changed; the text names the file. Have it
    /// [reported again](super::Watcher::report_again).
    pub fn bytes(&self) -> Result<Arc<[u8]>, String> {
        if let ModuleContent::Held(bytes) = &self.content {
            return Ok(Arc::clone(bytes));
        }
        let file = Untrusted::path(&self.path);
        let changed =
            || format!("{file}: changed while it was loaded: it is loaded once it stops changing");
        let read = open_plain(&self.path).and_then(|opened| match opened {
            Some(opened) => opened.read(crate::MAX_MODULE as u64),
            None => Ok(None),
        });
        let bytes = read.map_err(|error| unreadable(&file, &error.to_string()))?;
        let bytes = bytes.filter(|bytes| ModuleHash::of(bytes) == self.hash);
        bytes.map(Arc::from).ok_or_else(changed)
    }

    /// Returns a hash that differs whenever the module, the settings or the signature differ.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        hasher.update(self.hash.0);
        let settings = self
            .settings
            .as_ref()
            .map(|sidecar| sidecar.text.as_bytes());
        for content in [settings, self.signature.as_deref()] {
            // Hashes have a fixed length, so that the content of one file cannot pass for another's.
            hasher.update([u8::from(content.is_some())]);
            hasher.update(ModuleHash::of(content.unwrap_or_default()).0);
        }
        Fingerprint(hasher.finalize().into())
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("hash", &self.hash)
            .field("settings", &self.settings.is_some())
            .field("signature", &self.signature.is_some())
            .finish_non_exhaustive()
    }
}
