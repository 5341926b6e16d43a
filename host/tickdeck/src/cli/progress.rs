//! How far long work is: a line on standard error that is written over, on a terminal only.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(100);

/// The line.
pub(super) struct Progress {
    what: String,
    tells: bool,
    said: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            tells: std::io::stderr().is_terminal(),
            said: None,
        }
    }

    /// So much of so much is done.
    pub(super) fn of(&mut self, done: u64, total: u64) {
        let percent = (done as f64 / total.max(1) as f64 * 100.0).min(100.0);
        self.say(|what| format!("\r{what}: {percent:.0} % "));
    }

    /// So much is done.
    pub(super) fn count(&mut self, done: u64) {
        self.say(|what| format!("\r{what}: {} ", tickdeck_model::format::grouped(done)));
    }

    fn say(&mut self, words: impl Fn(&str) -> String) {
        let soon = self.said.is_some_and(|said| said.elapsed() < EVERY);
        if self.tells && !soon {
            self.said = Some(Instant::now());
            eprint!("{}", words(&self.what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.said.is_some() {
            eprint!("\r{:1$}\r", "", self.what.len() + 20);
        }
    }
}
