//! How a thread waits: by spinning, or by spinning and then parking until a bell is rung.

use crate::sync::{AtomicUsize, Backoff, Condvar, Mutex, MutexGuard, Ordering, fence, spin_loop};
use std::sync::PoisonError;
use std::time::Duration;

/// The longest that a thread stays parked before it checks again, whether or not it was woken.
///
/// Publishing, releasing, detaching and closing wake at once; the limit is for the caller's own `stop`.
pub const PARK_LIMIT: Duration = Duration::from_millis(1);

/// How producers wait for free slots, and consumers for items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Never parks and never gives up its core: checks again after each pause instruction. For threads with a core each, where
    /// microseconds count.
    BusySpin,
    /// Never parks. Checks less often the longer it waits, and yields its time slice after a few microseconds of spinning, so
    /// that the ring makes progress even on a single core.
    Spin,
    /// Spins for a while without giving up its core, then parks until there is something to do. A thread that yields its time
    /// slice may have to wait milliseconds for any other thread's slice to end, however low that one's priority; a parked thread
    /// gets the core back as soon as it is woken.
    SpinThenPark {
        /// The number of rounds of spinning before the thread parks: about a microsecond each, the first ones shorter.
        spins: u32,
    },
}

impl Wait {
    pub(crate) fn parks(self) -> bool {
        matches!(self, Self::SpinThenPark { .. })
    }
}

/// The place where threads sleep until the condition they wait for may hold.
pub(crate) struct Bell {
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    signal: Condvar,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            signal: Condvar::new(),
        }
    }

    /// Wakes all sleepers. A sequentially consistent fence must lie between the change they wait for and
    /// this call: either this thread then sees the sleeper, or the sleeper sees the change.
    pub(crate) fn ring_after_fence(&self) {
        if self.sleepers.load(Ordering::Relaxed) != 0 {
            // The sleeper counts itself under the lock, so once the lock was free it is either in `wait` or gone.
            drop(self.enter());
            self.signal.notify_all();
        }
    }

    /// Sleeps until the bell is rung or `limit` has passed, unless `ready` holds already. Returns whether the sleeper was
    /// woken.
    fn sleep_unless(&self, limit: Duration, ready: impl FnOnce() -> bool) -> bool {
        let entered = self.enter();
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut is_woken = false;
        if !ready() {
            let slept = self.signal.wait_timeout(entered, limit);
            is_woken = slept.is_ok_and(|(_, slept)| !slept.timed_out());
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        is_woken
    }

    fn enter(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One wait, from its first spin on.
pub(crate) struct Patience<'a> {
    bell: &'a Bell,
    wait: Wait,
    backoff: Backoff,
    rounds: u32,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(bell: &'a Bell, wait: Wait) -> Self {
        Self {
            bell,
            wait,
            backoff: Backoff::new(),
            rounds: 0,
        }
    }

    /// Lets some time pass: spins, yields or parks. Returns early when `ready` may hold.
    pub(crate) fn idle(&mut self, ready: impl FnOnce() -> bool) {
        self.idle_at_most(PARK_LIMIT, ready);
    }

    /// Like [`Self::idle`], but parks for no longer than `limit`.
    pub(crate) fn idle_at_most(&mut self, limit: Duration, ready: impl FnOnce() -> bool) {
        match self.wait {
            Wait::BusySpin => spin_loop(),
            Wait::SpinThenPark { spins } if self.rounds >= spins => {
                if self.bell.sleep_unless(limit.min(PARK_LIMIT), ready) {
                    // If nothing is there yet, it is about to be.
                    self.rounds = 0;
                    self.backoff = Backoff::new();
                }
            }
            Wait::SpinThenPark { .. } => {
                self.rounds += 1;
                self.backoff.spin();
            }
            Wait::Spin => self.backoff.snooze(),
        }
    }
}
