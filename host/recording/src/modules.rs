//! Every module that ran, by its hash: reels name modules, and can be replayed as long as the modules are kept here.

use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use tickdeck_files::read_bounded;
use tickdeck_journal::atomic_file::{install, sync_entry};
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{ModuleHash, Untrusted};

/// Digits of a hash.
const HASH_DIGITS: usize = 64;

/// Bytes of a module; the plugins folder takes no larger ones.
const MAX_MODULE: u64 = 64 << 20;

/// The modules of a data folder.
#[derive(Debug, Clone)]
pub struct ModuleStore {
    folder: PathBuf,
}

impl ModuleStore {
    pub(super) const fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the file of a module, whether or not it exists.
    pub fn file(&self, hash: &str) -> PathBuf {
        self.folder.join(format!("{hash}.wasm"))
    }

    /// Stores a module durably, unless it is stored.
    ///
    /// # Errors
    /// The module can't be written.
    pub fn keep(&self, hash: ModuleHash, bytes: &[u8]) -> Result<()> {
        let file = self.file(&hash.to_string());
        let kept = std::fs::metadata(&file).is_ok_and(|about| about.len() == bytes.len() as u64);
        if kept {
            // Keeps a module in use from being removed as old. If the time can't be set, its first use counts.
            let _ = std::fs::File::options()
                .append(true)
                .open(&file)
                .and_then(|opened| opened.set_modified(std::time::SystemTime::now()));
            // It may stand there because an earlier start was ended before its last step.
            return Ok(sync_entry(&file)?);
        }
        Ok(install(&file, bytes)?)
    }

    /// Reads a stored module.
    ///
    /// # Errors
    /// The module does not exist, or is damaged.
    pub fn get(&self, hash: &str) -> Result<Vec<u8>> {
        ensure!(
            hash.len() == HASH_DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{} is not a module hash: the reel that names it is damaged",
            quoted(hash)
        );
        let file = self.file(hash);
        let shown = Untrusted::path(&file);
        let bytes = read_bounded(&file, MAX_MODULE).with_context(|| {
            format!("cannot read {shown}, which the reels name: restore it from a copy")
        })?;
        let found = ModuleHash::of(&bytes).to_string();
        if found != hash {
            bail!("{shown} is damaged: its content has the hash {found}; restore it from a copy");
        }
        Ok(bytes)
    }

    /// Lists the hashes of the stored modules, from the names of the files.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<String>> {
        let listed = match std::fs::read_dir(&self.folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", self.folder.display()));
            }
        };
        let mut hashes = Vec::new();
        for entry in listed {
            let name = entry.context("cannot read a folder")?.file_name();
            let name = name.to_string_lossy().into_owned();
            hashes.extend(name.strip_suffix(".wasm").map(str::to_owned));
        }
        hashes.sort();
        Ok(hashes)
    }
}
