//! A deck is a folder: `tickdeck.toml`, `plugins/` and `data/`. The data folder belongs to one host at a time.

use crate::builder::install;
use crate::config::{Config, FILE_NAME};
use crate::grants::Grants;
use crate::sealed::{seal, unseal};
use anyhow::{Context, Result, bail};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::ORDERS_PER_RUN;
use tickdeck_model::{OrderNumber, Registry};
use tickdeck_strategy::watch::Scan;

/// The modules of a deck.
pub const PLUGINS: &str = "plugins";
/// What must last.
const DATA: &str = "data";
/// Held by the host that runs, whose process number is in it.
pub(crate) const LOCK: &str = "lock";
/// The interned names.
pub(crate) const IDS: &str = "ids";
/// There while the kill switch is on.
pub(crate) const KILLED: &str = "killed";
/// The first order number that no run has had.
pub(crate) const ORDERS: &str = "orders";

/// A deck's folder.
#[derive(Debug, Clone)]
pub struct Deck {
    root: PathBuf,
}

impl Deck {
    /// The deck in `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its settings file, whether or not it is there.
    pub fn config_file(&self) -> PathBuf {
        self.root.join(FILE_NAME)
    }

    /// Its settings; the defaults if it has no file.
    ///
    /// # Errors
    /// The file can't be read, or everything that is wrong with it.
    pub fn config(&self) -> Result<Config> {
        let file = self.config_file();
        if file.exists() {
            Config::load(&file)
        } else {
            Ok(Config::default())
        }
    }

    /// Its plugins folder.
    pub fn plugins(&self) -> PathBuf {
        self.root.join(PLUGINS)
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.root.join(DATA)
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the data folder for this host alone, making it if need be.
    ///
    /// # Errors
    /// Another host holds it, or it can't be written.
    pub fn open_data(&self) -> Result<Data> {
        Data::open(self.data())
    }
}

/// What a plugins folder holds.
///
/// # Errors
/// It can't be read.
pub fn scan(plugins: &Path) -> Result<Scan> {
    if !plugins.exists() {
        bail!(
            "there is no plugins folder {}: `tickdeck build CRATE` makes it and builds a strategy into it",
            plugins.display()
        );
    }
    Ok(tickdeck_strategy::watch::scan(plugins)?)
}

/// A crate's module: named like its folder.
pub fn module_name(folder: &Path) -> String {
    folder
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

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
        install(&path, text.as_bytes())
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

    /// What the operator approved.
    ///
    /// # Errors
    /// The file can't be read or is damaged.
    pub fn grants(&self) -> Result<Grants> {
        Grants::load(&self.folder)
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
    install(
        latch,
        b"killed by the operator; `tickdeck run --clear-kill` lifts it\n",
    )
}

/// Where compiled modules are kept: never in the plugins folder.
pub fn cache_folder() -> Option<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = match (from("XDG_CACHE_HOME"), from("LOCALAPPDATA"), from("HOME")) {
        (Some(cache), _, _) => cache,
        (None, Some(local), _) if cfg!(windows) => local,
        (None, _, Some(home)) if cfg!(target_os = "macos") => home.join("Library/Caches"),
        (None, _, Some(home)) => home.join(".cache"),
        _ => return None,
    };
    Some(base.join("tickdeck"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_belongs_to_one_host_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let deck = Deck::at(folder.path());
        let data = deck.open_data().unwrap();
        let error = deck.open_data().unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "another tickdeck runs this deck, process {}",
                std::process::id()
            )),
            "{error}"
        );
        drop(data);
        let lock = deck.data().join(LOCK);
        assert_eq!(std::fs::read(lock).unwrap(), b"", "nobody holds it");
        deck.open_data().unwrap();
    }

    #[test]
    fn files_from_before_checksums_are_read_and_get_one() {
        let folder = tempfile::tempdir().unwrap();
        let deck = Deck::at(folder.path());
        let data = deck.open_data().unwrap();
        std::fs::write(deck.data().join(ORDERS), "17\n").unwrap();
        std::fs::write(deck.data().join(IDS), "strategy\thost\nstrategy\ta\n").unwrap();
        assert_eq!(data.reserve_orders().unwrap(), 17);
        let registry = data.ids().unwrap();
        data.keep_ids(&registry).unwrap();
        assert_eq!(data.ids().unwrap().to_text(), registry.to_text());
        for name in [ORDERS, IDS] {
            let text = std::fs::read_to_string(deck.data().join(name)).unwrap();
            assert!(text.contains("# xxh3 "), "{text}");
            std::fs::write(
                deck.data().join(name),
                text.replacen('1', "3", 1).replacen("ta", "tb", 1),
            )
            .unwrap();
        }
        let error = format!("{:#}", data.ids().unwrap_err());
        assert!(
            error.contains("ids is damaged: its content has the checksum"),
            "{error}"
        );
        let error = format!("{:#}", data.reserve_orders().unwrap_err());
        assert!(error.contains("orders is damaged"), "{error}");
    }

    #[test]
    fn numbers_mean_the_same_for_the_life_of_a_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let deck = Deck::at(folder.path());
        let first = {
            let data = deck.open_data().unwrap();
            let mut registry = data.ids().unwrap();
            registry.add_strategy("a");
            let id = registry.add_strategy("b");
            data.keep_ids(&registry).unwrap();
            id
        };
        let data = deck.open_data().unwrap();
        assert_eq!(data.ids().unwrap().add_strategy("b"), first);
        std::fs::write(deck.data().join("ids"), "nonsense").unwrap();
        let error = format!("{:#}", data.ids().unwrap_err());
        assert!(
            error.contains("restore it from a backup") && error.contains("line 1"),
            "{error}"
        );
    }

    #[test]
    fn no_order_number_is_given_to_two_runs() {
        let folder = tempfile::tempdir().unwrap();
        let deck = Deck::at(folder.path());
        let first = deck.open_data().unwrap().reserve_orders().unwrap();
        let data = deck.open_data().unwrap();
        assert_eq!(
            (first, data.reserve_orders().unwrap()),
            (1, 1 + ORDERS_PER_RUN)
        );
        std::fs::write(deck.data().join(ORDERS), "many").unwrap();
        let error = format!("{:#}", data.reserve_orders().unwrap_err());
        assert!(error.contains("orders"), "{error}");
    }

    #[test]
    fn a_kill_is_latched_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let deck = Deck::at(folder.path());
        let data = deck.open_data().unwrap();
        assert!(!data.killed());
        latch_kill(&data.latch()).unwrap();
        drop(data);
        let data = deck.open_data().unwrap();
        assert!(data.killed());
        data.clear_kill().unwrap();
        data.clear_kill().unwrap();
        assert!(!data.killed());
    }
}
