//! Every module that ran, by its hash: a reel names modules, and can be played as long as they are here.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use tickdeck_journal::atomic_file::install;
use tickdeck_model::ModuleHash;

/// The modules of a data folder.
#[derive(Debug, Clone)]
pub struct ModuleStore {
    folder: PathBuf,
}

impl ModuleStore {
    pub(super) const fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a module, whether or not it is there.
    pub fn file(&self, hash: &str) -> PathBuf {
        self.folder.join(format!("{hash}.wasm"))
    }

    /// Keeps a module.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep(&self, hash: ModuleHash, bytes: &[u8]) -> Result<()> {
        let file = self.file(&hash.to_string());
        let kept = std::fs::metadata(&file).is_ok_and(|about| about.len() == bytes.len() as u64);
        if kept {
            return Ok(());
        }
        Ok(install(&file, bytes)?)
    }

    /// A module that was kept.
    ///
    /// # Errors
    /// It is not there, or is not what it was.
    pub fn get(&self, hash: &str) -> Result<Vec<u8>> {
        let file = self.file(hash);
        let shown = file.display();
        let bytes = std::fs::read(&file).with_context(|| {
            format!("cannot read {shown}, which the reels name: restore it from a copy")
        })?;
        let found = ModuleHash::of(&bytes).to_string();
        if found != hash {
            bail!("{shown} is damaged: its content has the hash {found}; restore it from a copy");
        }
        Ok(bytes)
    }

    /// The hashes of what is kept, by the files' names.
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
