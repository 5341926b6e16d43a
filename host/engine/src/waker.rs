//! Waking a waiting kernel.

use crate::intent::Intent;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tickdeck_model::Event;
use tickdeck_ring::Ring;

/// A handle that wakes the kernel, for a gateway with a thread of its own.
///
/// A free-running kernel parks when nothing is due. It then polls its venues once a millisecond, or as soon as one of them
/// wakes it. Clones wake the same kernel; a handle without a kernel ([`Waker::default`]) does nothing.
#[derive(Clone, Default)]
pub struct Waker(Arc<Wakeup>);

/// A request to poll the venues, and where the threads of the host are parked.
#[derive(Default)]
struct Wakeup {
    requested: AtomicBool,
    /// None: the kernel never parks.
    parked_on: Option<ParkedOn>,
}

/// The rings on which the threads of the host park.
struct ParkedOn {
    /// The kernel.
    intents: Ring<Intent>,
    /// The workers.
    events: Ring<Event>,
}

impl Waker {
    /// Creates a handle for a kernel that waits on the decision ring, with workers that wait on the event ring.
    pub(crate) fn of(intents: &Ring<Intent>, events: &Ring<Event>) -> Self {
        Self(Arc::new(Wakeup {
            requested: AtomicBool::new(false),
            parked_on: Some(ParkedOn {
                intents: intents.clone(),
                events: events.clone(),
            }),
        }))
    }

    /// Makes the kernel poll its venues at once. May be called from any thread, after the new events are visible to
    /// [`Gateway::next_due`](crate::port::Gateway::next_due) and [`Gateway::poll`](crate::port::Gateway::poll).
    ///
    /// No wake-up is lost, and one that arrives while the kernel is busy costs two atomic operations.
    pub fn wake(&self) {
        // Both sides swap: either the kernel's next poll comes after this swap and sees what was made ready before it, or the
        // last poll came before it and the flag was clear. If it is already set, whoever set it wakes the kernel.
        if !self.0.requested.swap(true, Ordering::AcqRel)
            && let Some(rings) = &self.0.parked_on
        {
            rings.intents.wake();
            // The kernel will pass on what has arrived: the workers wake up while it does, not after it.
            rings.events.wake();
        }
    }

    /// Whether a poll is requested. The kernel checks again right before it parks.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Takes the request; the poll follows. Costs a plain load if there is none.
    pub(crate) fn take_request(&self) -> bool {
        self.is_requested() && self.0.requested.swap(false, Ordering::AcqRel)
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waker").finish_non_exhaustive()
    }
}
