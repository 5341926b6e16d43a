//! The modules that must not run until an operator allows it, with the reason: `quarantine` in the data folder.
//!
//! A strategy that crashed the host, or decided differently when a run was resumed, is entered here. The entry outlives the run,
//! so that no later start runs the same module again.

use crate::data_folder::{QUARANTINE, read_text};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_journal::atomic_file::install;
use tickdeck_journal::sealed::seal;

/// Maximum number of entries; the oldest are dropped.
const MOST_ENTRIES: usize = 1_000;

/// A module that a strategy must not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedModule {
    /// The hash of the module.
    pub module: String,
    /// The reason, as text for people.
    pub why: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
}

/// The quarantined modules of a data folder, by strategy; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Quarantine(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// None if they are kept in memory.
    file: Option<PathBuf>,
    modules: BTreeMap<String, QuarantinedModule>,
}

impl Quarantine {
    /// Reads those of a data folder.
    ///
    /// # Errors
    /// The file can't be read, or is damaged.
    pub fn load(data: &Path) -> Result<Self> {
        let file = data.join(QUARANTINE);
        let modules = match read_text(&file)? {
            Some(text) => serde_json::from_str(&text).with_context(|| {
                format!(
                    "cannot use {}: restore it from a backup, or remove it to let every module run again",
                    file.display()
                )
            })?,
            None => BTreeMap::new(),
        };
        let file = Some(file);
        Ok(Self(Arc::new(Mutex::new(State { file, modules }))))
    }

    /// Returns the entry of a strategy, if it is about this module.
    pub fn entry(&self, strategy: &str, module: &str) -> Option<QuarantinedModule> {
        let state = self.state();
        let entry = state.modules.get(strategy);
        entry.filter(|entry| entry.module == module).cloned()
    }

    /// Enters a strategy. Once this returns, the entry survives a machine crash.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn enter(&self, strategy: &str, entry: QuarantinedModule) -> Result<()> {
        self.change(|modules| {
            modules.insert(strategy.to_owned(), entry);
            while modules.len() > MOST_ENTRIES {
                let oldest = modules.iter().min_by_key(|(_, entry)| entry.at_ns);
                let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                    break;
                };
                modules.remove(&oldest);
            }
        })
    }

    /// Lets a strategy run whatever module it has.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn release(&self, strategy: &str) -> Result<()> {
        if !self.state().modules.contains_key(strategy) {
            return Ok(());
        }
        self.change(|modules| drop(modules.remove(strategy)))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, QuarantinedModule>)) -> Result<()> {
        let mut state = self.state();
        let mut modules = state.modules.clone();
        change(&mut modules);
        if let Some(file) = &state.file {
            install(
                file,
                seal(&format!("{}\n", serde_json::to_string(&modules)?)).as_bytes(),
            )?;
        }
        state.modules = modules;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(module: &str) -> QuarantinedModule {
        QuarantinedModule {
            module: module.to_owned(),
            why: "it crashed the host".to_owned(),
            at_ns: 1,
        }
    }

    #[test]
    fn an_entry_survives_a_restart_and_is_about_one_module_only() {
        let folder = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::load(folder.path()).unwrap();
        quarantine.enter("bad", entry("abc")).unwrap();
        let again = Quarantine::load(folder.path()).unwrap();
        assert_eq!(again.entry("bad", "abc"), Some(entry("abc")));
        assert_eq!(again.entry("bad", "other"), None);
        assert_eq!(again.entry("good", "abc"), None);
        again.release("bad").unwrap();
        let again = Quarantine::load(folder.path()).unwrap();
        assert_eq!(again.entry("bad", "abc"), None);
    }

    #[test]
    fn a_damaged_file_is_refused_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(QUARANTINE), "lots").unwrap();
        let error = format!("{:#}", Quarantine::load(folder.path()).unwrap_err());
        assert!(
            error.contains("remove it to let every module run"),
            "{error}"
        );
    }
}
