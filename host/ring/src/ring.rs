//! The handle that creates producers and consumers.

use crate::sync::Arc;
use crate::{Consumer, Producer, RingConfig, RingError, SlowPolicy, shared::Shared};
use std::fmt;

/// Creates an empty ring, whose first item will have sequence 0.
///
/// # Errors
///
/// [`RingError::Capacity`] when the capacity is not allowed.
pub fn ring<T: Copy + Send + Sync + 'static>(config: RingConfig) -> Result<Ring<T>, RingError> {
    Ok(Ring {
        shared: Arc::new(Shared::new(config)?),
    })
}

/// A handle to a ring. Clones are cheap and share the ring, which lives as long as anything refers to it.
pub struct Ring<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Copy + Send + Sync + 'static> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("capacity", &self.capacity())
            .field("published", &self.published())
            .field("slowest", &self.slowest())
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl<T: Copy + Send + Sync + 'static> Ring<T> {
    /// Creates an empty ring; the same as [`ring`].
    ///
    /// # Errors
    ///
    /// [`RingError::Capacity`] when the capacity is not allowed.
    pub fn new(config: RingConfig) -> Result<Self, RingError> {
        ring(config)
    }

    /// Creates a producer. There may be any number.
    #[must_use]
    pub fn producer(&self) -> Producer<T> {
        Producer::new(Arc::clone(&self.shared))
    }

    /// Creates the sole producer: until it is dropped, all others fail with [`RingError::Occupied`].
    ///
    /// It claims its sequences without contention, which pays off when items are published one by one. In return a close takes
    /// effect only when it next publishes, or is dropped: until then consumers wait. A ring that others close should not be left
    /// with an idle sole producer.
    ///
    /// # Errors
    ///
    /// [`RingError::Occupied`] if there is one already, [`RingError::Closed`] and [`RingError::Poisoned`].
    pub fn sole_producer(&self) -> Result<Producer<T>, RingError> {
        Producer::sole(Arc::clone(&self.shared))
    }

    /// Attaches a consumer at the next sequence to become readable: it sees all that becomes readable after
    /// this call has returned, and nothing that was readable before the call.
    ///
    /// # Panics
    ///
    /// If [`MAX_CONSUMERS`](crate::MAX_CONSUMERS) are attached; see [`Self::try_attach`].
    #[must_use]
    pub fn attach(&self, policy: SlowPolicy) -> Consumer<T> {
        self.try_attach(policy)
            .expect("no more than MAX_CONSUMERS are attached")
    }

    /// Like [`Self::attach`], where the number of consumers is not known to be small.
    ///
    /// # Errors
    ///
    /// [`RingError::TooManyConsumers`].
    pub fn try_attach(&self, policy: SlowPolicy) -> Result<Consumer<T>, RingError> {
        Consumer::attach(Arc::clone(&self.shared), policy, None)
    }

    /// Attaches a consumer at `sequence`, which may lie up to half the capacity behind [`Self::published`].
    ///
    /// # Errors
    ///
    /// [`RingError::Overwritten`], [`RingError::NotYetPublished`] and [`RingError::TooManyConsumers`].
    pub fn attach_at(&self, sequence: u64, policy: SlowPolicy) -> Result<Consumer<T>, RingError> {
        Consumer::attach(Arc::clone(&self.shared), policy, Some(sequence))
    }

    /// The next sequence to become readable; every one before it is or was.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.shared.published()
    }

    /// The least position of all [`SlowPolicy::Wait`] consumers, [`Self::published`] if there is none.
    ///
    /// Once it reaches `s`, everything those consumers did before they released the items before `s` is
    /// visible to the caller. It goes back only when a consumer attaches.
    #[must_use]
    pub fn slowest(&self) -> u64 {
        self.shared.slowest()
    }

    /// Waits until [`Self::slowest`] is at least `sequence`, and then returns true, or until `stop` returns true.
    ///
    /// `stop` is asked as in [`Consumer::wait`].
    pub fn wait_until_passed(&self, sequence: u64, mut stop: impl FnMut() -> bool) -> bool {
        let mut patience = self.shared.writers();
        while self.slowest() < sequence {
            if stop() {
                return false;
            }
            patience.idle(|| self.slowest() >= sequence);
        }
        true
    }

    /// The number of slots.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.slots().capacity()
    }

    /// The longest batch that can be published, half the capacity.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.capacity() / 2
    }

    /// Closes the ring for good: producers are refused, and consumers read everything claimed before and then see the
    /// end. A [sole producer](Self::sole_producer) is refused when it next publishes, and its position then is the end.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether the ring was closed, by a call or by the panic of a producer.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Wakes every parked thread, so that it calls its `stop`.
    pub fn wake(&self) {
        self.shared.wake_all();
    }
}
