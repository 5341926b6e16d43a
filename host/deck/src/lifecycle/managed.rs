//! What the loader remembers of a strategy.

use crate::lifecycle::history_entries::Content;
use crate::loading::LoadedStrategy;
use std::collections::{BTreeMap, HashSet};
use tickdeck_model::StrategyId;
use tickdeck_strategy::watch::Fingerprint;

/// What the loader remembers of a strategy.
#[derive(Default)]
pub(super) struct ManagedStrategy {
    pub(super) id: Option<StrategyId>,
    /// Whether the engine has it, running or quarantined.
    pub(super) seated: bool,
    /// What each of the last versions was made of, by the engine's count of them.
    pub(super) contents: BTreeMap<u32, Content>,
    /// Runs beside.
    pub(super) shadow: Option<Content>,
    /// The content that was last looked at.
    pub(super) offered: Option<Fingerprint>,
    /// Contents that are not taken again by themselves.
    pub(super) failed: HashSet<Fingerprint>,
    /// Waits for an approval.
    pub(super) waiting: Option<LoadedStrategy>,
    /// Why the next version comes, and what it took to make it ready.
    pub(super) coming: Option<(&'static str, String)>,
}

/// Versions of a strategy whose contents are remembered.
const CONTENTS_KEPT: u32 = 16;

impl ManagedStrategy {
    /// What the version that counts is made of.
    pub(super) fn live(&self) -> Option<&Content> {
        self.contents.last_key_value().map(|(_, content)| content)
    }

    /// Whether the engine has it with this content.
    pub(super) fn runs(&self, fingerprint: Fingerprint) -> bool {
        let live = self.live();
        self.seated && live.is_some_and(|live| live.fingerprint == fingerprint)
    }

    /// Version `generation` counts.
    pub(super) fn counts(&mut self, generation: u32, content: Content) {
        self.seated = true;
        self.contents.insert(generation, content);
        self.contents
            .retain(|other, _| *other + CONTENTS_KEPT > generation);
    }

    /// Version `generation` is the one before the last again, because the last one failed or was not wanted.
    pub(super) fn rolled_back(&mut self, generation: u32) {
        let content = |back: u32| self.contents.get(&generation.saturating_sub(back));
        let (bad, good) = (content(1), content(2).cloned());
        self.failed.extend(bad.map(|bad| bad.fingerprint));
        if let Some(good) = good {
            // Gone back to before, it was not wanted then; now it is.
            self.failed.remove(&good.fingerprint);
            self.counts(generation, good);
        }
    }

    /// What ran beside is not taken again by itself.
    pub(super) fn give_up_shadow(&mut self) {
        let shadow = self.shadow.take();
        self.failed.extend(shadow.map(|shadow| shadow.fingerprint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::Arc;
    use tickdeck_model::ModuleHash;
    use tickdeck_strategy::watch::{FileKind, Plugin};

    fn content(bytes: &[u8]) -> Content {
        let plugin = Plugin {
            name: "guest".to_owned(),
            path: PathBuf::from("guest.wasm"),
            kind: FileKind::Component,
            bytes: Arc::from(bytes),
            hash: ModuleHash::of(bytes),
            settings: None,
            signature: None,
        };
        Content::bare(plugin.fingerprint())
    }

    #[test]
    fn a_rollback_is_held_against_the_version_that_trapped_though_another_has_come_since() {
        let [one, two, three] = [b"one", b"two", b"3.."].map(|bytes| content(bytes));
        let mut entry = ManagedStrategy::default();
        entry.counts(1, one.clone());
        entry.counts(2, two.clone());
        // The loader swapped the third in before it heard that the second had trapped.
        let mut late = ManagedStrategy::default();
        late.counts(1, one.clone());
        late.counts(2, two.clone());
        late.counts(4, three.clone());

        entry.rolled_back(3);
        assert!(entry.runs(one.fingerprint));
        assert_eq!(entry.failed, HashSet::from([two.fingerprint]));
        late.rolled_back(3);
        assert!(late.runs(three.fingerprint));
        assert_eq!(late.failed, HashSet::from([two.fingerprint]));
    }
}
