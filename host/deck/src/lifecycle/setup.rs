//! The set-up of the strategy manager.

use crate::lifecycle::history::StrategyHistory;
use crate::loading::{LoadedStrategy, StrategyLoader};
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;
use tickdeck_model::{NameCount, Registry, StrategyId};
use tickdeck_recording::Quarantine;
use tickdeck_recording::names::Names;
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::watch::{Fingerprint, Scan};

/// Saves the interned names durably, before anything runs that refers to them.
pub type SaveNames = Box<dyn Fn(&Registry) -> Result<()> + Send>;

/// A strategy that ended before, or must not run.
pub struct EndedStrategy {
    /// Its name.
    pub name: String,
    /// Its id, if the engine knows it.
    pub id: Option<StrategyId>,
    /// The content that only an operator can reload, with the reason.
    pub failed: Option<(Fingerprint, String)>,
}

/// The set-up of the strategy manager.
pub struct ManagerSetup {
    /// Loads strategies.
    pub loader: StrategyLoader,
    /// The operator's approvals.
    pub grants: Grants,
    /// The names so far.
    pub registry: Arc<Registry>,
    /// How many of them the recorded run has.
    pub recorded_names: NameCount,
    /// Saves names before anything runs that refers to them.
    pub save_names: SaveNames,
    /// The names that displays use.
    pub names: Names,
    /// The plugins folder, if it is to be watched.
    pub folder: Option<PathBuf>,
    /// The content of the plugins folder at the start.
    pub scan: Scan,
    /// The strategies that were started.
    pub started: Vec<LoadedStrategy>,
    /// The strategies that wait for an approval.
    pub waiting: Vec<LoadedStrategy>,
    /// The strategies that ended before, or must not run.
    pub ended: Vec<EndedStrategy>,
    /// The modules that must not run until an operator allows it.
    pub quarantine: Quarantine,
    /// The history of the strategies so far.
    pub history: StrategyHistory,
}

/// Returns why a quarantined strategy does not run, and how it is brought back.
pub(crate) fn quarantined(name: &str, why: &str) -> String {
    format!("quarantined: {why}; `tickdeck strategies reload {name}` brings it back")
}
