//! The lines of the feed.

use std::collections::BTreeMap;
use tickdeck_model::Timestamp;

/// The topic of a line. Lines are limited topic by topic, so that a flood of one never hides another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Orders that a check of the deck denied.
    Denied,
    /// Orders that a venue refused.
    Refused,
    /// Orders that protect a position and no longer do.
    Exit,
    /// Messages of strategies to the operator.
    Notified,
    /// Lines of strategies' logs.
    Log,
    /// Venues that connected, disconnected or became stale.
    Venue,
    /// Impossible events: an illegal transition of an order, a fill of an unknown order.
    Anomaly,
    /// Versions of strategies that started, stopped or trapped.
    Version,
    /// Actions of operators.
    Operator,
    /// Builds of `tickdeck dev`.
    Build,
    /// Strategies that ended, venues that broke.
    Failure,
}

impl Topic {
    pub(super) const ALL: [Self; 11] = [
        Self::Denied,
        Self::Refused,
        Self::Exit,
        Self::Notified,
        Self::Log,
        Self::Venue,
        Self::Anomaly,
        Self::Version,
        Self::Operator,
        Self::Build,
        Self::Failure,
    ];

    /// Whether its lines stay visible, and are counted instead of shown only by the thousand: they are rare, and each one
    /// matters.
    pub const fn stays(self) -> bool {
        matches!(
            self,
            Self::Version | Self::Operator | Self::Build | Self::Failure
        )
    }

    /// Returns the plural, to count lines.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Denied => "orders denied",
            Self::Refused => "orders refused by the venue",
            Self::Exit => "alerts about exits",
            Self::Notified => "notifications",
            Self::Log => "lines of log",
            Self::Venue => "changes of venues",
            Self::Anomaly => "anomalies",
            Self::Version => "changes of versions",
            Self::Operator => "operator actions",
            Self::Build => "lines about builds",
            Self::Failure => "failures",
        }
    }
}

/// The importance of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For the record.
    Note,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

/// A line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLine {
    /// Event time.
    pub at: Timestamp,
    /// Its topic.
    pub topic: Topic,
    /// Its importance.
    pub weight: Weight,
    /// Its text.
    pub text: String,
}

/// The lines of one fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedLines {
    /// The lines, oldest first.
    pub list: Vec<FeedLine>,
    /// How many more there were of each topic.
    pub left_out: BTreeMap<Topic, u64>,
}

impl FeedLines {
    /// Returns the lines, and one more for each topic of which some were left out.
    pub fn with_omissions(self) -> Vec<FeedLine> {
        let at = self.list.last().map_or(0, |line| line.at);
        let more = self.left_out.into_iter().map(|(topic, count)| FeedLine {
            at,
            topic,
            weight: Weight::Note,
            text: format!("... and {count} more {}", topic.plural()),
        });
        self.list.into_iter().chain(more).collect()
    }
}

/// The state of the build of a strategy's next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProgress {
    /// `ema-cross builds`, `ema-cross does not build, 2 errors`
    pub headline: String,
    /// Whether it is live, being built, or broken.
    pub phase: BuildPhase,
    /// The compiler's errors, a line each.
    pub errors: Vec<String>,
}

/// The phase of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildPhase {
    /// It is being built or installed.
    Underway,
    /// It trades.
    Live,
    /// It does not build.
    Broken,
}
