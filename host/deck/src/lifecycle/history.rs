//! The history of the deck's strategies: written by the manager, read to answer operators.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::{StrategyId, Timestamp};
use tickdeck_settings::config::ParameterValue;

/// Generations of a strategy that are kept.
const GENERATIONS_KEPT: usize = 50;
/// Faults of a strategy that are kept.
const FAULTS_KEPT: usize = 20;

/// A version that was live, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Counts from 1.
    pub number: u32,
    /// Its version.
    pub version: String,
    /// Its module's hash.
    pub hash: String,
    /// When it became live, in event time.
    pub at: Timestamp,
    /// The reason why it became live.
    pub reason: String,
    /// The state that it took over, and how long that took.
    pub handover: String,
}

/// A permission, as requested and as granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPermission {
    /// Its name.
    pub name: String,
    /// As requested.
    pub requested: String,
    /// As granted.
    pub granted: String,
}

/// The record of a strategy.
#[derive(Debug, Clone, Default)]
pub struct StrategyRecord {
    /// Its number, once it has been started.
    pub id: Option<StrategyId>,
    /// Its parameters.
    pub parameters: Vec<ParameterValue>,
    /// Its permissions.
    pub permissions: Vec<RecordedPermission>,
    /// The permissions of a version that waits for an approval.
    pub wanted: Option<Vec<RecordedPermission>>,
    /// Its versions, oldest first.
    pub generations: VecDeque<Generation>,
    /// Its last faults, with event times.
    pub faults: VecDeque<(Timestamp, String)>,
    /// A note for the operator: something to know or to do.
    pub note: Option<String>,
    /// Its state if the engine does not have it: `waiting for approval`, `refused`, `removed`.
    pub inactive: Option<&'static str>,
    /// Version and hash of a version that waits, while the engine has none.
    pub waiting_version: Option<(String, String)>,
}

impl StrategyRecord {
    /// Adds a generation.
    pub fn generation(&mut self, generation: Generation) {
        if self.generations.len() == GENERATIONS_KEPT {
            self.generations.pop_front();
        }
        self.generations.push_back(generation);
    }

    /// Drops the note: there is nothing to know or to do.
    pub fn settle(&mut self) {
        (self.note, self.wanted) = (None, None);
    }

    /// Adds a fault.
    pub fn fault(&mut self, at: Timestamp, text: String) {
        if self.faults.len() == FAULTS_KEPT {
            self.faults.pop_front();
        }
        self.faults.push_back((at, text));
    }
}

/// The records of a deck, by strategy; clones share them.
#[derive(Debug, Clone, Default)]
pub struct StrategyHistory(Arc<Mutex<BTreeMap<String, StrategyRecord>>>);

impl StrategyHistory {
    /// Changes a strategy's record, making it if need be.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut StrategyRecord)) {
        change(self.records().entry(name.to_owned()).or_default());
    }

    /// Returns a strategy's record.
    pub fn record(&self, name: &str) -> Option<StrategyRecord> {
        self.records().get(name).cloned()
    }

    /// Returns all records.
    pub fn all(&self) -> BTreeMap<String, StrategyRecord> {
        self.records().clone()
    }

    /// Returns the message for a strategy that is not known.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let records = self.records();
        let names: Vec<&str> = records.keys().map(String::as_str).collect();
        let names = match names[..] {
            [] => "none".to_owned(),
            _ => names.join(", "),
        };
        format!("there is no strategy `{name}`; there are {names}")
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, StrategyRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
