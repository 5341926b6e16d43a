//! The data folder of a deck: interned names, order numbers, the kill latch, and the lock of the one host that may use
//! it.

use anyhow::{Context, Result, bail};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::ORDERS_PER_RUN;
use tickdeck_journal::atomic_file::install;
use tickdeck_journal::sealed::{seal, unseal};
use tickdeck_model::{OrderNumber, Registry};

/// Held by the host that runs, whose process number is in it.
pub const LOCK: &str = "lock";
/// The interned names.
pub const IDS: &str = "ids";
/// What the operator approved.
pub const GRANTS: &str = "grants.toml";
/// There while the kill switch is on.
pub const KILLED: &str = "killed";
/// The first order number that no run has had.
pub const ORDERS: &str = "orders";

/// An open data folder; the lock is held until it is dropped.
#[derive(Debug)]
pub struct Data {
    folder: PathBuf,
    lock: File,
}

impl Drop for Data {
    fn drop(&mut self) {
        // Nobody holds it any more; a number that stays after a crash does no harm.
        let _ = self.lock.set_len(0);
    }
}

impl Data {
    /// Opens a data folder for this host alone, making it if need be.
    ///
    /// # Errors
    /// Another host holds it, or it can't be written.
    pub fn open(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join(LOCK);
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only to name the holder; the refusal stands without it.
                let _ = lock.read_to_string(&mut text);
                let holder = text.lines().next().unwrap_or_default();
                let holder = match holder.is_empty() {
                    true => String::new(),
                    false => format!(", process {holder}"),
                };
                bail!(
                    "another tickdeck runs this deck{holder}: it holds {}; stop it first",
                    path.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .with_context(|| format!("cannot write {}", path.display()))?;
        let holder = seal(&format!("{}\n", std::process::id()));
        lock.write_all(holder.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { folder, lock })
    }

    /// The interned names of this folder; an empty registry if it is new.
    ///
    /// # Errors
    /// The file can't be read or is damaged: numbers in saved states would be misread, so nothing may start.
    pub fn ids(&self) -> Result<Registry> {
        let path = self.folder.join(IDS);
        let Some(text) = read(&path)? else {
            return Ok(Registry::new());
        };
        Registry::from_text(&text).with_context(|| {
            format!(
                "cannot use {}: restore it from a backup, or start with an empty data folder",
                path.display()
            )
        })
    }

    /// Keeps the interned names if they changed. Must be done before any strategy runs on them.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn keep_ids(&self, registry: &Registry) -> Result<()> {
        let (path, text) = (self.folder.join(IDS), seal(&registry.to_text()));
        if std::fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        Ok(install(&path, text.as_bytes())?)
    }

    /// Sets order numbers aside for this run and gives the first. They are on disk before any is used, so that a
    /// number is never used twice, whatever ends a run.
    ///
    /// # Errors
    /// The file can't be read or written, or is damaged: guessing could use a number again.
    pub fn reserve_orders(&self) -> Result<OrderNumber> {
        let path = self.folder.join(ORDERS);
        let first: OrderNumber = match read(&path)? {
            Some(text) => text.trim().parse().with_context(|| {
                format!(
                    "cannot use {}: it must hold the first order number that was never used",
                    path.display()
                )
            })?,
            None => 1,
        };
        let next = first
            .checked_add(ORDERS_PER_RUN)
            .with_context(|| format!("{} has run out of order numbers", path.display()))?;
        install(&path, seal(&format!("{next}\n")).as_bytes())?;
        Ok(first)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the kill switch is on.
    pub fn killed(&self) -> bool {
        self.latch().exists()
    }

    /// The file that is there while the kill switch is on.
    pub fn latch(&self) -> PathBuf {
        self.folder.join(KILLED)
    }

    /// Turns the kill switch off.
    ///
    /// # Errors
    /// The latch can't be removed.
    pub fn clear_kill(&self) -> Result<()> {
        match std::fs::remove_file(self.latch()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.latch().display()))
            }
            _ => Ok(()),
        }
    }
}

/// A text file of the data folder, if it is there.
fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(unseal(path, &bytes)?.0.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Turns the kill switch on for every later start, until someone removes the file.
///
/// # Errors
/// It can't be written.
pub fn latch_kill(latch: &Path) -> Result<()> {
    Ok(install(
        latch,
        b"killed by the operator; `tickdeck run --clear-kill` lifts it\n",
    )?)
}
