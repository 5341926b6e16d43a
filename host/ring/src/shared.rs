//! The state that producers and consumers share, and the protocol between them.
//!
//! See the crate's documentation for the argument why this is sound; the comments here name its steps.

use crate::gates::Gates;
use crate::slots::Slots;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::wait::{Bell, Patience, Wait};
use crate::{MAX_CAPACITY, RingConfig, RingError};
use crossbeam_utils::CachePadded;

/// Set in `claimed` once the ring is closed. The bit lies in the word that claims change, so that no claim can
/// slip in after the close.
pub(crate) const CLOSED: u64 = 1 << 63;

/// Set in `claimed` while one producer has the ring to itself and counts its own claims.
pub(crate) const SOLE: u64 = 1 << 62;

/// The value of `poisoned` while no producer has panicked.
const UNHARMED: u64 = u64::MAX;

pub(crate) struct Shared<T> {
    /// The next sequence to be claimed, [`SOLE`] and [`CLOSED`].
    pub(crate) claimed: CachePadded<AtomicU64>,
    /// A boundary between runs up to which everything was published; it lags behind until someone advances it.
    pub(crate) frontier: CachePadded<AtomicU64>,
    /// For each slot the end of the run that last began there. A run of any length costs one store.
    ends: Box<[AtomicU64]>,
    slots: Slots<T>,
    gates: Gates,
    pub(crate) signs: CachePadded<Signs>,
    /// The lowest sequence a panicking producer left unwritten.
    poisoned: AtomicU64,
    wait: Wait,
    readers: CachePadded<Bell>,
    writers: CachePadded<Bell>,
}

/// Flags that waiting consumers poll, because they rarely change.
pub(crate) struct Signs {
    /// 1 once [`CLOSED`] is set. Polling `claimed` itself would steal its cache line from the producers.
    closed: AtomicU64,
    /// 1 while a sole producer keeps the frontier where it is. Only a hint: it may be seen late.
    pub(crate) led: AtomicU64,
}

impl<T: Copy> Shared<T> {
    pub(crate) fn new(config: RingConfig) -> Result<Self, RingError> {
        let RingConfig { capacity, wait } = config;
        if !capacity.is_power_of_two() || !(2..=MAX_CAPACITY).contains(&capacity) {
            return Err(RingError::Capacity {
                capacity,
                max: MAX_CAPACITY,
            });
        }
        Ok(Self {
            claimed: CachePadded::new(AtomicU64::new(0)),
            frontier: CachePadded::new(AtomicU64::new(0)),
            ends: (0..capacity).map(|_| AtomicU64::new(0)).collect(),
            slots: Slots::new(capacity),
            gates: Gates::new(),
            signs: CachePadded::new(Signs {
                closed: AtomicU64::new(0),
                led: AtomicU64::new(0),
            }),
            poisoned: AtomicU64::new(UNHARMED),
            wait,
            readers: CachePadded::new(Bell::new()),
            writers: CachePadded::new(Bell::new()),
        })
    }

    #[inline]
    pub(crate) fn slots(&self) -> &Slots<T> {
        &self.slots
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.slots.capacity() as u64
    }

    /// Half the ring: how far producers run ahead of what is published without checking the gates again, and so also the longest
    /// run and the distance that is safe to pin.
    pub(crate) fn window(&self) -> u64 {
        self.capacity() / 2
    }

    /// The end of the run that begins at `boundary`, if that run was published.
    ///
    /// An entry of an earlier lap ends before `boundary`, since no run is longer than half the ring. The
    /// entry may be of a *later* lap when nothing holds the producers back; its end then lies more than the
    /// capacity ahead.
    pub(crate) fn run_end(&self, boundary: u64) -> Option<u64> {
        // Acquire: pairs with the store in `publish_run`, so that the items of the run can be read.
        let end = self.ends[self.slots.index(boundary)].load(Ordering::Acquire);
        (end > boundary).then_some(end)
    }

    /// The next sequence that is not published, everything before it being so. Moves the frontier up to it.
    pub(crate) fn published(&self) -> u64 {
        let seen = self.frontier.load(Ordering::Acquire);
        let mut boundary = seen;
        while let Some(end) = self.run_end(boundary) {
            boundary = if end - boundary > self.window() {
                // A later lap. Its producer had moved the frontier past `boundary` before it claimed, and the
                // acquire in `run_end` makes that visible here.
                self.frontier.load(Ordering::Acquire)
            } else {
                end
            };
        }
        if boundary > seen {
            // A read-modify-write, so that it carries on the release of every earlier one.
            self.frontier.fetch_max(boundary, Ordering::AcqRel);
        }
        boundary
    }

    /// The end of what may be claimed now; it stays claimable for good.
    pub(crate) fn claim_limit(&self) -> u64 {
        let published = self.published();
        // Pairs with the fence in `pin`: either this scan sees that gate, or `pin` sees this frontier.
        fence(Ordering::SeqCst);
        let gated = self.gates.slowest().saturating_add(self.capacity());
        gated.min(published + self.window())
    }

    /// Closes the gate at `sequence` and returns what is published afterwards. From then on, nothing from
    /// half the ring behind the returned sequence, or from `sequence` if that is later, is overwritten.
    pub(crate) fn pin(&self, gate: usize, sequence: u64) -> u64 {
        self.gates.set(gate, sequence);
        fence(Ordering::SeqCst);
        self.published()
    }

    /// Opens the gate and wakes waiting producers.
    pub(crate) fn unpin(&self, gate: usize) {
        self.gates.set(gate, crate::gates::OPEN);
        self.wake_writers();
    }

    /// Claims `len` sequences below `limit`, refreshing `limit` if needed. `Ok(None)` when there is no room.
    pub(crate) fn claim(&self, len: u64, limit: &mut u64) -> Result<Option<u64>, RingError> {
        // Relaxed will do for this word: that a slot is exclusive follows from the read-modify-write, and that it
        // is free from the acquires in `claim_limit`.
        let mut first = self.claimed.load(Ordering::Relaxed);
        loop {
            if first & (CLOSED | SOLE) != 0 {
                return Err(self.turned_away(first));
            }
            if first + len > *limit {
                *limit = self.claim_limit();
                first = self.claimed.load(Ordering::Relaxed);
                if first & (CLOSED | SOLE) == 0 && first + len > *limit {
                    return Ok(None);
                }
                continue;
            }
            let swap = self.claimed.compare_exchange_weak(
                first,
                first + len,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return Ok(Some(first)),
                Err(now) => first = now,
            }
        }
    }

    /// Makes the claimed and written run `first..end` readable.
    #[inline]
    pub(crate) fn publish_run(&self, first: u64, end: u64) {
        self.store_end(first, end);
        self.wake_all();
    }

    #[inline]
    pub(crate) fn store_end(&self, first: u64, end: u64) {
        if first < end {
            self.ends[self.slots.index(first)].store(end, Ordering::Release);
        }
    }

    /// A boundary up to which everything is published; more may be.
    pub(crate) fn surely_published(&self) -> u64 {
        self.frontier.load(Ordering::Acquire)
    }

    /// Whether the frontier alone is authoritative. This may be slightly out of date.
    pub(crate) fn is_led(&self) -> bool {
        self.signs.led.load(Ordering::Relaxed) != 0
    }

    /// Ends the ring at `sequence`, which was claimed and will never be written.
    pub(crate) fn poison(&self, sequence: u64) {
        self.poisoned.fetch_min(sequence, Ordering::AcqRel);
        self.close();
    }

    pub(crate) fn close(&self) {
        self.claimed.fetch_or(CLOSED, Ordering::AcqRel);
        self.signs.closed.store(1, Ordering::Release);
        self.wake_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.claimed.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether nothing at or after `position` will ever be readable.
    pub(crate) fn has_ended(&self, position: u64) -> Result<bool, RingError> {
        if self.signs.closed.load(Ordering::Acquire) == 0 {
            return Ok(false);
        }
        let claimed = self.claimed.load(Ordering::Acquire);
        let at = self.poisoned.load(Ordering::Acquire);
        if position == at {
            return Err(RingError::Poisoned { at });
        }
        // Never while a sole producer has not said where it ended: `SOLE` is above every sequence.
        Ok(position == claimed & !CLOSED)
    }

    /// Returns the error for a producer that found `claimed` marked like this.
    pub(crate) fn turned_away(&self, claimed: u64) -> RingError {
        if claimed & CLOSED == 0 {
            return RingError::Occupied;
        }
        self.closing_error()
    }

    /// Returns the error for a producer of a closed ring.
    pub(crate) fn closing_error(&self) -> RingError {
        match self.poisoned.load(Ordering::Acquire) {
            UNHARMED => RingError::Closed,
            at => RingError::Poisoned { at },
        }
    }

    /// The next sequence to be read by the slowest consumer that waits.
    pub(crate) fn slowest(&self) -> u64 {
        let published = self.published();
        self.gates.slowest_waiting().min(published)
    }

    /// Whether a claim of `len` would return now, even with an error.
    pub(crate) fn is_answered(&self, len: u64) -> bool {
        let claimed = self.claimed.load(Ordering::Relaxed);
        claimed & (CLOSED | SOLE) != 0 || claimed + len <= self.claim_limit()
    }

    pub(crate) fn writers(&self) -> Patience<'_> {
        Patience::new(&self.writers, self.wait)
    }

    pub(crate) fn readers(&self) -> Patience<'_> {
        Patience::new(&self.readers, self.wait)
    }

    /// Wakes the threads that wait for free slots or for a barrier.
    pub(crate) fn wake_writers(&self) {
        if self.wait.parks() {
            fence(Ordering::SeqCst);
            self.writers.ring_after_fence();
        }
    }

    /// Wakes everyone. Publishing makes room too: producers do not run far ahead of an unpublished claim.
    #[inline]
    pub(crate) fn wake_all(&self) {
        if self.wait.parks() {
            self.ring_all();
        }
    }

    #[inline(never)]
    fn ring_all(&self) {
        fence(Ordering::SeqCst);
        self.readers.ring_after_fence();
        self.writers.ring_after_fence();
    }
}
