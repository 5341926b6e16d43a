//! Requests to the watching thread.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pending requests to the thread: each counts once, however often it was made.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pending: Mutex<Pending>,
    wake: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) stop: bool,
    pub(super) hint: bool,
    pub(super) recheck: bool,
    /// Plugins to be reported even if they equal what was reported last.
    pub(super) again: BTreeSet<String>,
    /// The watched folder may have been replaced.
    pub(super) replaced: bool,
    /// The system's notifications ended, for this reason.
    pub(super) failed: Option<String>,
}

impl Pending {
    fn is_some(&self) -> bool {
        self.stop || self.hint || self.recheck || !self.again.is_empty() || self.failed.is_some()
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

    /// Waits until a request is pending, at most `timeout`, and takes all requests except `stop` and `replaced`.
    pub(super) fn wait(&self, timeout: Duration) -> Pending {
        let waited = self
            .wake
            .wait_timeout_while(self.lock(), timeout, |pending| !pending.is_some());
        let (mut pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Pending {
            stop: pending.stop,
            hint: std::mem::take(&mut pending.hint),
            recheck: std::mem::take(&mut pending.recheck),
            again: std::mem::take(&mut pending.again),
            replaced: false,
            failed: pending.failed.take(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // No holder of the lock can leave the value half changed.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
