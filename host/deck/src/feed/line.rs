//! What the operator is told, a line at a time.

use std::collections::BTreeMap;
use tickdeck_model::Timestamp;

/// What a line is about. Lines are limited kind by kind, so that a flood of one never hides another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Orders that we refused.
    Denied,
    /// Orders that a venue refused.
    Refused,
    /// What strategies tell the operator.
    Notified,
    /// What strategies write to their log.
    Log,
    /// Venues that came, went or grew old.
    Venue,
    /// What should not happen: an impossible transition of an order, a fill of an unknown one.
    Anomaly,
    /// Versions of strategies that came, went or trapped.
    Version,
    /// What operators did.
    Operator,
    /// What `tickdeck dev` builds.
    Build,
    /// Strategies that ended, sources that broke.
    Failure,
}

impl Topic {
    pub(super) const ALL: [Self; 10] = [
        Self::Denied,
        Self::Refused,
        Self::Notified,
        Self::Log,
        Self::Venue,
        Self::Anomaly,
        Self::Version,
        Self::Operator,
        Self::Build,
        Self::Failure,
    ];

    /// Whether lines of it stay in sight and are never counted instead of shown: they are rare, and each one matters.
    pub const fn stays(self) -> bool {
        matches!(
            self,
            Self::Version | Self::Operator | Self::Build | Self::Failure
        )
    }

    /// The word for several of them.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Denied => "orders denied",
            Self::Refused => "orders refused by the venue",
            Self::Notified => "notifications",
            Self::Log => "lines of log",
            Self::Venue => "changes of venues",
            Self::Anomaly => "anomalies",
            Self::Version => "changes of versions",
            Self::Operator => "orders of operators",
            Self::Build => "lines about builds",
            Self::Failure => "failures",
        }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For the record.
    Note,
    /// Look at it.
    Warning,
    /// Something failed.
    Error,
}

/// A line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLine {
    /// Event time.
    pub at: Timestamp,
    /// What it is about.
    pub topic: Topic,
    /// How much it matters.
    pub weight: Weight,
    /// What it says.
    pub text: String,
}

/// What was fetched from the board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedLines {
    /// The lines, oldest first.
    pub list: Vec<FeedLine>,
    /// How many more there were that were not kept.
    pub left_out: BTreeMap<Topic, u64>,
}

impl FeedLines {
    /// The lines, and one more for each kind of which some were left out.
    pub fn told(self) -> Vec<FeedLine> {
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

/// How the next version of a strategy stands, while its author works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProgress {
    /// `ema-cross builds`, `ema-cross does not build, 2 errors`
    pub headline: String,
    /// Whether it is live, being made, or broken.
    pub stand: BuildPhase,
    /// What the compiler has against it, a line each.
    pub errors: Vec<String>,
}

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildPhase {
    /// It is being built or on its way in.
    Underway,
    /// It is what trades.
    Live,
    /// It does not build.
    Broken,
}
