//! Keeps the reels of a running host to their budget, a look at a time.

use crate::feed::{OperatorFeed, Topic};
use std::time::{Duration, Instant};
use tickdeck_recording::{RetentionBudget, RetentionNote};
use tickdeck_strategy::LogLevel;

/// Looks once in a while that the reels keep to their budget.
pub(super) struct RetentionTimer {
    budget: RetentionBudget,
    every: Duration,
    next: Instant,
}

impl RetentionTimer {
    /// The first look comes after that time, as room was made at the start of the host.
    pub(super) fn new(budget: RetentionBudget, every: Duration) -> Self {
        let next = Instant::now() + every;
        Self {
            budget,
            every,
            next,
        }
    }

    /// How long until the next look.
    pub(super) fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Looks if it is time to, and says on the board what came of it.
    pub(super) fn look(&mut self, feed: &OperatorFeed) {
        if !self.left().is_zero() {
            return;
        }
        for said in self.budget.check() {
            let (topic, level, words) = match &said {
                // The operator wished it, in the settings.
                RetentionNote::Removed(words) => (Topic::Operator, LogLevel::Info, words),
                RetentionNote::Warning(words) => (Topic::Failure, LogLevel::Warn, words),
            };
            feed.say(topic, "journal", level, words);
        }
        // From here, so that looks that take long do not follow each other without a pause.
        self.next = Instant::now() + self.every;
    }
}
