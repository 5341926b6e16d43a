//! The reading end of the ring.

use crate::sync::Arc;
use crate::{PARK_LIMIT, RingError, shared::Shared};
use std::fmt;
use std::time::Duration;

/// Maximum number of items that a [`Consumer::read`] of a lapsable consumer copies at once: for that long, and no longer,
/// producers that have gone once around the ring have to wait for it.
pub const MAX_PINNED: usize = 256;

/// What happens to a consumer that does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPolicy {
    /// The producers wait for it. It loses nothing.
    Wait,
    /// It is lapped, learns from [`Read::Lagged`] what it missed, and continues with recent items.
    Conflate,
    /// It is lapped, and then fails with [`RingError::DroppedOut`].
    DropOut,
}

/// The result of a [`Consumer::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Items were appended to the buffer.
    Items {
        /// The sequence of the first of them; the others follow without a gap.
        first: u64,
        /// Their number, at least one.
        count: usize,
    },
    /// The sequences `from..to` were overwritten before they were read. Reading continues at `to`.
    Lagged {
        /// The first sequence missed.
        from: u64,
        /// The sequence after the last one missed.
        to: u64,
    },
    /// There is nothing to read now.
    Empty,
    /// The ring was closed and everything was read.
    Closed,
}

/// Why a [`Consumer::wait`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There is something to read (for a lapsable consumer, possibly only that it was lapped).
    Ready,
    /// The caller's `stop` returned true.
    Stopped,
    /// The ring was closed and everything was read.
    Closed,
}

/// Reads every item from its position on, in the single order that all consumers see.
///
/// Dropping it detaches it; producers that waited for it continue.
pub struct Consumer<T: Copy + Send + Sync + 'static> {
    shared: Arc<Shared<T>>,
    gate: usize,
    policy: SlowPolicy,
    position: u64,
    /// A boundary between runs, up to which this consumer knows that all was published.
    published: u64,
    /// Number of slots returned by the last `peek` and not released yet.
    peeked: usize,
    dropped_out: bool,
}

impl<T: Copy + Send + Sync + 'static> Consumer<T> {
    /// Attaches at `asked`, or at the next sequence to be published.
    pub(crate) fn attach(
        shared: Arc<Shared<T>>,
        policy: SlowPolicy,
        asked: Option<u64>,
    ) -> Result<Self, RingError> {
        let gate = shared.gates().take().ok_or(RingError::TooManyConsumers {
            max: crate::MAX_CONSUMERS,
        })?;
        // From here on the drop of the consumer gives the gate back.
        let mut this = Self {
            shared,
            gate,
            policy,
            position: 0,
            published: 0,
            peeked: 0,
            dropped_out: false,
        };
        let before = this.shared.published();
        this.position = asked.unwrap_or(before);
        this.check_start(before)?;
        if policy == SlowPolicy::Wait {
            this.published = this.shared.pin(gate, this.position);
            this.position = asked.unwrap_or(this.published);
            this.check_start(this.published)?;
            this.shared.gates().set(gate, this.position);
            this.shared.gates().mark_waiting(gate);
            this.shared.wake_writers();
        }
        Ok(this)
    }

    /// The contiguous readable slots from [`Self::position`] on, at most `max`: the ring's own memory. The slice
    /// ends where the ring wraps around; peek again after releasing it. Empty when there is nothing.
    ///
    /// # Panics
    ///
    /// If the policy is not [`SlowPolicy::Wait`]: producers would have to wait for as long as the slice
    /// lives. Use [`Self::read`].
    pub fn peek(&mut self, max: usize) -> &[T] {
        assert_eq!(
            self.policy,
            SlowPolicy::Wait,
            "only a consumer that is waited for can peek"
        );
        let len = to_len(self.refresh(max as u64)).min(max);
        // SAFETY: `refresh` acquired the publication of `len` sequences from `position` on, and the gate stands
        // at `position`, set there under the protocol of `pin`: no producer claims one of these slots before
        // `release` moves the gate, which needs `self` and thus ends the borrow.
        let run = unsafe { self.shared.slots().run(self.position, len) };
        self.peeked = run.len();
        run
    }

    /// Releases the first `count` slots of the last [`Self::peek`] to the producers.
    ///
    /// # Panics
    ///
    /// If the last `peek` gave out fewer.
    pub fn release(&mut self, count: usize) {
        assert!(
            count <= self.peeked,
            "released {count} slots of {} peeked",
            self.peeked
        );
        if count == 0 {
            return;
        }
        self.shared
            .slots()
            .read_until_here(self.position, count as u64);
        self.peeked -= count;
        self.position += count as u64;
        self.shared.gates().set(self.gate, self.position);
        self.shared.wake_writers();
    }

    /// Appends at most `max` items to `out`, and moves past them. Never waits.
    ///
    /// A consumer that can be lapped copies at most [`MAX_PINNED`] items in one call.
    ///
    /// # Errors
    ///
    /// [`RingError::DroppedOut`] once a consumer of that policy was lapped; [`RingError::Poisoned`] when all
    /// was read up to the item at which a producer panicked.
    pub fn read(&mut self, out: &mut Vec<T>, max: usize) -> Result<Read, RingError> {
        if self.dropped_out {
            return Err(RingError::DroppedOut { at: self.position });
        }
        if max == 0 {
            return Ok(Read::Empty);
        }
        if !self.is_ready() {
            let ended = self.shared.has_ended(self.position)?;
            return Ok(if ended { Read::Closed } else { Read::Empty });
        }
        match self.policy {
            SlowPolicy::Wait => Ok(self.read_gated(out, max)),
            SlowPolicy::Conflate | SlowPolicy::DropOut => {
                self.read_pinned(out, max.min(MAX_PINNED))
            }
        }
    }

    /// Waits until there is something to read, the ring has ended, or `stop` returns true.
    ///
    /// `stop` is asked before each round of waiting, while parked at least every
    /// [`PARK_LIMIT`](crate::PARK_LIMIT).
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn wait(&mut self, mut stop: impl FnMut() -> bool) -> Result<Wake, RingError> {
        self.wait_for(|| (!stop()).then_some(PARK_LIMIT), || false)
    }

    /// Waits as [`Self::wait`] does, for a caller that knows when it has other work: `look` returns how long the thread may
    /// stay parked before it is asked again, or `None` to end the wait. It is never parked for longer than
    /// [`PARK_LIMIT`](crate::PARK_LIMIT).
    ///
    /// `is_called` is asked right before it parks: where another thread stores what `is_called` reads and then calls
    /// [`Ring::wake`](crate::Ring::wake), `look` is asked again without delay, whatever the two threads do in between.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn wait_for(
        &mut self,
        mut look: impl FnMut() -> Option<Duration>,
        is_called: impl Fn() -> bool,
    ) -> Result<Wake, RingError> {
        if self.dropped_out {
            return Err(RingError::DroppedOut { at: self.position });
        }
        let mut patience = self.shared.readers();
        loop {
            if self.is_ready_soon() {
                return Ok(Wake::Ready);
            }
            if self.shared.has_ended(self.position)? {
                return Ok(Wake::Closed);
            }
            let Some(limit) = look() else {
                return Ok(Wake::Stopped);
            };
            // An error ends the wait too; the next round of the loop returns it.
            patience.idle_at_most(limit, || {
                is_called() || self.is_ready() || self.shared.has_ended(self.position) != Ok(false)
            });
        }
    }

    /// The next sequence to be read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What happens when this consumer does not keep up.
    #[must_use]
    pub fn policy(&self) -> SlowPolicy {
        self.policy
    }

    fn check_start(&self, published: u64) -> Result<(), RingError> {
        let asked = self.position;
        let oldest = published.saturating_sub(self.shared.window());
        if asked < oldest {
            return Err(RingError::Overwritten { asked, oldest });
        }
        if asked > published {
            return Err(RingError::NotYetPublished { asked, published });
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        match self.policy {
            SlowPolicy::Wait => self.has_news() || self.shared.run_end(self.published).is_some(),
            SlowPolicy::Conflate | SlowPolicy::DropOut => self.shared.published() > self.position,
        }
    }

    /// Whether there certainly is something to read; use it where being late does no harm.
    fn is_ready_soon(&self) -> bool {
        match self.policy {
            // The entry that a sole producer will write next is left alone.
            SlowPolicy::Wait if self.shared.is_led() => self.has_news(),
            _ => self.is_ready(),
        }
    }

    fn has_news(&self) -> bool {
        self.published > self.position || self.shared.surely_published() > self.position
    }

    /// Picks up published runs until `enough` items are readable; returns how many are, possibly more.
    fn refresh(&mut self, enough: u64) -> u64 {
        if self.published - self.position >= enough {
            return self.published - self.position;
        }
        let surely = self.shared.surely_published();
        if surely > self.published {
            self.published = surely;
            if self.shared.is_led() {
                return surely - self.position;
            }
        }
        while self.published - self.position < enough {
            // The gate keeps later laps out, so an end found here is the end of this very run.
            let Some(end) = self.shared.run_end(self.published) else {
                break;
            };
            debug_assert!(
                end - self.published <= self.shared.window(),
                "a gated slot was overwritten"
            );
            self.published = end;
        }
        self.published - self.position
    }

    fn read_gated(&mut self, out: &mut Vec<T>, max: usize) -> Read {
        let first = self.position;
        let mut count = 0;
        // Twice: the slice ends where the ring wraps around.
        for _ in 0..2 {
            let slots = self.peek(max - count);
            let len = slots.len();
            out.extend_from_slice(slots);
            self.release(len);
            count += len;
        }
        Read::Items { first, count }
    }

    /// Copies under a gate that is closed no longer than the copy takes.
    fn read_pinned(&mut self, out: &mut Vec<T>, max: usize) -> Result<Read, RingError> {
        // Allocate first, so that only the copy happens under the pin.
        out.reserve(max);
        let shared = &*self.shared;
        let oldest = shared.published().saturating_sub(shared.window());
        let published = shared.pin(self.gate, self.position.max(oldest));
        if self.position < published.saturating_sub(shared.window()) {
            shared.unpin(self.gate);
            return self.lapped(published);
        }
        let first = self.position;
        let count = to_len(published - first).min(max);
        // SAFETY: `published` acquired the publication of these sequences. They begin no further than half the
        // ring behind it and at or after the pin, so `pin` keeps them from being claimed until `unpin`.
        let head = unsafe { shared.slots().run(first, count) };
        out.extend_from_slice(head);
        let rest = count - head.len();
        // SAFETY: the same, for the part after the wrap.
        let tail = unsafe { shared.slots().run(first + head.len() as u64, rest) };
        out.extend_from_slice(tail);
        shared.slots().read_until_here(first, count as u64);
        self.position += count as u64;
        shared.unpin(self.gate);
        Ok(Read::Items { first, count })
    }

    /// Continues half a window back, not at its edge, where the next read would come too late again.
    fn lapped(&mut self, published: u64) -> Result<Read, RingError> {
        let from = self.position;
        if self.policy == SlowPolicy::DropOut {
            self.dropped_out = true;
            return Err(RingError::DroppedOut { at: from });
        }
        self.position = published - self.shared.window() / 2;
        Ok(Read::Lagged {
            from,
            to: self.position,
        })
    }
}

impl<T: Copy + Send + Sync + 'static> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("policy", &self.policy)
            .field("position", &self.position)
            .field("dropped_out", &self.dropped_out)
            .finish_non_exhaustive()
    }
}

impl<T: Copy + Send + Sync + 'static> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.gates().give_back(self.gate);
        self.shared.wake_writers();
    }
}

/// A distance between two sequences in the ring as a length. Saturates where `usize` is small: callers cap it.
fn to_len(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}
