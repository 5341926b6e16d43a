//! Progress of long work: a line on standard error that is overwritten, on a terminal only.

use crate::output::overwrite;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two updates.
const EVERY: Duration = Duration::from_millis(100);

/// The line of progress; removed when dropped.
pub(super) struct Progress {
    what: String,
    is_terminal: bool,
    printed: Option<Instant>,
}

impl Progress {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_terminal: std::io::stderr().is_terminal(),
            printed: None,
        }
    }

    /// Shows how much of the total is done.
    pub(super) fn of(&mut self, done: u64, total: u64) {
        let percent = (done as f64 / total.max(1) as f64 * 100.0).min(100.0);
        self.update(|what| format!("{what}: {percent:.0} % "));
    }

    /// Shows how much is done.
    pub(super) fn count(&mut self, done: u64) {
        self.update(|what| format!("{what}: {} ", tickdeck_model::format::grouped(done)));
    }

    fn update(&mut self, text: impl Fn(&str) -> String) {
        let recent = self.printed.is_some_and(|at| at.elapsed() < EVERY);
        if self.is_terminal && !recent {
            self.printed = Some(Instant::now());
            overwrite(text(&self.what));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.printed.is_some() {
            overwrite(" ".repeat(self.what.len() + 20));
            overwrite("");
        }
    }
}
