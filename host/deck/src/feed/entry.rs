//! The entries of the feed, and their text.

use super::{Topic, Weight};
use crate::change_cause::ChangeCause;
use tickdeck_engine::{ExitProblem, Notice, StateSource, VersionChange};
use tickdeck_model::{Reason, Severity, Untrusted, VenueState};
use tickdeck_recording::names::Names;
use tickdeck_strategy::LogLevel;

pub(super) enum FeedEntry {
    Notice(Notice),
    Text {
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
            Self::Notice(Notice::Exit { .. }) => Topic::Exit,
            Self::Notice(Notice::Notified { .. }) => Topic::Notified,
            Self::Notice(Notice::Venue { .. }) => Topic::Venue,
            Self::Notice(Notice::Anomaly { .. }) => Topic::Anomaly,
            Self::Notice(
                Notice::Version { .. } | Notice::Recovered { .. } | Notice::Overloaded { .. },
            ) => Topic::Version,
            Self::Notice(_) => Topic::Failure,
            Self::Text { topic, .. } => *topic,
        }
    }

    pub(super) const fn weight(&self) -> Weight {
        match self {
            // Somebody ended the strategy or its orders, and is told what that left open.
            Self::Notice(Notice::Exit {
                problem:
                    ExitProblem::Ended {
                        reason: Reason::StrategyEnded | Reason::Operator,
                    },
                ..
            }) => Weight::Warning,
            Self::Notice(
                Notice::Ended { .. }
                | Notice::Broken { .. }
                | Notice::Exit { .. }
                | Notice::NotKept { .. }
                | Notice::LeftBehind { .. }
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
            Self::Notice(Notice::Version { change, .. }) => match change {
                VersionChange::RolledBack { .. } | VersionChange::Swapped { lost: Some(_), .. } => {
                    Weight::Warning
                }
                VersionChange::ShadowEnded { problem } if !problem.is_empty() => Weight::Warning,
                _ => Weight::Note,
            },
            Self::Notice(_) => Weight::Warning,
            Self::Text { level, .. } => match level {
                LogLevel::Error => Weight::Error,
                LogLevel::Warn => Weight::Warning,
                _ => Weight::Note,
            },
        }
    }
}

/// Returns the text of an entry.
pub(super) fn describe(entry: &FeedEntry, names: &Names) -> String {
    match entry {
        FeedEntry::Text { subject, text, .. } => format!("{subject}: {text}"),
        FeedEntry::Notice(notice) => describe_notice(notice, names),
    }
}

fn describe_exit(problem: ExitProblem) -> String {
    match problem {
        ExitProblem::Ended { reason } => {
            format!("ended unfilled, {reason}, and the position stands")
        }
        ExitProblem::Unwatched => {
            "is held, and its price can't be watched: the data is stale or the venue down"
                .to_owned()
        }
        ExitProblem::Stuck => {
            "waits for orders beside it that the venue does not cancel".to_owned()
        }
        ExitProblem::Overfilled => {
            "opened a position: the venue filled more than was left to close".to_owned()
        }
    }
}

fn describe_notice(notice: &Notice, names: &Names) -> String {
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
        Notice::Exit { order, problem } => {
            let name = names.strategy(order.strategy);
            format!("{name}: exit {} {}", order.number, describe_exit(*problem))
        }
        Notice::Notified {
            strategy,
            message,
            value,
            ..
        } => {
            let (name, message) = (names.strategy(*strategy), Untrusted::new(message));
            format!("{name}: {message} {value}")
        }
        Notice::Ended { strategy, problem } => {
            format!("{} ended: {problem}", names.strategy(*strategy))
        }
        Notice::Overloaded {
            strategy,
            debt_ns,
            limit_ns,
            lag_events,
            lag_ns,
        } => {
            let name = names.strategy(*strategy);
            describe_overload(&name, (*debt_ns, *limit_ns), (*lag_events, *lag_ns))
        }
        Notice::Version {
            strategy,
            change,
            origin,
        } => {
            let cause = ChangeCause::of(origin.as_ref());
            let text = describe_change(change, cause.and_then(ChangeCause::preparation));
            format!("{}: {text}", names.strategy(*strategy))
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
            format!(
                "{problem}; new orders are denied until the run is recorded again, cancels pass"
            )
        }
        Notice::LeftBehind { position } => format!(
            "a strategy did not return from its call, and the run ended without it: decisions not sent by event {position} \
             were dropped; `tickdeck strategies` of the next run shows which one is slow"
        ),
        Notice::Kept => "the run is being recorded again: new orders are allowed".to_owned(),
        Notice::Broken { problem } | Notice::Anomaly { problem } => problem.clone(),
    }
}

/// Returns the text of an alert: what a strategy costs the others, or how far it is behind.
fn describe_overload(
    name: &str,
    (debt_ns, limit_ns): (u64, Option<u64>),
    (lag_events, lag_ns): (u64, u64),
) -> String {
    if debt_ns == 0 {
        return format!(
            "{name} is {} and {lag_events} events behind",
            micros(lag_ns)
        );
    }
    let end = limit_ns.map_or_else(String::new, |limit_ns| {
        format!(", at {} it ends", micros(limit_ns))
    });
    format!(
        "{name} kept the others waiting for {}{end}: it does too much work per event",
        micros(debt_ns)
    )
}

/// Returns the text of a change; `preparation` says how its module was prepared.
fn describe_change(change: &VersionChange, preparation: Option<&str>) -> String {
    let prepared = preparation.map_or_else(String::new, |text| format!("{text}, "));
    match change {
        VersionChange::Started { to, .. } => format!("{to} {prepared}started"),
        VersionChange::Swapped {
            from,
            to,
            inherited,
            lost,
            took_ns,
            ..
        } => format!(
            "{from} -> {}{to} {prepared}handed over in {} {}{}",
            // Authors rarely bump the version during development.
            if from == to { "another " } else { "" },
            micros(*took_ns),
            describe_state(*inherited),
            describe_loss(lost.as_deref())
        ),
        VersionChange::Live { pause_ns } => {
            format!(
                "first event {} after the old version's last",
                micros(*pause_ns)
            )
        }
        VersionChange::Shadow { version } => {
            format!("{version} {prepared}runs as a shadow, its orders are not sent")
        }
        VersionChange::ShadowEnded { problem } if problem.is_empty() => {
            "the shadow was stopped".to_owned()
        }
        VersionChange::ShadowEnded { problem } => format!("the shadow failed: {problem}"),
        VersionChange::RolledBack {
            from, to, problem, ..
        } => format!("{from} trapped within its trial, rolled back to {to}: {problem}"),
        VersionChange::Removed => "stopped cleanly".to_owned(),
    }
}

/// Returns why a version left no state, for display; empty if it left one.
pub fn describe_loss(lost: Option<&str>) -> String {
    let why = lost.and_then(|why| why.lines().next()).map(Untrusted::new);
    why.map_or_else(String::new, |why| {
        format!("; the old version could not save: {why}")
    })
}

/// Returns the source of a version's state, for display.
pub fn describe_state(inherited: StateSource) -> String {
    match inherited {
        StateSource::Saved { bytes } => format!("with {bytes} bytes of state"),
        StateSource::Snapshot { bytes, events } => format!(
            "with a snapshot of {bytes} bytes and the {events} events since, whose decisions are no longer sent"
        ),
        StateSource::Nothing => "without state".to_owned(),
    }
}

/// Returns a time in microseconds, or in milliseconds if it is 10 ms or more.
pub fn micros(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{} us", ns.div_ceil(1_000)),
        _ => format!("{} ms", ns / 1_000_000),
    }
}
