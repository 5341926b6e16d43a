//! The claims of a producer that has the ring to itself.
//!
//! A claim among many is a read-modify-write, and such an instruction waits until every store before it has reached
//! the cache: the copies of successive items no longer overlap. A sole producer counts for itself. All others are shut
//! out by a bit in the word that their claims change, and the word carries the close to the sole producer, as it
//! does to the others.

use crate::RingError;
use crate::shared::{CLOSED, SOLE, Shared};
use crate::sync::Ordering;

/// The position of a sole producer.
pub(crate) struct Sole {
    /// The first sequence that it may claim.
    start: u64,
    /// The next sequence it will claim.
    next: u64,
    /// Whether all before `start` is known to be published. From then on the frontier is where this producer is.
    leads: bool,
}

impl<T: Copy> Shared<T> {
    /// Excludes all other producers.
    pub(crate) fn take_alone(&self) -> Result<Sole, RingError> {
        let mut claimed = self.claimed.load(Ordering::Relaxed);
        loop {
            if claimed & (CLOSED | SOLE) != 0 {
                return Err(self.turned_away(claimed));
            }
            // Acquire: what the sole producer before this one published is published for this one too.
            let swap = self.claimed.compare_exchange_weak(
                claimed,
                claimed | SOLE,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match swap {
                Ok(start) => {
                    return Ok(Sole {
                        start,
                        next: start,
                        leads: false,
                    });
                }
                Err(now) => claimed = now,
            }
        }
    }

    /// Like [`Self::claim`], but for the only producer, and without a read-modify-write.
    #[inline]
    pub(crate) fn claim_alone(
        &self,
        sole: &mut Sole,
        len: u64,
        limit: &mut u64,
    ) -> Result<Option<u64>, RingError> {
        let first = sole.next;
        // The line stays shared in all caches: nobody writes to it between taking the ring and the close.
        let closed = self.claimed.load(Ordering::Relaxed) & CLOSED != 0;
        if closed || first + len > *limit {
            return self.claim_alone_anew(sole, len, limit);
        }
        sole.next = first + len;
        Ok(Some(first))
    }

    #[cold]
    fn claim_alone_anew(
        &self,
        sole: &mut Sole,
        len: u64,
        limit: &mut u64,
    ) -> Result<Option<u64>, RingError> {
        if self.is_closed() {
            self.give_back_alone(sole);
            return Err(self.closing_error());
        }
        *limit = self.limit_alone(sole);
        let first = sole.next;
        if first + len > *limit {
            return Ok(None);
        }
        sole.next = first + len;
        Ok(Some(first))
    }

    /// Whether a claim of `len` would return now, even with an error.
    pub(crate) fn is_answered_alone(&self, sole: &Sole, len: u64) -> bool {
        self.claimed.load(Ordering::Relaxed) & CLOSED != 0 || sole.next + len <= self.claim_limit()
    }

    /// Publishes the position up to which the sole producer has claimed, and admits the others again, unless the ring was
    /// closed.
    pub(crate) fn give_back_alone(&self, sole: &Sole) {
        self.signs.led.store(0, Ordering::Relaxed);
        let mut claimed = self.claimed.load(Ordering::Relaxed);
        while claimed & SOLE != 0 {
            let swap = self.claimed.compare_exchange_weak(
                claimed,
                sole.next | claimed & CLOSED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return self.wake_all(),
                Err(now) => claimed = now,
            }
        }
    }

    /// Makes a run of a sole producer readable.
    #[inline]
    pub(crate) fn publish_alone(&self, sole: &Sole, first: u64, end: u64) {
        if sole.leads {
            // Nobody needs the run's entry in `ends`: every walk begins at the frontier. A store where others use
            // read-modify-writes releases all that was published too, for this producer acquired what came before it.
            self.frontier.store(end, Ordering::Release);
        } else {
            self.store_end(first, end);
        }
        self.wake_all();
    }

    /// Like [`Self::claim_limit`]; also checks whether the others have finished what they claimed.
    fn limit_alone(&self, sole: &mut Sole) -> u64 {
        let limit = self.claim_limit();
        if !sole.leads && self.surely_published() >= sole.start {
            sole.leads = true;
            self.signs.led.store(1, Ordering::Relaxed);
        }
        limit
    }
}
