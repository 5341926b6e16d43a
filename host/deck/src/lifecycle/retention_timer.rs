//! Keeps the reels of a running host to their budget, by a check at an interval.

use crate::feed::{OperatorFeed, Topic};
use std::time::{Duration, Instant};
use tickdeck_recording::{RetentionBudget, RetentionNote};
use tickdeck_strategy::LogLevel;

/// Checks at an interval that the reels keep to their budget.
pub(super) struct RetentionTimer {
    budget: RetentionBudget,
    every: Duration,
    next: Instant,
}

impl RetentionTimer {
    /// Makes a timer whose first check is due after one interval, as the start of the host made a check already.
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

    /// Makes a check if one is due, and reports its outcome in the feed.
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
        // From now, so that checks that take long do not follow each other without a pause.
        self.next = Instant::now() + self.every;
    }
}
