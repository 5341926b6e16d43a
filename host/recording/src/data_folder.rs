//! The data folder of a deck: interned names, order numbers, the kill latch, and the lock of the one host that may use it. All
//! but the lock survive a machine crash.

use anyhow::{Context, Result, bail};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::ORDERS_PER_RUN;
use tickdeck_files::open_plain_with;
use tickdeck_files::read_bounded;
use tickdeck_journal::atomic_file::{create_folder, install, remove, sync_entry};
use tickdeck_journal::sealed::{seal, unseal};
use tickdeck_model::{OrderNumber, Registry};

/// The lock of the running host; it contains the host's process number.
pub const LOCK: &str = "lock";
/// The interned names.
pub const IDS: &str = "ids";
/// The operator's grants.
pub const GRANTS: &str = "grants.toml";
/// The kill latch, which exists while the kill switch is on.
pub const KILLED: &str = "killed";
/// The first order number that no run has reserved.
pub const ORDERS: &str = "orders";

/// The modules that must not run.
pub const QUARANTINE: &str = "quarantine";
/// Attempts to resume a run that did not complete.
pub const ATTEMPTS: &str = "attempts";
/// The calls of strategies in progress.
pub const CALLS: &str = "calls";

/// Maximum size of a text file in the folder, in bytes: names of a million strategies and signals.
pub(crate) const MAX_TEXT: u64 = 64 << 20;

/// Bytes of the lock that are read to name its holder.
const MAX_HOLDER: u64 = 64;

/// An open data folder; the lock is held until it is dropped.
#[derive(Debug)]
pub struct Data {
    folder: PathBuf,
    lock: File,
}

impl Drop for Data {
    fn drop(&mut self) {
        // The lock ends with the process; a number that is left after a crash does no harm.
        let _ = self.lock.set_len(0);
    }
}

impl Data {
    /// Opens a data folder for this host alone, and creates it if necessary.
    ///
    /// # Errors
    /// Another host holds the folder, or it can't be written.
    pub fn open(folder: PathBuf) -> Result<Self> {
        create_folder(&folder)?;
        let path = folder.join(LOCK);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut lock = open_plain_with(options, &path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Only to name the holder; the refusal stands without it.
                let _ = (&lock).take(MAX_HOLDER).read_to_string(&mut text);
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

    /// Returns the interned names of this folder; an empty registry for a new folder.
    ///
    /// # Errors
    /// The file can't be read or is damaged: numbers in saved states would be misread, so nothing may start.
    pub fn ids(&self) -> Result<Registry> {
        let path = self.folder.join(IDS);
        let Some(text) = read_text(&path)? else {
            return Ok(Registry::new());
        };
        Registry::from_text(&text).with_context(|| {
            format!(
                "cannot use {}: restore it from a backup, or start with an empty data folder",
                path.display()
            )
        })
    }

    /// Writes the interned names if they changed. Must be done before any strategy runs with them.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn keep_ids(&self, registry: &Registry) -> Result<()> {
        let (path, text) = (self.folder.join(IDS), seal(&registry.to_text()));
        if read_bounded(&path, MAX_TEXT).is_ok_and(|kept| kept == text.as_bytes()) {
            // It may stand there because an earlier start was ended before its last step.
            return Ok(sync_entry(&path)?);
        }
        Ok(install(&path, text.as_bytes())?)
    }

    /// Reserves order numbers for this run and returns the first. The reservation is durable before any number is used, so that
    /// no number is used twice, however a run or the machine dies.
    ///
    /// # Errors
    /// The file can't be read or written, or is damaged: guessing could use a number again.
    pub fn reserve_orders(&self) -> Result<OrderNumber> {
        let path = self.folder.join(ORDERS);
        let first: OrderNumber = match read_text(&path)? {
            Some(text) => text.trim().parse().with_context(|| {
                format!(
                    "cannot use {}: it must contain the first order number that was never used",
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

    /// Returns the path of the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether the kill switch is on. A latch that is there is made durable: the host that wrote it may have ended before
    /// its last step.
    ///
    /// # Errors
    /// It cannot be told, or the latch cannot be made durable.
    pub fn killed(&self) -> Result<bool> {
        let latch = self.latch();
        let unknown = || {
            format!(
                "cannot tell whether the kill switch is on: {}",
                latch.display()
            )
        };
        let is_on = latch.try_exists().with_context(unknown)?;
        if is_on {
            sync_entry(&latch)?;
        }
        Ok(is_on)
    }

    /// Returns the path of the kill latch, which exists while the kill switch is on.
    pub fn latch(&self) -> PathBuf {
        self.folder.join(KILLED)
    }

    /// Turns the kill switch off.
    ///
    /// # Errors
    /// The latch can't be removed, or not durably; the error says whether it still exists.
    pub fn clear_kill(&self) -> Result<()> {
        Ok(remove(&self.latch())?)
    }
}

/// Reads a text file of the data folder, if it exists.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>> {
    match read_bounded(path, MAX_TEXT) {
        Ok(bytes) => Ok(Some(unseal(path, &bytes)?.0.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Turns the kill switch on for every later start, until the latch is removed.
///
/// # Errors
/// The latch can't be written, or not durably; the error says whether it exists.
pub fn latch_kill(latch: &Path) -> Result<()> {
    Ok(install(
        latch,
        b"killed by the operator; `tickdeck run --clear-kill` lifts it\n",
    )?)
}
