//! The errors of the ring, and how the caller should react to them.

/// Every failure of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The configuration is wrong: give a power of two from 2 to [`MAX_CAPACITY`](crate::MAX_CAPACITY).
    #[error("capacity {capacity} is not a power of two between 2 and {max}")]
    Capacity {
        /// The requested capacity, in slots.
        capacity: usize,
        /// The largest capacity allowed, in slots.
        max: usize,
    },
    /// The batch can never fit: split it where a split is harmless, or enlarge the ring.
    #[error("a batch of {len} items exceeds the {max} that this ring takes at once")]
    BatchTooLarge {
        /// The number of items in the batch.
        len: usize,
        /// The largest batch, half the capacity.
        max: usize,
    },
    /// There are not enough free slots now: try again after the consumers have moved on. Nothing was published.
    #[error("the ring has no free slots for {needed} items")]
    Full {
        /// The number of items that were to be published.
        needed: usize,
    },
    /// Another producer has the ring to itself: drop it first, or publish through it. Nothing was published.
    #[error("another producer has the ring to itself")]
    Occupied,
    /// The ring was closed: stop producing. Nothing was published.
    #[error("the ring is closed")]
    Closed,
    /// A producer panicked while it stamped the item at this sequence, so the order ends there: everything
    /// before it can be read, nothing after it ever will. Stop, and report the panic.
    #[error("the ring ends at sequence {at}: a producer panicked there")]
    Poisoned {
        /// The first sequence that will never be readable.
        at: u64,
    },
    /// The consumer was too slow and its policy is [`SlowPolicy::DropOut`](crate::SlowPolicy::DropOut):
    /// drop it; attach a new one to start over.
    #[error("the consumer was lapped at sequence {at} and has dropped out")]
    DroppedOut {
        /// The first sequence the consumer did not read.
        at: u64,
    },
    /// Too many consumers are attached: drop one first.
    #[error("{max} consumers are attached already")]
    TooManyConsumers {
        /// The largest number of consumers at any time.
        max: usize,
    },
    /// The requested sequence was overwritten: read it from the store, and attach further on.
    #[error("sequence {asked} was overwritten; the oldest that can be attached to is {oldest}")]
    Overwritten {
        /// The requested sequence.
        asked: u64,
        /// The oldest sequence that could be attached to at that moment.
        oldest: u64,
    },
    /// The requested sequence has not been published: attach at `published` or use `attach`.
    #[error("sequence {asked} lies ahead of {published}, the next to be published")]
    NotYetPublished {
        /// The requested sequence.
        asked: u64,
        /// The next sequence to be published at that moment.
        published: u64,
    },
}
