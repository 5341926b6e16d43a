//! A host that is told to end does so within five seconds, whatever is stuck.

use crate::output::note;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};
use tickdeck_deck::feed::OperatorFeed;
use tickdeck_engine::{CancelToken, EngineHandle, Haste};

/// After this time, the host stops waiting for strategies.
const WITHOUT_WORKERS: Duration = Duration::from_secs(2);
/// After this time, the host stops waiting for venues.
const AT_ONCE: Duration = Duration::from_millis(3_500);
/// After this time, the host exits without waiting for anything.
const LEAVES: Duration = Duration::from_millis(4_500);
/// Time limit for printing the last message.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Polling interval.
const LOOK: Duration = Duration::from_millis(20);

/// Watches a run until dropped.
pub struct EndsInTime(Arc<Watched>);

struct Watched {
    stop: CancelToken,
    /// Set if the run ends by its own limit, and may take its time.
    at_leisure: CancelToken,
    controls: EngineHandle,
    feed: OperatorFeed,
    is_over: AtomicBool,
    /// What the end of the run waits for now.
    waits_for: Mutex<&'static str>,
}

impl EndsInTime {
    /// Watches a run that ends at `stop`; if `at_leisure` was set before, nobody is waiting and there is no deadline.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn watch(
        (stop, at_leisure): (CancelToken, CancelToken),
        controls: EngineHandle,
        feed: OperatorFeed,
    ) -> Result<Self> {
        let watched = Arc::new(Watched {
            stop,
            at_leisure,
            controls,
            feed,
            is_over: AtomicBool::new(false),
            waits_for: Mutex::new("the engine"),
        });
        let watching = Arc::clone(&watched);
        Builder::new()
            .name("ends-in-time".to_owned())
            .spawn(move || watching.watch())
            .context("cannot start the thread that ends the host in time")?;
        Ok(Self(watched))
    }

    /// Sets what the end of the run waits for from now on.
    pub fn waits_for(&self, what: &'static str) {
        let waits_for = &self.0.waits_for;
        *waits_for.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}

impl Drop for EndsInTime {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

impl Watched {
    fn watch(self: Arc<Self>) {
        if !self.is_running_until(|watched| watched.stop.asked() && !watched.at_leisure.asked()) {
            return;
        }
        let asked = Instant::now();
        for (after, haste) in [
            (WITHOUT_WORKERS, Haste::WithoutWorkers),
            (AT_ONCE, Haste::AtOnce),
        ] {
            if !self.is_running_until(|_| asked.elapsed() >= after) {
                return;
            }
            self.controls.hasten(haste);
        }
        if self.is_running_until(|_| asked.elapsed() >= LEAVES) {
            self.leave();
        }
    }

    /// Waits for a condition; returns false if the run ends first.
    fn is_running_until(&self, is_so: impl Fn(&Self) -> bool) -> bool {
        while !self.is_over.load(Ordering::Acquire) {
            if is_so(self) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    /// Ends the process. The terminal may be stuck too, so the last message is printed on a thread of its own.
    fn leave(self: Arc<Self>) {
        let start = Instant::now();
        let words = Builder::new().spawn(move || {
            ratatui::restore();
            let waits_for = *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner);
            let working = self.feed.latest().working.len();
            note(format_args!(
                "error: timed out waiting for {waits_for}, exiting now; {working} orders were working at the last check"
            ));
        });
        while words.as_ref().is_ok_and(|words| !words.is_finished()) && start.elapsed() < LAST_WORDS
        {
            std::thread::sleep(LOOK);
        }
        std::process::exit(1)
    }
}
