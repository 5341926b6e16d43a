//! Messages from the outside to the watching thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the thread is told. There is one of each at most, however much happens.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pending: Mutex<Pending>,
    wake: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) stop: bool,
    pub(super) hint: bool,
    pub(super) doubt: bool,
    /// The folder may be another one than is watched.
    pub(super) replaced: bool,
    /// The system's notices ended; why.
    pub(super) failed: Option<String>,
}

impl Pending {
    const fn is_some(&self) -> bool {
        self.stop || self.hint || self.doubt || self.failed.is_some()
    }
}

impl Signal {
    pub(super) fn hint(&self) {
        self.set(|pending| pending.hint = true);
    }

    pub(super) fn replaced(&self) {
        self.set(|pending| {
            pending.hint = true;
            pending.replaced = true;
        });
    }

    pub(super) fn fail(&self, why: String) {
        self.set(|pending| pending.failed = Some(why));
    }

    pub(super) fn take_replaced(&self) -> bool {
        std::mem::take(&mut self.lock().replaced)
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.lock());
        self.wake.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// Waits until something is told, at most `timeout`, and takes all but the order to stop and what is to be watched.
    pub(super) fn wait(&self, timeout: Duration) -> Pending {
        let waited = self
            .wake
            .wait_timeout_while(self.lock(), timeout, |pending| !pending.is_some());
        let (mut pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Pending {
            stop: pending.stop,
            hint: std::mem::take(&mut pending.hint),
            doubt: std::mem::take(&mut pending.doubt),
            replaced: false,
            failed: pending.failed.take(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Nothing that holds the lock can leave it half changed.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
