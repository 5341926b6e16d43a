//! What is on the reels, in words.

pub mod decisions;
mod event;

use crate::names::Names;
use tickdeck_engine::{
    AppliedAction, Divergence, Effect, Finding, RecordedChange, SentKind, StrategyOutcome,
};
use tickdeck_model::format::{date, time_of_day};
use tickdeck_model::{Action, Event, StrategyId, Submit, Timestamp};

/// The first difference between a run and its replay.
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
        Finding::Action(it) => acted(it, names),
        Finding::Outcome(it) => outcome(*it).to_owned(),
        Finding::Event(it) => event(it, names),
        Finding::State(schema, bytes) => {
            format!("a state of {bytes} bytes in schema {schema}, with other content")
        }
        Finding::Text(words) => words.clone(),
    }
}

/// Something that the kernel did, if it is worth a line.
pub fn effect(effect: &Effect, names: &Names) -> Option<String> {
    Some(match effect {
        Effect::Applied(it) => format!("{}: {}", names.strategy(it.strategy), acted(it, names)),
        Effect::Settled {
            strategy,
            outcome: it,
            ..
        } => format!("{}: {}", names.strategy(*strategy), outcome(*it)),
        Effect::Operated { order, .. } => format!("the operator: {order:?}"),
        Effect::GaveUp { strategy, .. } => {
            format!("{}: the version before is back", names.strategy(*strategy))
        }
        Effect::Changed { what, .. } => changed(what, names),
        Effect::Refused { why } => format!("it was refused: {why}"),
        Effect::Halted { problem, .. } => format!("new orders are denied: {problem}"),
        Effect::Kept => "new orders pass again".to_owned(),
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
        Effect::Stopping { .. } => "the strategies are stopped".to_owned(),
        Effect::Asked | Effect::Saved { .. } => return None,
    })
}

fn changed(what: &RecordedChange, names: &Names) -> String {
    let name = names.strategy(what.strategy());
    match what {
        RecordedChange::Start { .. } => format!("{name} takes its seat"),
        RecordedChange::Swap { .. } => format!("{name}: another version takes over"),
        RecordedChange::Promote(_) => format!("{name}: the version beside takes over"),
        RecordedChange::RollBack(_) => format!("{name}: back to the version before"),
        RecordedChange::Remove(_) => format!("{name} leaves"),
    }
}

/// An action with its cause.
pub fn acted(acted: &AppliedAction, names: &Names) -> String {
    let late = if acted.late {
        ", too late to be sent"
    } else {
        ""
    };
    let cause = match acted.is_at_end() {
        true => String::new(),
        false => format!(" on event {}", acted.cause),
    };
    format!("{}{cause}{late}", action(&acted.action, names))
}

/// An action of the contract.
pub fn action(action: &Action, names: &Names) -> String {
    match action {
        Action::Submit(order) => submit(order, names),
        Action::Modify(modify) => format!("modify order {}", modify.order),
        Action::Cancel(order) => format!("cancel order {order}"),
        Action::CancelAll(_) => "cancel all orders".to_owned(),
        Action::SetTimer(timer) => format!("timer {} at {}", timer.id, moment(timer.due)),
        Action::ClearTimer(id) => format!("clear timer {id}"),
        Action::Notify(notify) => format!("notify {} with {}", notify.message, notify.value),
        Action::Subscribe(feed) => format!("subscribe to {feed:?}"),
        Action::Unsubscribe(feed) => format!("unsubscribe from {feed:?}"),
    }
}

/// `limit buy 0.5 BTCUSDT.SIM at 61000.00 (order 7)`
pub fn submit(order: &Submit, names: &Names) -> String {
    let symbol = names.symbol(order.instrument);
    let size = names.size(order.instrument, order.size);
    let price = match order.price.0 {
        0 => String::new(),
        _ => format!(" at {}", names.price(order.instrument, order.price)),
    };
    format!(
        "{} {} {size} {symbol}{price} (order {})",
        order.kind.as_str(),
        order.side.as_str(),
        order.order
    )
}

/// What became of an instance.
pub const fn outcome(outcome: StrategyOutcome) -> &'static str {
    match outcome {
        StrategyOutcome::Faulted(_) => "it faulted",
        StrategyOutcome::Recovered => "it recovered",
        StrategyOutcome::Ended => "it ended",
        StrategyOutcome::ProbationFailed => "it failed its trial",
        StrategyOutcome::ShadowFailed => "the version beside it faulted",
        StrategyOutcome::Live => "another version got its first event",
    }
}

/// An event with its time.
pub fn event(event: &Event, names: &Names) -> String {
    let (at, body) = (moment(event.ts_host), event::body(event, names));
    format!("{} at {at}: {body}", about(event, names))
}

/// An event whose time is told beside it.
pub fn happening(event: &Event, names: &Names) -> String {
    format!("{}: {}", about(event, names), event::body(event, names))
}

/// `fill BTCUSDT.SIM of pairs`
fn about(event: &Event, names: &Names) -> String {
    let symbol = event
        .instrument()
        .map_or_else(String::new, |id| format!(" {}", names.symbol(id)));
    let owner = event
        .owner()
        .filter(|owner| *owner != StrategyId::default())
        .map_or_else(String::new, |id| format!(" of {}", names.strategy(id)));
    format!("{}{symbol}{owner}", event.kind().as_str())
}

/// Event time, to the microsecond.
pub fn moment(at: Timestamp) -> String {
    let us = at.rem_euclid(1_000_000_000) / 1_000;
    format!("{} {}.{us:06}", date(at), time_of_day(at))
}
