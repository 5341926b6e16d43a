//! The thread that looks at the folder when it is time to.

use super::change::PluginChange;
use super::config::WatchConfig;
use super::error::WatchError;
use super::folder::Folder;
use super::hints::{Hints, Source};
use super::scan::Scan;
use super::signal::Signal;
use crate::text::display_path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Watches a plugins folder on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    pub(super) signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts to watch. What `seen` holds is taken as handed out and said; for a host that loaded nothing it is
    /// `&Scan::default()`.
    ///
    /// `on_change` is called on the watcher's thread, one change after the other in the order in which they were found;
    /// while it runs, nothing is watched, and nothing is lost. It must not wait for the thread that drops the watcher.
    ///
    /// # Errors
    /// No thread can be started. That the folder is missing, or that the system gives no hints, is no error: it is said
    /// as a change.
    pub fn start(
        config: WatchConfig,
        seen: &Scan,
        hints: Hints,
        on_change: impl FnMut(PluginChange) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let failed = |source| WatchError::Thread {
            folder: display_path(&config.folder),
            source,
        };
        let folder = std::path::absolute(&config.folder).map_err(failed)?;
        let mut folder = Folder::new(WatchConfig {
            folder,
            ..config.clone()
        });
        folder.seed_scan(seen);
        let signal = Arc::new(Signal::default());
        let watching = Watching {
            folder,
            signal: Arc::clone(&signal),
            source: None,
            start: Instant::now(),
            noted: false,
            on_change,
        };
        let thread = std::thread::Builder::new()
            .name("tickdeck-watch".to_owned())
            .spawn(move || watching.run(hints))
            .map_err(failed)?;
        Ok(Self {
            signal,
            thread: Some(thread),
        })
    }

    /// Looks now, and reads every plugin whether it looks changed or not: the operator's reload. What is found changed
    /// settles as ever.
    pub fn rescan_now(&self) {
        self.signal.set(|pending| pending.doubt = true);
    }

    /// Whether the thread is still there; it ends early only if `on_change` panics.
    pub fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

/// Ends the thread. After that, `on_change` is not called any more.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.signal.set(|pending| pending.stop = true);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // Dropped by `on_change`, it ends after it.
        if thread.thread().id() != std::thread::current().id() {
            // A panic of `on_change` was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Watching<F> {
    folder: Folder,
    signal: Arc<Signal>,
    source: Option<Source>,
    start: Instant,
    /// Whether it was said that there are no hints.
    noted: bool,
    on_change: F,
}

impl<F: FnMut(PluginChange)> Watching<F> {
    fn run(mut self, hints: Hints) {
        match Source::start(hints, self.folder.path(), &self.signal) {
            Ok(source) => self.source = source,
            Err(why) => self.give_up_hints(why),
        }
        while !self.signal.is_stopped() {
            let now = self.start.elapsed();
            let next = self.folder.next_look(now);
            if next <= now {
                self.look(now);
            } else {
                self.heed(next.saturating_sub(now));
            }
        }
    }

    fn look(&mut self, now: Duration) {
        // Before the look, so that what changes after it is noticed.
        if let Some(Err(why)) = self.source.as_mut().map(Source::follow) {
            self.give_up_hints(why);
        }
        for change in self.folder.look(now) {
            if self.signal.is_stopped() {
                return;
            }
            (self.on_change)(change);
        }
    }

    fn heed(&mut self, timeout: Duration) {
        let pending = self.signal.wait(timeout);
        if pending.hint {
            self.folder.hint();
        }
        if pending.doubt {
            self.folder.doubt();
        }
        if let Some(why) = pending.failed {
            self.give_up_hints(why);
        }
    }

    /// Goes on with rescans alone, and says so once.
    fn give_up_hints(&mut self, why: String) {
        self.source = None;
        if !std::mem::replace(&mut self.noted, true) {
            (self.on_change)(PluginChange::Note(why));
        }
    }
}
