//! The thread that polls the folder.

use super::change::PluginChange;
use super::config::WatchConfig;
use super::error::WatchError;
use super::folder::Folder;
use super::hints::{Hints, Source};
use super::scan::Scan;
use super::signal::Signal;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_model::Untrusted;

/// Watches a plugins folder on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    pub(super) signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts watching. The contents of `seen` count as reported; a host that has loaded nothing gives
    /// `&Scan::default()`.
    ///
    /// `on_change` is called on the watcher's thread, one change at a time, in the order in which they were found. While it
    /// runs the folder is not polled, but no change is lost. It must not wait for the thread that drops the watcher.
    ///
    /// # Errors
    /// The thread cannot be started. A missing folder, or a system without notifications, is not an error: it is reported
    /// as a change.
    pub fn start(
        config: WatchConfig,
        seen: &Scan,
        hints: Hints,
        on_change: impl FnMut(PluginChange) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let failed = |source| WatchError::Thread {
            folder: Untrusted::path(&config.folder),
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

    /// Polls now and reads every plugin, whether it appears changed or not: the operator's reload. Changes settle as
    /// usual.
    pub fn rescan_now(&self) {
        self.signal.set(|pending| pending.recheck = true);
    }

    /// Reports a plugin again once it has settled, even if it equals what was reported last: its files had changed when they
    /// were about to be used.
    pub fn report_again(&self, name: &str) {
        self.signal.set(|pending| {
            pending.again.insert(name.to_owned());
        });
    }

    /// Whether the thread is still running; it ends early only if `on_change` panics.
    pub fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

/// Ends the thread. After that, `on_change` is no longer called.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.signal.set(|pending| pending.stop = true);
        let Some(thread) = self.thread.take() else {
            return;
        };
        // If `on_change` drops the watcher, the thread ends after it.
        if thread.thread().id() != std::thread::current().id() {
            // A panic of `on_change` was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// The state of the thread.
struct Watching<F> {
    folder: Folder,
    signal: Arc<Signal>,
    source: Option<Source>,
    start: Instant,
    /// Whether the lack of hints was reported.
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
            let next = self.folder.next_poll(now);
            if next <= now {
                self.poll(now);
            } else {
                self.wait(next.saturating_sub(now));
            }
        }
    }

    fn poll(&mut self, now: Duration) {
        // Before the poll, so that later changes are noticed.
        if let Some(Err(why)) = self.source.as_mut().map(Source::follow) {
            self.give_up_hints(why);
        }
        for change in self.folder.poll(now) {
            if self.signal.is_stopped() {
                return;
            }
            (self.on_change)(change);
        }
    }

    fn wait(&mut self, timeout: Duration) {
        let pending = self.signal.wait(timeout);
        if pending.hint {
            self.folder.hint();
        }
        if pending.recheck {
            self.folder.recheck();
        }
        for name in &pending.again {
            self.folder.report_again(name);
        }
        if let Some(why) = pending.failed {
            self.give_up_hints(why);
        }
    }

    /// Continues with rescans alone, and reports that once.
    fn give_up_hints(&mut self, why: String) {
        self.source = None;
        if !std::mem::replace(&mut self.noted, true) {
            (self.on_change)(PluginChange::Note(why));
        }
    }
}
