//! The compile cache: compiled modules in a folder of the host's own, which may be deleted at any time.
//!
//! Machine code from this folder runs unchecked, hence the `unsafe`: anyone who can write to the folder can run code as
//! this user. Therefore the folder must be a real folder (no link), owned by this user and writable by nobody else;
//! entries carry a checksum against damage; and nothing in the plugins folder is ever taken for compiled code.

#![allow(
    unsafe_code,
    reason = "wasmtime can't verify machine code; the reasons to trust it are checked here"
)]

use crate::error::LoadError;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tickdeck_model::ModuleHash;
use wasmtime::Engine;
use wasmtime::component::Component;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// First bytes of an entry; the last one is the version of the format.
const MAGIC: &[u8; 8] = b"tickdkc\x01";

/// The magic bytes, then the checksum of the code that follows.
const HEADER: usize = MAGIC.len() + size_of::<u128>();

/// How the cache served a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// There is no cache.
    Off,
    /// The module had been compiled before.
    Hit,
    /// The module was compiled now and stored.
    Stored,
    /// The module was compiled now and could not be stored; the text says why.
    Failed(String),
}

/// The folder of compiled modules.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Hash of everything that compiled code depends on besides its source: wasmtime, its settings and this CPU.
    engine: u64,
}

impl Cache {
    /// Opens the folder, and creates it if it does not exist.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, LoadError> {
        prepare(folder).map_err(|problem| LoadError::Cache {
            folder: folder.display().to_string(),
            problem,
        })?;
        let mut hasher = Xxh3Default::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // This crate wraps core modules into components.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Ok(Self {
            folder: folder.to_owned(),
            engine: hasher.finish(),
        })
    }

    fn entry(&self, module: ModuleHash) -> PathBuf {
        self.folder.join(format!("{module}-{:016x}", self.engine))
    }

    /// Returns the module compiled earlier, if its entry exists and is complete.
    pub(crate) fn load(&self, module: ModuleHash, engine: &Engine) -> Option<Component> {
        let entry = fs::read(self.entry(module)).ok()?;
        let code = payload(&entry)?;
        // SAFETY: the entry is a file in a folder that only this user can write (checked when it was opened), under a
        // name that only `store` uses, and its checksum shows that it is the output of `Component::serialize` for an
        // engine of the same compatibility hash. wasmtime itself checks version and settings again.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    /// Stores a compiled module. A failure costs no more than a compilation next time.
    pub(crate) fn store(&self, module: ModuleHash, component: &Component) -> CacheUse {
        let code = match component.serialize() {
            Ok(code) => code,
            Err(error) => return CacheUse::Failed(error.to_string()),
        };
        match self.write(&self.entry(module), &code) {
            Ok(()) => CacheUse::Stored,
            Err(error) => CacheUse::Failed(format!("{}: {error}", self.folder.display())),
        }
    }

    /// Writes a temporary file and renames it, so that a reader sees a whole entry or none. Not synced into the folder: an entry that
    /// a power cut takes away costs a compilation.
    fn write(&self, entry: &Path, code: &[u8]) -> io::Result<()> {
        let mut file = temporary(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&xxh3_128(code).to_le_bytes())?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(entry)?;
        Ok(())
    }
}

/// Creates a file with an unused name in the folder, for this user alone.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .tempfile_in(folder)
}

/// Returns the code in an entry, if the entry is complete.
fn payload(entry: &[u8]) -> Option<&[u8]> {
    let (header, code) = entry.split_at_checked(HEADER)?;
    let (magic, sum) = header.split_at(MAGIC.len());
    (magic == MAGIC && sum == xxh3_128(code).to_le_bytes()).then_some(code)
}

#[cfg(unix)]
fn prepare(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(|error| format!("cannot be created: {error}"))?;
    let about = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !about.is_dir() {
        return Err("is a link or a file, not a folder".to_owned());
    }
    if about.mode() & 0o022 != 0 {
        return Err(format!(
            "is writable by other users (mode {:o}), who could run code as you; `chmod 700` it",
            about.mode() & 0o777
        ));
    }
    // A new file belongs to this process's user, whoever that is.
    let owner = temporary(folder).and_then(|probe| probe.as_file().metadata());
    match owner {
        Ok(owner) if owner.uid() == about.uid() => Ok(()),
        Ok(_) => Err("belongs to another user".to_owned()),
        Err(error) => Err(format!("is not writable: {error}")),
    }
}

#[cfg(not(unix))]
fn prepare(_folder: &Path) -> Result<(), String> {
    Err("write permissions of a folder can only be checked on Unix".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_or_damaged_entry_is_a_miss() {
        let mut entry = MAGIC.to_vec();
        entry.extend(xxh3_128(b"code").to_le_bytes());
        entry.extend(b"code");
        assert_eq!(payload(&entry), Some(&b"code"[..]));
        for at in 0..entry.len() {
            assert_eq!(payload(&entry[..at]), None, "cut at {at}");
            let mut damaged = entry.clone();
            damaged[at] ^= 1;
            assert_eq!(payload(&damaged), None, "damaged at {at}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("cache");
        let engine = Engine::default();
        Cache::open(&folder, &engine).unwrap();
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            0,
            "no probe is left"
        );
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        let error = Cache::open(&folder, &engine).unwrap_err().to_string();
        assert!(
            error.contains("mode 770") && error.contains("chmod 700"),
            "{error}"
        );
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        assert!(
            Cache::open(&link, &engine)
                .unwrap_err()
                .to_string()
                .contains("link")
        );
    }
}
