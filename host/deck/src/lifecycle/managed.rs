//! The manager's memory of a strategy.

use crate::change_cause::Content;
use crate::loading::LoadedStrategy;
use std::collections::{BTreeMap, HashSet};
use tickdeck_model::StrategyId;
use tickdeck_strategy::watch::Fingerprint;

/// The manager's memory of a strategy.
#[derive(Default)]
pub(super) struct ManagedStrategy {
    pub(super) id: Option<StrategyId>,
    /// Whether the engine has it, running or quarantined.
    pub(super) started: bool,
    /// The contents of its last versions, by generation.
    pub(super) contents: BTreeMap<u32, Content>,
    /// The content of its shadow.
    pub(super) shadow: Option<Content>,
    /// The content that was last offered to it.
    pub(super) offered: Option<Fingerprint>,
    /// Contents that failed, which only an operator can reload.
    pub(super) failed: HashSet<Fingerprint>,
    /// The names that its versions have brought into the run.
    pub(super) names: usize,
    /// A version that waits for an approval.
    pub(super) waiting: Option<LoadedStrategy>,
}

/// Versions of a strategy whose contents are remembered.
const CONTENTS_KEPT: u32 = 16;

impl ManagedStrategy {
    /// Returns the content of the live version.
    pub(super) fn live(&self) -> Option<&Content> {
        self.contents.last_key_value().map(|(_, content)| content)
    }

    /// Whether the engine has it with this content.
    pub(super) fn runs(&self, fingerprint: Fingerprint) -> bool {
        let live = self.live();
        self.started && live.is_some_and(|live| live.fingerprint == fingerprint)
    }

    /// Whether this content is neither the one that it runs or was last offered, nor one that failed.
    pub(super) fn is_news(&self, fingerprint: Fingerprint) -> bool {
        !self.runs(fingerprint)
            && self.offered != Some(fingerprint)
            && !self.failed.contains(&fingerprint)
    }

    /// Notes that a generation with this content is live.
    pub(super) fn set_live(&mut self, generation: u32, content: Content) {
        self.started = true;
        self.contents.insert(generation, content);
        self.contents
            .retain(|other, _| *other + CONTENTS_KEPT > generation);
    }

    /// Notes a rollback, which created `generation` from the previous content: the last one failed or was not wanted.
    pub(super) fn roll_back(&mut self, generation: u32) {
        let content = |back: u32| self.contents.get(&generation.saturating_sub(back));
        let (bad, good) = (content(1), content(2).cloned());
        self.failed.extend(bad.map(|bad| bad.fingerprint));
        if let Some(good) = good {
            // An earlier rollback may have marked it as failed.
            self.failed.remove(&good.fingerprint);
            self.set_live(generation, good);
        }
    }

    /// Notes that the shadow ended: only an operator can reload it.
    pub(super) fn give_up_shadow(&mut self) {
        let shadow = self.shadow.take();
        self.failed.extend(shadow.map(|shadow| shadow.fingerprint));
    }

    /// Notes that the strategy was removed.
    pub(super) fn remove(&mut self) {
        self.started = false;
        self.contents.clear();
        self.shadow = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change_cause::content;

    #[test]
    fn a_rollback_is_held_against_the_version_that_trapped_though_another_has_come_since() {
        let [one, two, three] = [b"one", b"two", b"3.."].map(|bytes| content(bytes));
        let mut entry = ManagedStrategy::default();
        entry.set_live(1, one.clone());
        entry.set_live(2, two.clone());
        // The third replaced the second before the second's trap was known.
        let mut late = ManagedStrategy::default();
        late.set_live(1, one.clone());
        late.set_live(2, two.clone());
        late.set_live(4, three.clone());

        entry.roll_back(3);
        assert!(entry.runs(one.fingerprint));
        assert_eq!(entry.failed, HashSet::from([two.fingerprint]));
        late.roll_back(3);
        assert!(late.runs(three.fingerprint));
        assert_eq!(late.failed, HashSet::from([two.fingerprint]));
    }
}
