//! The names that versions add to a run: bounded, and recorded once. Names are never forgotten, because saved states and reels
//! refer to them by id.

use crate::change_cause::ChangeCause;
use crate::lifecycle::manager::Manager;
use tickdeck_engine::{StrategyChange, VersionChange};
use tickdeck_model::Registry;

/// Number of names that the versions of one strategy may add to a run: twice what one version can have.
const NAMES_OF_STRATEGY: usize = 1_024;

/// Number of names that a deck may have.
const NAMES_OF_DECK: usize = 65_536;

impl Manager {
    /// Counts the names that a strategy adds to the run: they are never forgotten.
    pub(super) fn count_names(&mut self, name: &str, registry: &Registry) -> Result<(), String> {
        let all = registry.name_count().total();
        let added = all.saturating_sub(self.registry.name_count().total());
        let entry = self.entry(name);
        let names = entry.names + added;
        if added > 0 && (names > NAMES_OF_STRATEGY || all > NAMES_OF_DECK) {
            return Err(format!(
                "its versions have brought {names} names of messages and signals into this run, the limit is \
                 {NAMES_OF_STRATEGY} for a strategy and {NAMES_OF_DECK} for a deck: use the same texts again, or start with \
                 an empty data folder"
            ));
        }
        entry.names = names;
        Ok(())
    }

    /// Requests a change to a version that has the names in its spec which the run does not have yet.
    pub(super) fn request_with_names(
        &mut self,
        change: StrategyChange,
        cause: ChangeCause,
    ) -> Result<VersionChange, String> {
        let done = self.request(change, cause);
        // A change is recorded before it is made, even if it is then refused.
        self.recorded_names = self.registry.name_count();
        done
    }
}
