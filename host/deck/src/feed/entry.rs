//! What waits on the board, and its words.

use super::{Topic, Weight};
use tickdeck_engine::{Notice, StateSource, VersionChange};
use tickdeck_model::{Severity, StrategyId, VenueState};
use tickdeck_recording::names::Names;
use tickdeck_strategy::LogLevel;

pub(super) enum FeedEntry {
    Notice(Notice),
    /// A version changed; with how its module was compiled, if one was.
    Version {
        strategy: StrategyId,
        change: VersionChange,
        compiled: Option<String>,
    },
    Words {
        topic: Topic,
        subject: String,
        level: LogLevel,
        text: String,
    },
}

impl FeedEntry {
    pub(super) const fn topic(&self) -> Topic {
        match self {
            Self::Notice(Notice::Denied { .. }) => Topic::Denied,
            Self::Notice(Notice::Refused { .. }) => Topic::Refused,
            Self::Notice(Notice::Notified { .. }) => Topic::Notified,
            Self::Notice(Notice::Venue { .. }) => Topic::Venue,
            Self::Notice(Notice::Anomaly { .. }) => Topic::Anomaly,
            Self::Notice(Notice::Version { .. } | Notice::Recovered { .. })
            | Self::Version { .. } => Topic::Version,
            Self::Notice(_) => Topic::Failure,
            Self::Words { topic, .. } => *topic,
        }
    }

    pub(super) const fn weight(&self) -> Weight {
        match self {
            Self::Notice(
                Notice::Ended { .. }
                | Notice::Broken { .. }
                | Notice::NotKept { .. }
                | Notice::Anomaly { .. },
            ) => Weight::Error,
            Self::Notice(Notice::Notified {
                severity: Severity::Critical,
                ..
            }) => Weight::Error,
            Self::Notice(Notice::Notified {
                severity: Severity::Info,
                ..
            }) => Weight::Note,
            Self::Notice(Notice::Venue {
                state: VenueState::Connected | VenueState::Live,
                ..
            }) => Weight::Note,
            Self::Version { change, .. } | Self::Notice(Notice::Version { change, .. }) => {
                match change {
                    VersionChange::RolledBack { .. }
                    | VersionChange::Swapped { lost: Some(_), .. } => Weight::Warning,
                    VersionChange::ShadowEnded { problem } if !problem.is_empty() => {
                        Weight::Warning
                    }
                    _ => Weight::Note,
                }
            }
            Self::Notice(_) => Weight::Warning,
            Self::Words { level, .. } => match level {
                LogLevel::Error => Weight::Error,
                LogLevel::Warn => Weight::Warning,
                _ => Weight::Note,
            },
        }
    }
}

/// An entry in words.
pub(super) fn say(entry: &FeedEntry, names: &Names) -> String {
    match entry {
        FeedEntry::Words { subject, text, .. } => format!("{subject}: {text}"),
        FeedEntry::Version {
            strategy,
            change,
            compiled,
        } => {
            let words = version_words(change, compiled.as_deref());
            format!("{}: {words}", names.strategy(*strategy))
        }
        FeedEntry::Notice(notice) => notice_words(notice, names),
    }
}

fn notice_words(notice: &Notice, names: &Names) -> String {
    match notice {
        Notice::Denied {
            order,
            reason,
            values,
        } => {
            let name = names.strategy(order.strategy);
            format!(
                "{name}: order {} denied, {}: {values}",
                order.number,
                reason.code()
            )
        }
        Notice::Refused { order, reason } => {
            format!(
                "{}: order {} refused by the venue, {reason}",
                names.strategy(order.strategy),
                order.number
            )
        }
        Notice::Notified {
            strategy,
            message,
            value,
            ..
        } => format!("{}: {message} {value}", names.strategy(*strategy)),
        Notice::Ended { strategy, problem } => {
            format!("{} ended: {problem}", names.strategy(*strategy))
        }
        Notice::Version { strategy, change } => {
            let words = version_words(change, None);
            format!("{}: {words}", names.strategy(*strategy))
        }
        Notice::Recovered {
            strategy,
            problem,
            events,
            took_ns,
        } => format!(
            "{} recovered in {} from its last snapshot and {events} events: {problem}",
            names.strategy(*strategy),
            micros(*took_ns)
        ),
        Notice::Venue {
            venue,
            instrument,
            state,
        } => match instrument {
            Some(instrument) => format!("{} is {state}", names.symbol(*instrument)),
            None => format!("{} is {state}", names.venue(*venue)),
        },
        Notice::NotKept { problem } => {
            format!("{problem}; new orders are denied until it is kept, cancels pass")
        }
        Notice::Kept => "everything is kept again: new orders pass".to_owned(),
        Notice::Broken { problem } | Notice::Anomaly { problem } => problem.clone(),
    }
}

fn version_words(change: &VersionChange, compiled: Option<&str>) -> String {
    let compiled = compiled.map_or_else(String::new, |words| format!("{words}, "));
    match change {
        VersionChange::Started { to, .. } => format!("{to} {compiled}takes its seat"),
        VersionChange::Swapped {
            from,
            to,
            inherited,
            lost,
            took_ns,
            ..
        } => format!(
            "{from} -> {}{to} {compiled}handed over in {} {}{}",
            // An author seldom counts versions up while working on one.
            if from == to { "another " } else { "" },
            micros(*took_ns),
            inherited_words(*inherited),
            lost_words(lost.as_deref())
        ),
        VersionChange::Live { pause_ns } => {
            format!("first event {} after the old one's last", micros(*pause_ns))
        }
        VersionChange::Shadow { version } => {
            format!("{version} {compiled}runs beside, nothing of it is sent")
        }
        VersionChange::ShadowEnded { problem } if problem.is_empty() => {
            "no version runs beside any more".to_owned()
        }
        VersionChange::ShadowEnded { problem } => {
            format!("the version beside ended: {problem}")
        }
        VersionChange::RolledBack {
            from, to, problem, ..
        } => {
            format!("{from} trapped within its trial, {to} is back: {problem}")
        }
        VersionChange::Removed => "left in order".to_owned(),
    }
}

/// Why a version left no state, in words, if it did not.
pub fn lost_words(lost: Option<&str>) -> String {
    let why = lost.and_then(|why| why.lines().next());
    why.map_or_else(String::new, |why| {
        format!("; the one before could not save: {why}")
    })
}

/// What a version took over, in words.
pub fn inherited_words(inherited: StateSource) -> String {
    match inherited {
        StateSource::Saved { bytes } => format!("with {bytes} bytes of state"),
        StateSource::Snapshot { bytes, events } => format!(
            "with a snapshot of {bytes} bytes and the {events} events since, caught up with too late to act on"
        ),
        StateSource::Nothing => "without state".to_owned(),
    }
}

/// A time in microseconds, or in milliseconds from ten of them on.
pub fn micros(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{} us", ns.div_ceil(1_000)),
        _ => format!("{} ms", ns / 1_000_000),
    }
}
