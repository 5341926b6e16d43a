//! The number of events that a strategy is offered in one call.

/// A strategy that acts leaves the rest of its batch, which was then copied for nothing: the next batch adapts to what it
/// took before, but has at least this many events.
const LEAST_HINT: usize = 4;

/// The bounds on batches, and the random cuts that show that batching changes nothing.
pub(super) struct BatchSize {
    most: usize,
    splitter: Option<Splitter>,
}

impl BatchSize {
    pub(super) fn new(most: usize, split_seed: Option<u64>) -> Self {
        Self {
            most: most.max(1),
            splitter: split_seed.map(|seed| Splitter(seed | 1)),
        }
    }

    /// Maximum number of events in any call.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Maximum number of events in the next call.
    #[inline]
    pub(super) fn next(&mut self) -> usize {
        match &mut self.splitter {
            Some(splitter) => splitter.next(self.most),
            None => self.most,
        }
    }

    /// The hint for the next call, after a strategy with this hint handled `handled` of `offered` events.
    #[inline]
    pub(super) fn hint_after(&self, hint: usize, handled: usize, offered: usize) -> usize {
        match handled < offered {
            true => (2 * handled).max(LEAST_HINT),
            false => (2 * hint).min(self.most),
        }
    }
}

/// The source of random cuts (xorshift64).
struct Splitter(u64);

impl Splitter {
    fn next(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + (self.0 % most as u64) as usize
    }
}
