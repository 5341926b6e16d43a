//! The history of the deck's strategies: written by the manager, read to answer operators.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::untrusted::{first, kept, quoted};
use tickdeck_model::{StrategyId, Timestamp, Untrusted};
use tickdeck_settings::config::ParameterValue;

/// Number of generations kept per strategy.
const GENERATIONS_KEPT: usize = 50;
/// Number of strategies whose history is kept: as many as a folder may have modules, and some removed ones.
const RECORDS_KEPT: usize = 1_200;
/// Maximum number of names that a message lists.
const MAX_LISTED: usize = 20;
/// Number of faults kept per strategy.
const FAULTS_KEPT: usize = 20;

/// A version that is or was live.
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
    /// Its id, once it has been started.
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
    /// The count of changes of all records at the last change of this one, for its age.
    changed: u64,
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

    /// Drops the note: there is nothing left to know or do.
    pub fn settle(&mut self) {
        (self.note, self.wanted) = (None, None);
    }

    /// Adds a fault, cut to the length at which messages are kept.
    pub fn fault(&mut self, at: Timestamp, text: &str) {
        if self.faults.len() == FAULTS_KEPT {
            self.faults.pop_front();
        }
        self.faults.push_back((at, kept(text)));
    }

    /// Sets the note: a line, cut to the length at which lines are kept.
    pub fn notes(&mut self, text: &str) {
        let line = kept(text).replace('\n', "; ");
        self.note = Some(Untrusted::new(&line).to_string());
    }

    /// Returns whether only the strategy's history is left.
    fn is_past(&self) -> bool {
        matches!(self.inactive, Some("refused" | "removed"))
    }
}

/// The records of a deck, by strategy; clones share them.
#[derive(Debug, Clone, Default)]
pub struct StrategyHistory(Arc<Mutex<BTreeMap<String, StrategyRecord>>>);

impl StrategyHistory {
    /// Changes a strategy's record, creating it if necessary.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut StrategyRecord)) {
        let mut records = self.records();
        let clock = records.values().map(|record| record.changed).max();
        if records.len() >= RECORDS_KEPT && !records.contains_key(name) {
            forget_oldest(&mut records);
        }
        let record = records.entry(name.to_owned()).or_default();
        record.changed = clock.unwrap_or_default() + 1;
        change(record);
    }

    /// Returns a strategy's record.
    pub fn record(&self, name: &str) -> Option<StrategyRecord> {
        self.records().get(name).cloned()
    }

    /// Returns all records.
    pub fn all(&self) -> BTreeMap<String, StrategyRecord> {
        self.records().clone()
    }

    /// Returns the message for an unknown strategy.
    pub(crate) fn unknown(&self, name: &str) -> String {
        let records = self.records();
        let names = match records.is_empty() {
            true => "none".to_owned(),
            false => first(MAX_LISTED, records.keys(), ", "),
        };
        format!("there is no strategy {}; there are {names}", quoted(name))
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, StrategyRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the least recently changed strategy among those of which only the history is left.
fn forget_oldest(records: &mut BTreeMap<String, StrategyRecord>) {
    let past = records.iter().filter(|(_, record)| record.is_past());
    let oldest = past.min_by_key(|(_, record)| record.changed);
    if let Some(name) = oldest.map(|(name, _)| name.clone()) {
        records.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_come_and_go_do_not_fill_the_history_and_one_that_runs_is_never_forgotten() {
        let history = StrategyHistory::default();
        history.change("ema", |record| record.notes(&"x".repeat(1 << 20)));
        for number in 0..3 * RECORDS_KEPT {
            history.change(&format!("n{number}"), |record| {
                record.fault(0, &"why\n".repeat(1 << 10));
                record.inactive = Some("refused");
            });
        }
        assert_eq!(history.all().len(), RECORDS_KEPT);
        let note = history.record("ema").unwrap().note.unwrap();
        assert!(
            note.len() < 2_000 && note.ends_with(" more bytes)"),
            "{note}"
        );
        let last = history
            .record(&format!("n{}", 3 * RECORDS_KEPT - 1))
            .unwrap();
        assert!(last.faults[0].1.len() < 5_000);
        assert!(history.record("n0").is_none());
        assert!(history.unknown("z\n").len() < 500);
    }
}
