//! The writing end of the ring.

use crate::sync::Arc;
use crate::{RingError, shared::Shared, sole::Sole};
use std::fmt;

/// Number of slots that a sole producer prefetches ahead of its writes: beyond a core's store buffer, and near enough to be
/// still cached when they are written.
const FETCH_AHEAD: u64 = 32;

/// Publishes items. A ring may have any number of producers, usually one for each thread.
///
/// Dropping a producer leaves the ring open, and a [sole](crate::Ring::sole_producer) one lets others in again.
pub struct Producer<T: Copy> {
    shared: Arc<Shared<T>>,
    /// The end of what this producer may claim without checking the gates again.
    limit: u64,
    /// Set if there is no other producer.
    sole: Option<Sole>,
}

impl<T: Copy + Send + Sync + 'static> Producer<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        Self {
            shared,
            limit: 0,
            sole: None,
        }
    }

    pub(crate) fn sole(shared: Arc<Shared<T>>) -> Result<Self, RingError> {
        let sole = Some(shared.take_alone()?);
        Ok(Self {
            shared,
            limit: 0,
            sole,
        })
    }

    /// Publishes `items` in order as one unbroken run of sequences, and returns the first of them. Waits for free slots,
    /// however long that takes.
    ///
    /// The run becomes readable when all runs before it are. An empty batch publishes nothing and returns the
    /// sequence that the next item claimed would have.
    ///
    /// # Errors
    ///
    /// [`RingError::BatchTooLarge`], [`RingError::Closed`] (also while waiting) and [`RingError::Poisoned`];
    /// nothing was published then.
    #[inline]
    pub fn publish(&mut self, items: &[T]) -> Result<u64, RingError> {
        let first = self.claim(items)?;
        Ok(self.fill(first, items))
    }

    /// Like [`Self::publish`]; `stamp` sees each item in its slot, with its sequence, before it can be read.
    ///
    /// `stamp` should be short: producers and consumers further on wait for it. If it panics, the items
    /// stamped before are published and the ring is closed at the item that was not: an order with a hole is
    /// no order. Consumers then get [`RingError::Poisoned`] instead of waiting forever.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`].
    pub fn publish_with(
        &mut self,
        items: &[T],
        stamp: impl FnMut(&mut T, u64),
    ) -> Result<u64, RingError> {
        let first = self.claim(items)?;
        Ok(self.fill_with(first, items, stamp))
    }

    /// Like [`Self::publish`], but never waits for free slots.
    ///
    /// # Errors
    ///
    /// As [`Self::publish`], and [`RingError::Full`] when there are no free slots, which may be only because
    /// another producer has not finished a run or a lapsable consumer is copying.
    #[inline]
    pub fn try_publish(&mut self, items: &[T]) -> Result<u64, RingError> {
        let first = self.try_claim(items)?;
        Ok(self.fill(first, items))
    }

    /// Like [`Self::publish_with`], but never waits for free slots.
    ///
    /// # Errors
    ///
    /// As [`Self::try_publish`].
    pub fn try_publish_with(
        &mut self,
        items: &[T],
        stamp: impl FnMut(&mut T, u64),
    ) -> Result<u64, RingError> {
        let first = self.try_claim(items)?;
        Ok(self.fill_with(first, items, stamp))
    }

    /// The longest batch that can be published, half the capacity.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.shared.slots().capacity() / 2
    }

    #[inline]
    fn claim(&mut self, items: &[T]) -> Result<u64, RingError> {
        let len = self.checked_len(items)?;
        match self.claim_now(len)? {
            Some(first) => Ok(first),
            None => self.claim_waiting(len),
        }
    }

    #[inline]
    fn try_claim(&mut self, items: &[T]) -> Result<u64, RingError> {
        let len = self.checked_len(items)?;
        self.claim_now(len)?.ok_or(RingError::Full {
            needed: items.len(),
        })
    }

    #[inline]
    fn claim_now(&mut self, len: u64) -> Result<Option<u64>, RingError> {
        match &mut self.sole {
            None => self.shared.claim(len, &mut self.limit),
            Some(sole) => self.shared.claim_alone(sole, len, &mut self.limit),
        }
    }

    #[cold]
    fn claim_waiting(&mut self, len: u64) -> Result<u64, RingError> {
        let shared = Arc::clone(&self.shared);
        let mut patience = shared.writers();
        loop {
            if let Some(first) = self.claim_now(len)? {
                return Ok(first);
            }
            patience.idle(|| match &self.sole {
                None => shared.is_answered(len),
                Some(sole) => shared.is_answered_alone(sole, len),
            });
        }
    }

    #[inline]
    fn checked_len(&self, items: &[T]) -> Result<u64, RingError> {
        if items.len() > self.max_batch() {
            return Err(RingError::BatchTooLarge {
                len: items.len(),
                max: self.max_batch(),
            });
        }
        Ok(items.len() as u64)
    }

    #[inline]
    fn fill(&self, first: u64, items: &[T]) -> u64 {
        // SAFETY: `claim` gave these sequences to this thread alone, below a limit that leaves out every slot
        // that is being read, was read without that having happened before, or is not yet published.
        unsafe {
            match items {
                // A copy of constant length, for events that come one by one.
                [item] => {
                    // With competing producers, the line would only bounce between cores.
                    if self.sole.is_some() && first + FETCH_AHEAD < self.limit {
                        self.shared.slots().fetch_to_write(first + FETCH_AHEAD);
                    }
                    self.shared.slots().write(first, *item);
                }
                _ => self.shared.slots().write_all(first, items),
            }
        }
        self.publish_run(first, first + items.len() as u64);
        first
    }

    #[inline]
    fn publish_run(&self, first: u64, end: u64) {
        match &self.sole {
            None => self.shared.publish_run(first, end),
            Some(sole) => self.shared.publish_alone(sole, first, end),
        }
    }

    fn fill_with(&self, first: u64, items: &[T], mut stamp: impl FnMut(&mut T, u64)) -> u64 {
        let mut run = Run {
            producer: self,
            first,
            len: items.len() as u64,
            written: 0,
        };
        for item in items {
            let sequence = first + run.written;
            // SAFETY: as in `fill`; the borrow ends before the run is published, which the drop of `run` does.
            let slot = unsafe { self.shared.slots().write(sequence, *item) };
            stamp(slot, sequence);
            run.written += 1;
        }
        first
    }
}

impl<T: Copy> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("limit", &self.limit)
            .field("sole", &self.sole.is_some())
            .finish_non_exhaustive()
    }
}

impl<T: Copy> Drop for Producer<T> {
    fn drop(&mut self) {
        if let Some(sole) = &self.sole {
            self.shared.give_back_alone(sole);
        }
    }
}

/// A claimed run, published when dropped, even by a panic.
struct Run<'a, T: Copy + Send + Sync + 'static> {
    producer: &'a Producer<T>,
    first: u64,
    len: u64,
    written: u64,
}

impl<T: Copy + Send + Sync + 'static> Drop for Run<'_, T> {
    fn drop(&mut self) {
        let end = self.first + self.written;
        if self.len > 0 {
            self.producer.publish_run(self.first, end);
        }
        if self.written < self.len {
            self.producer.shared.poison(end);
        }
    }
}
