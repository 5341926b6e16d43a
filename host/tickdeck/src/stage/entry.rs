//! What the loader remembers of a strategy.

use super::records::Content;
use crate::casting::Candidate;
use std::collections::HashSet;
use tickdeck_model::StrategyId;
use tickdeck_strategy::watch::Fingerprint;

/// What the loader remembers of a strategy.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) id: Option<StrategyId>,
    /// Whether the engine has it, running or quarantined.
    pub(super) seated: bool,
    /// The content that counts, and the one before it.
    pub(super) live: Option<Content>,
    pub(super) before: Option<Content>,
    /// Runs beside.
    pub(super) beside: Option<Content>,
    /// The content that was last looked at.
    pub(super) offered: Option<Fingerprint>,
    /// Contents that are not taken again by themselves.
    pub(super) failed: HashSet<Fingerprint>,
    /// Waits for an approval.
    pub(super) waiting: Option<Candidate>,
    /// Compile time and size of what is being handed over, for its generation.
    pub(super) loading: Option<String>,
}

impl Entry {
    /// Whether the engine has it with this content.
    pub(super) fn runs(&self, fingerprint: Fingerprint) -> bool {
        let live = self.live.as_ref();
        self.seated && live.is_some_and(|live| live.fingerprint == fingerprint)
    }

    /// What counted is not taken again by itself; the one before counts, and the other way round if that is asked for.
    pub(super) fn give_up_live(&mut self) {
        std::mem::swap(&mut self.live, &mut self.before);
        let gone = self.before.as_ref().map(|gone| gone.fingerprint);
        self.failed.extend(gone);
        if let Some(live) = &self.live {
            self.failed.remove(&live.fingerprint);
        }
    }

    pub(super) fn give_up_beside(&mut self) {
        let beside = self.beside.take();
        self.failed.extend(beside.map(|beside| beside.fingerprint));
    }

    /// The engine put the module `hash` back. While the loader was busy with the next version, what trapped may have
    /// become the one before.
    pub(super) fn was_rolled_back(&mut self, hash: &str) {
        match &self.before {
            Some(before) if before.hash != hash => {
                self.failed.insert(before.fingerprint);
                self.before = None;
            }
            _ => self.give_up_live(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::Arc;
    use tickdeck_strategy::ModuleHash;
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
        Content::bare(plugin.fingerprint(), plugin.hash.to_string())
    }

    #[test]
    fn a_rollback_is_held_against_the_version_that_trapped_though_another_has_come_since() {
        let [one, two, three] = [b"one", b"two", b"3.."].map(|bytes| content(bytes));
        let mut entry = Entry {
            live: Some(two.clone()),
            before: Some(one.clone()),
            ..Entry::default()
        };
        entry.was_rolled_back(&one.hash);
        assert_eq!(entry.live.map(|live| live.hash), Some(one.hash.clone()));
        assert_eq!(entry.failed, HashSet::from([two.fingerprint]));

        // The loader swapped the third in before it heard that the second had trapped.
        let mut entry = Entry {
            live: Some(three.clone()),
            before: Some(two.clone()),
            ..Entry::default()
        };
        entry.was_rolled_back(&one.hash);
        assert_eq!(entry.live.map(|live| live.hash), Some(three.hash));
        assert_eq!(entry.failed, HashSet::from([two.fingerprint]));
    }
}
