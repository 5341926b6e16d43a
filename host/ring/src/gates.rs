//! The positions up to which the attached consumers have read.
//!
//! A gate holds the oldest sequence its consumer may still be reading, or [`OPEN`]. The gates lie in a fixed
//! array, so that attaching allocates nothing and a scan follows no pointer.

use crate::sync::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;

/// The largest number of consumers attached at any time, of all policies together.
#[cfg(not(loom))]
pub const MAX_CONSUMERS: usize = 64;
/// The largest number of consumers attached at any time, of all policies together.
#[cfg(loom)]
pub const MAX_CONSUMERS: usize = 3;

/// The value of a gate that blocks nobody.
pub(crate) const OPEN: u64 = u64::MAX;

pub(crate) struct Gates {
    /// One bit for each gate that has an owner.
    taken: CachePadded<AtomicU64>,
    /// One bit for each gate whose owner must not lose anything, as opposed to a temporary pin.
    waiting: CachePadded<AtomicU64>,
    cursors: [CachePadded<AtomicU64>; MAX_CONSUMERS],
}

impl Gates {
    pub(crate) fn new() -> Self {
        Self {
            taken: CachePadded::new(AtomicU64::new(0)),
            waiting: CachePadded::new(AtomicU64::new(0)),
            cursors: std::array::from_fn(|_| CachePadded::new(AtomicU64::new(OPEN))),
        }
    }

    /// Takes a gate, which is open. `None` when all have an owner.
    pub(crate) fn take(&self) -> Option<usize> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let index = taken.trailing_ones() as usize;
            if index >= MAX_CONSUMERS {
                return None;
            }
            // Acquire: what the previous owner read happened before anything the new owner lets be overwritten.
            let swap = self.taken.compare_exchange_weak(
                taken,
                taken | 1 << index,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return Some(index),
                Err(now) => taken = now,
            }
        }
    }

    /// Counts the owner of this gate among those that [`Self::slowest_waiting`] looks at.
    pub(crate) fn mark_waiting(&self, index: usize) {
        self.waiting.fetch_or(1 << index, Ordering::AcqRel);
    }

    /// Gives a gate back, opening it.
    pub(crate) fn give_back(&self, index: usize) {
        self.set(index, OPEN);
        self.waiting.fetch_and(!(1 << index), Ordering::AcqRel);
        // Release: a scan that no longer sees the owner comes after all the owner's reads.
        self.taken.fetch_and(!(1 << index), Ordering::AcqRel);
    }

    /// Sets the gate. Always a release: a producer that acquires the value may overwrite all that lies before
    /// it, after every read made before this call.
    pub(crate) fn set(&self, index: usize, sequence: u64) {
        self.cursors[index].store(sequence, Ordering::Release);
    }

    /// The oldest sequence that some consumer may be reading, [`OPEN`] when there is none.
    pub(crate) fn slowest(&self) -> u64 {
        self.slowest_of(self.taken.load(Ordering::Acquire))
    }

    /// The same over the `Wait` consumers, leaving out temporary pins.
    pub(crate) fn slowest_waiting(&self) -> u64 {
        self.slowest_of(self.waiting.load(Ordering::Acquire))
    }

    fn slowest_of(&self, mut mask: u64) -> u64 {
        let mut slowest = OPEN;
        while mask != 0 {
            let index = mask.trailing_zeros() as usize;
            slowest = slowest.min(self.cursors[index].load(Ordering::Acquire));
            mask &= mask - 1;
        }
        slowest
    }
}
