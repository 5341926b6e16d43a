//! A strategy's log lines: truncated, escaped for a terminal, and limited in rate.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tickdeck_model::Untrusted;

/// The window in which lines are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the strategy's author.
    Debug,
    /// For the operator.
    Info,
    /// The operator should look.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// Returns the name as the contract spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl std::fmt::Display for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Receives log lines. Called on the strategy's thread and within its time limit: pass the line on and return.
pub trait LogSink: Send + Sync {
    /// Receives one line that is safe for a terminal, of at most [`MAX_LINE`](crate::MAX_LINE) bytes before escapes and the
    /// count of bytes that were cut.
    fn line(&self, strategy: &str, level: LogLevel, text: &str);
}

/// A sink that drops every line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl LogSink for Discard {
    fn line(&self, _strategy: &str, _level: LogLevel, _text: &str) {}
}

/// One instance's log.
pub(crate) struct Logger {
    strategy: String,
    sink: Arc<dyn LogSink>,
    rate: Rate,
    last: Option<String>,
}

impl Logger {
    pub(crate) fn new(strategy: &str, sink: Arc<dyn LogSink>, lines_per_s: u32) -> Self {
        Self {
            strategy: strategy.to_owned(),
            sink,
            rate: Rate::new(lines_per_s),
            last: None,
        }
    }

    pub(crate) fn write(&mut self, level: LogLevel, message: &str) {
        let text = Untrusted::new(message).to_string();
        let verdict = self.rate.take(Instant::now());
        self.report_dropped(verdict.dropped);
        if verdict.keep {
            self.sink.line(&self.strategy, level, &text);
        }
        self.last = Some(text);
    }

    /// The last line written, kept or dropped: often the message before a trap.
    pub(crate) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub(crate) fn strategy(&self) -> &str {
        &self.strategy
    }

    fn report_dropped(&self, lines: u64) {
        if lines > 0 {
            let text = format!(
                "{lines} lines dropped: more than {} in a second",
                self.rate.limit
            );
            self.sink.line(&self.strategy, LogLevel::Warn, &text);
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.report_dropped(self.rate.dropped);
    }
}

/// Counts lines per [`WINDOW`].
struct Rate {
    limit: u32,
    window: Option<Instant>,
    lines: u32,
    dropped: u64,
}

struct Verdict {
    keep: bool,
    /// Lines dropped in the window that just ended, to be reported.
    dropped: u64,
}

impl Rate {
    const fn new(limit: u32) -> Self {
        Self {
            limit,
            window: None,
            lines: 0,
            dropped: 0,
        }
    }

    fn take(&mut self, now: Instant) -> Verdict {
        let mut dropped = 0;
        if self
            .window
            .is_none_or(|start| now.duration_since(start) >= WINDOW)
        {
            (self.window, self.lines) = (Some(now), 0);
            dropped = std::mem::take(&mut self.dropped);
        }
        let keep = self.lines < self.limit;
        if keep {
            self.lines += 1;
        } else {
            self.dropped += 1;
        }
        Verdict { keep, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_past_the_rate_are_counted() {
        let mut rate = Rate::new(2);
        let start = Instant::now();
        let keeps: Vec<bool> = (0..5).map(|_| rate.take(start).keep).collect();
        assert_eq!(keeps, [true, true, false, false, false]);
        let next = rate.take(start + WINDOW);
        assert!(next.keep);
        assert_eq!(next.dropped, 3);
        assert_eq!(rate.take(start + WINDOW).dropped, 0);
    }
}
