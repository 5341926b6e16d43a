//! What is known of the deck's strategies besides their figures: shared by the loader, which writes it, and whoever
//! answers an operator.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::{StrategyId, Timestamp};
use tickdeck_settings::config::ParameterValue;

/// Generations of one strategy that are remembered.
const GENERATIONS_KEPT: usize = 50;
/// Faults of one strategy that are remembered.
const FAULTS_KEPT: usize = 20;

/// A version that counted, or counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Counts from 1.
    pub number: u32,
    /// Its version.
    pub version: String,
    /// Its module's hash.
    pub hash: String,
    /// Since when, in event time.
    pub at: Timestamp,
    /// Why it came.
    pub reason: String,
    /// What it took over, and how long that took.
    pub handover: String,
}

/// A permission: what was asked for and what was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPermission {
    /// Its name.
    pub name: String,
    /// What was asked for.
    pub requested: String,
    /// What was granted.
    pub granted: String,
}

/// What is known of a strategy.
#[derive(Debug, Clone, Default)]
pub struct StrategyRecord {
    /// Its number, once it was seated.
    pub id: Option<StrategyId>,
    /// Its parameters.
    pub parameters: Vec<ParameterValue>,
    /// What it may do.
    pub permissions: Vec<RecordedPermission>,
    /// What a version that waits for an approval asks for, and what is granted so far.
    pub wanted: Option<Vec<RecordedPermission>>,
    /// Its versions, oldest first.
    pub generations: VecDeque<Generation>,
    /// What went wrong.
    pub faults: VecDeque<(Timestamp, String)>,
    /// What the operator should know or do.
    pub note: Option<String>,
    /// How it stands if it has no seat: `waiting for approval`, `refused`.
    pub unseated: Option<&'static str>,
    /// Version and hash of what has no seat yet.
    pub asks: Option<(String, String)>,
}

impl StrategyRecord {
    /// Adds a generation.
    pub fn generation(&mut self, generation: Generation) {
        if self.generations.len() == GENERATIONS_KEPT {
            self.generations.pop_front();
        }
        self.generations.push_back(generation);
    }

    /// There is nothing that the operator should know or do.
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

/// The records of a deck, by strategy name; clones share them.
#[derive(Debug, Clone, Default)]
pub struct StrategyHistory(Arc<Mutex<BTreeMap<String, StrategyRecord>>>);

impl StrategyHistory {
    /// Changes a strategy's record, making it if need be.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut StrategyRecord)) {
        change(self.records().entry(name.to_owned()).or_default());
    }

    /// A strategy's record.
    pub fn record(&self, name: &str) -> Option<StrategyRecord> {
        self.records().get(name).cloned()
    }

    /// All records.
    pub fn all(&self) -> BTreeMap<String, StrategyRecord> {
        self.records().clone()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, StrategyRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
