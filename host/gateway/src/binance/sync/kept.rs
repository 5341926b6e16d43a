//! The diffs kept for a snapshot that is still to come.

use crate::binance::wire::{DepthUpdate, Levels};
use std::collections::VecDeque;

/// Diffs kept while a snapshot is awaited: 200 s of the 100 ms stream. The oldest go first, which at worst means asking
/// for a newer snapshot.
pub(super) const MAX_KEPT_UPDATES: usize = 2_000;
/// Maximum number of levels of all kept diffs; they are counted only after a large diff. Real diffs have a few hundred; a line
/// of a hostile file has room for a million.
const MAX_KEPT_LEVELS: usize = 1 << 21;
const LARGE_UPDATE: usize = 1 << 11;

/// Contiguous diffs, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptUpdates(VecDeque<KeptUpdate>);

#[derive(Debug, Clone)]
pub(super) struct KeptUpdate {
    base_id: u64,
    pub(super) last_id: u64,
    pub(super) levels: Levels,
}

impl KeptUpdates {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn keep(&mut self, update: &DepthUpdate, levels: &Levels) {
        if self.0.len() == MAX_KEPT_UPDATES {
            self.0.pop_front();
        }
        let levels = levels.clone();
        let is_large = levels.count() > LARGE_UPDATE;
        self.0.push_back(KeptUpdate {
            base_id: update.base_id(),
            last_id: update.last_id,
            levels,
        });
        if is_large {
            self.drop_oldest();
        }
    }

    /// The diffs that a book of this id lacks.
    ///
    /// # Errors
    /// Diffs between the book and the oldest kept are missing; holds the id of the book that the kept ones continue.
    pub(super) fn after(&self, id: u64) -> Result<impl Iterator<Item = &KeptUpdate>, u64> {
        let held = self.0.iter().take_while(|kept| kept.last_id <= id).count();
        match self.0.get(held) {
            Some(first) if first.base_id > id => Err(first.base_id),
            _ => Ok(self.0.range(held..)),
        }
    }

    /// Keeps no more levels than a few of the largest diffs have.
    fn drop_oldest(&mut self) {
        let mut levels: usize = self.0.iter().map(|kept| kept.levels.count()).sum();
        while levels > MAX_KEPT_LEVELS
            && let Some(oldest) = self.0.pop_front()
        {
            levels -= oldest.levels.count();
        }
    }
}
