//! Waking a kernel that waits.

use crate::intent::Intent;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tickdeck_ring::Ring;

/// A handle that wakes the kernel, for a gateway with a thread of its own.
///
/// A kernel that runs freely parks when nothing is due. It then looks at its venues once a millisecond, or as soon as one
/// of them wakes it. Clones wake the same kernel; a handle of no kernel ([`Waker::default`]) does nothing.
#[derive(Clone, Default)]
pub struct Waker(Arc<Wakeup>);

/// A request to look at the venues, and where the kernel is parked meanwhile.
#[derive(Default)]
struct Wakeup {
    requested: AtomicBool,
    /// None: the kernel never parks.
    parked_on: Option<Ring<Intent>>,
}

impl Waker {
    /// Wakes a kernel that waits on the ring of decisions.
    pub(crate) fn of(ring: &Ring<Intent>) -> Self {
        Self(Arc::new(Wakeup {
            requested: AtomicBool::new(false),
            parked_on: Some(ring.clone()),
        }))
    }

    /// Lets the kernel look at its venues at once. To be called from any thread, after what is new can be seen by
    /// [`Gateway::next_due`](crate::port::Gateway::next_due) and [`Gateway::poll`](crate::port::Gateway::poll).
    ///
    /// No wake-up is lost, and one that comes while the kernel works costs two atomic operations.
    pub fn wake(&self) {
        // Both sides swap: either the kernel's next look comes after this one and sees what was made ready before it, or
        // the last look came before it and the flag was down. If it is up already, whoever put it up wakes the kernel.
        if !self.0.requested.swap(true, Ordering::AcqRel)
            && let Some(ring) = &self.0.parked_on
        {
            ring.wake();
        }
    }

    /// Whether somebody asks for a look. The kernel asks once more right before it parks.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Takes the request; the look follows. Costs a plain load where there is none.
    pub(crate) fn take_request(&self) -> bool {
        self.is_requested() && self.0.requested.swap(false, Ordering::AcqRel)
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}
