//! A deck is a folder: `tickdeck.toml`, `plugins/` and `data/`. The data folder belongs to one host at a time.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use tickdeck_recording::data_folder::Data;
use tickdeck_settings::config::{Config, FILE_NAME};
use tickdeck_strategy::watch::Scan;

/// The folder of a deck's modules.
pub const PLUGINS: &str = "plugins";
/// The folder of a deck's durable state.
const DATA: &str = "data";

/// A deck's folder.
#[derive(Debug, Clone)]
pub struct Deck {
    root: PathBuf,
}

impl Deck {
    /// Returns the deck in `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns its settings file, which need not exist.
    pub fn config_file(&self) -> PathBuf {
        self.root.join(FILE_NAME)
    }

    /// Reads its settings; the defaults if it has no file.
    ///
    /// # Errors
    /// The file can't be read, or is wrong; the error lists every mistake.
    pub fn config(&self) -> Result<Config> {
        let file = self.config_file();
        if file.exists() {
            Config::load(&file)
        } else {
            Ok(Config::default())
        }
    }

    /// Returns its plugins folder.
    pub fn plugins(&self) -> PathBuf {
        self.root.join(PLUGINS)
    }

    /// Returns its data folder.
    pub fn data(&self) -> PathBuf {
        self.root.join(DATA)
    }

    /// Returns its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the data folder for this host alone, and creates it if needed.
    ///
    /// # Errors
    /// Another host holds it, or it can't be written.
    pub fn open_data(&self) -> Result<Data> {
        Data::open(self.data())
    }
}

/// Reads a plugins folder; nothing in it hides the `known` modules.
///
/// # Errors
/// The folder can't be read.
pub fn scan(plugins: &Path, known: &[String]) -> Result<Scan> {
    if !plugins.exists() {
        bail!(
            "there is no plugins folder {}: `tickdeck build CRATE` makes it and builds a strategy into it",
            plugins.display()
        );
    }
    Ok(tickdeck_strategy::watch::scan(plugins, known)?)
}

/// Returns the name of a crate's module: the name of its folder.
pub fn module_name(folder: &Path) -> String {
    folder
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_engine::port::ORDERS_PER_RUN;
    use tickdeck_recording::data_folder::{IDS, LOCK, ORDERS, latch_kill};

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
        assert!(!data.killed().unwrap());
        latch_kill(&data.latch()).unwrap();
        drop(data);
        let data = deck.open_data().unwrap();
        assert!(data.killed().unwrap());
        data.clear_kill().unwrap();
        data.clear_kill().unwrap();
        assert!(!data.killed().unwrap());
    }
}
