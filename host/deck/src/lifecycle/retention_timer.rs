//! Keeps the reels of a running host within their budget, by periodic checks.

use crate::feed::{OperatorFeed, Topic};
use std::time::{Duration, Instant};
use tickdeck_recording::{RetentionBudget, RetentionNote};
use tickdeck_strategy::LogLevel;

/// Periodically checks that the reels are within their budget.
pub(super) struct RetentionTimer {
    budget: RetentionBudget,
    every: Duration,
    next: Instant,
}

impl RetentionTimer {
    /// Creates a timer whose first check is due after one interval, because the start of the host already made a check.
    pub(super) fn new(budget: RetentionBudget, every: Duration) -> Self {
        let next = Instant::now() + every;
        Self {
            budget,
            every,
            next,
        }
    }

    /// Returns the time until the next check.
    pub(super) fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Checks if that is due, and reports the outcome in the feed.
    pub(super) fn check(&mut self, feed: &OperatorFeed) {
        if !self.left().is_zero() {
            return;
        }
        for note in self.budget.check() {
            let (topic, level, text) = match &note {
                // The operator asked for it in the settings.
                RetentionNote::Removed(text) => (Topic::Operator, LogLevel::Info, text),
                RetentionNote::Warning(text) => (Topic::Failure, LogLevel::Warn, text),
            };
            feed.say(topic, "journal", level, text);
        }
        // Counted from now, so that slow checks do not run back to back.
        self.next = Instant::now() + self.every;
    }
}
