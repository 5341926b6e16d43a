//! One-line descriptions of events, actions and effects for people. The order history, the shadow's differences and the exported
//! rows share them.

mod action;
mod event;

pub use action::{action, actions, applied_action, submit};
pub use event::{event, untimed_event};
pub use tickdeck_model::format::date_time as moment;

use crate::names::Names;
use tickdeck_engine::{Divergence, Effect, Finding, RecordedChange, SentKind, StrategyOutcome};
use tickdeck_model::Untrusted;

/// Describes the first difference between a run and its replay.
pub fn difference(divergence: &Divergence, names: &Names) -> String {
    let Divergence {
        position,
        strategy,
        recorded,
        found,
    } = divergence;
    let who = strategy.map_or_else(
        || "the host".to_owned(),
        |strategy| names.strategy(strategy),
    );
    format!(
        "  at event {position}, {who}\n  recorded: {}\n  now:      {}",
        finding(recorded, names),
        finding(found, names)
    )
}

fn finding(finding: &Finding, names: &Names) -> String {
    match finding {
        Finding::Nothing => "nothing".to_owned(),
        Finding::Action(it) => applied_action(it, names),
        Finding::Outcome(it) => outcome(*it).to_owned(),
        Finding::Event(it) => event(it, names),
        Finding::State(schema, bytes) => {
            format!("a state of {bytes} bytes in schema {schema}, with other content")
        }
        Finding::Text(words) => Untrusted::new(words).to_string(),
    }
}

/// Describes an effect of the kernel; returns `None` for one that is not worth a line.
pub fn effect(effect: &Effect, names: &Names) -> Option<String> {
    Some(match effect {
        Effect::Applied(it) => format!(
            "{}: {}",
            names.strategy(it.strategy),
            applied_action(it, names)
        ),
        Effect::Settled {
            strategy,
            outcome: it,
            ..
        } => format!("{}: {}", names.strategy(*strategy), outcome(*it)),
        Effect::Operated { order, .. } => format!("the operator: {order:?}"),
        Effect::GaveUp { strategy, .. } => {
            format!("{}: brought back, if it could be", names.strategy(*strategy))
        }
        Effect::CatchingUp { strategy, .. } => {
            format!("{}: began to catch up", names.strategy(*strategy))
        }
        Effect::Changed { what, .. } => changed(what, names),
        Effect::Refused { why } => format!("refused: {}", Untrusted::new(why)),
        Effect::Halted { problem, .. } => {
            format!("new orders are denied: {}", Untrusted::new(problem))
        }
        Effect::Kept => "new orders are allowed again".to_owned(),
        Effect::Sent { order, what, .. } => format!(
            "sent to the venue: {} of {}/{}",
            match what {
                SentKind::Submit => "order",
                SentKind::Modify => "change",
                SentKind::Cancel => "cancel",
            },
            names.strategy(order.strategy),
            order.number
        ),
        Effect::LeftBehind => {
            "a strategy did not return and was left behind: decisions that were not sent are dropped".to_owned()
        }
        Effect::Stopping { .. } => "the strategies are being stopped".to_owned(),
        Effect::Asked { .. } | Effect::Saved { .. } => return None,
    })
}

fn changed(what: &RecordedChange, names: &Names) -> String {
    let name = names.strategy(what.strategy());
    match what {
        RecordedChange::Start { .. } => format!("{name} started"),
        RecordedChange::Swap { .. } => format!("{name}: swapped to another version"),
        RecordedChange::Promote(_) => format!("{name}: the shadow was promoted"),
        RecordedChange::RollBack(_) => format!("{name}: rolled back to the previous version"),
        RecordedChange::Remove(_) => format!("{name} was removed"),
        RecordedChange::Quarantine { why, .. } => {
            format!("{name} was quarantined: {}", Untrusted::new(why))
        }
    }
}

/// Describes the outcome of an instance.
pub const fn outcome(outcome: StrategyOutcome) -> &'static str {
    match outcome {
        StrategyOutcome::Faulted(_) => "faulted",
        StrategyOutcome::Recovered => "recovered",
        StrategyOutcome::Ended => "ended",
        StrategyOutcome::Suspended => "waits for another instance",
        StrategyOutcome::ShadowFailed => "its shadow faulted",
        StrategyOutcome::Live => "the new version handled its first event",
    }
}
