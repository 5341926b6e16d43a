//! The configuration of a ring.

use crate::Wait;

/// The largest capacity, in slots.
pub const MAX_CAPACITY: usize = 1 << 30;

/// The size of a ring, and how its threads wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingConfig {
    /// The number of slots, a power of two from 2 to [`MAX_CAPACITY`].
    ///
    /// Half of it is the longest batch, and the distance at which a lapsable consumer may be lapped.
    pub capacity: usize,
    /// How producers wait for free slots, and consumers for items.
    pub wait: Wait,
}
