//! `tickdeck explain`: explains why an order was sent and what became of it.

use crate::output::{print, print_json};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_deck::affinity::run_for_strategies;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::replay::{ReplayScope, prepare_replay};
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::State;
use tickdeck_engine::{EngineError, Notice, NullObserver, Observer, SentKind, Standing, Status};
use tickdeck_model::Untrusted;
use tickdeck_model::suggestion::nearest;
use tickdeck_model::{Body, ClientOrderId, OrderNumber, OrderStatus, Registry, Timestamp};
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;
use tickdeck_recording::{DataReels, OrderHistory, RecordedRun, order_history, senders};

/// Explain why an order was sent and what became of it: the event that caused it, the market and position that the strategy
/// saw, its decision, the result of the order checks, when it was sent, and the venue's answers.
///
/// The run is replayed up to that point, so the strategy's state is exactly what it was when the event arrived.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck explain ema-cross/7
  tickdeck explain pairs/12 --data tape --json
  tickdeck explain pairs/12 --state pairs.state")]
pub(super) struct Explain {
    /// The order: name of the strategy, a slash, and the order's number
    #[arg(value_name = "STRATEGY/NUMBER", value_parser = order)]
    order: (String, OrderNumber),
    /// The data folder
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// Number of the run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Write the state that the strategy had when it got the event to a file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// A step in the life of an order.
#[derive(Debug, Serialize)]
struct Step {
    /// `cause`, `saw`, `decided`, `checks`, `sent`, `answer`, `fill` or `later`.
    step: &'static str,
    /// In event time.
    at: String,
    /// The event's sequence, if the step is an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u64>,
    /// Wall time at which it was sent, in nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ns: Option<i64>,
    #[serde(rename = "words")]
    text: String,
}

#[derive(Debug, Serialize)]
struct Outcome {
    run: u32,
    order: String,
    /// The id known to the venue.
    client_order_id: String,
    /// The version that decided it.
    version: String,
    /// The hash of its module.
    module: String,
    /// The strategy's state when it got the event, if it saves one.
    state: Option<StateInfo>,
    steps: Vec<Step>,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.data);
        let run = reels.run(self.run)?;
        let (name, number) = &self.order;
        let order_history = match order_history(&run, name, *number) {
            Ok(order_history) => order_history,
            Err(error) => return Err(not_found(&run, name, error)),
        };
        let (standing, names) = standing(&reels, &run, &order_history)?;
        let denied = match is_denied(&order_history) {
            true => Some(denial(&reels, &run, &order_history)?),
            false => None,
        };
        let id = order_history.order.strategy;
        let ran = standing.status.strategies.iter().find(|one| one.id == id);
        let state = standing.states.iter().find(|(other, _)| *other == id);
        if let Some(file) = &self.state {
            let (_, state) = state.with_context(|| format!("{name} saves no state"))?;
            std::fs::write(file, &state.bytes)
                .with_context(|| format!("cannot write {}", Untrusted::path(file)))?;
        }
        let outcome = Outcome {
            run: run.number,
            order: format!("{name}/{number}"),
            client_order_id: order_history.order.to_string(),
            version: ran.map(|ran| ran.version.clone()).unwrap_or_default(),
            module: ran.map(|ran| ran.hash.clone()).unwrap_or_default(),
            state: state.map(|(_, state)| StateInfo::of(state, order_history.handled)),
            steps: steps((&order_history, &standing), denied.as_deref(), &names),
        };
        if self.json {
            print_json(&outcome)?;
        } else {
            print(&text(&outcome))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A strategy's state.
#[derive(Debug, Serialize)]
struct StateInfo {
    /// The first event that it had not handled yet.
    before_event: u64,
    schema: u32,
    bytes: usize,
    /// The first bytes, in hex.
    begins: String,
}

/// Bytes of a state to show.
const SHOWN: usize = 32;

impl StateInfo {
    fn of(state: &State, before_event: u64) -> Self {
        let begins = state.bytes.iter().take(SHOWN);
        Self {
            before_event,
            schema: state.schema,
            bytes: state.bytes.len(),
            begins: begins.map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

fn order(text: &str) -> Result<(String, OrderNumber), String> {
    let wrong = || "it must be a strategy's name, / and the order's number: ema-cross/7".to_owned();
    let (name, number) = text.rsplit_once('/').ok_or_else(wrong)?;
    Ok((name.to_owned(), number.parse().map_err(|_| wrong())?))
}

/// Explains why an order was not found: most often because the run has no such strategy.
fn not_found(run: &RecordedRun, name: &str, error: anyhow::Error) -> anyhow::Error {
    let manifest = match tickdeck_recording::RunManifest::read(&run.folder) {
        Ok(manifest) => manifest,
        Err(other) => return other,
    };
    let Ok(registry) = Registry::from_text(&manifest.names) else {
        return error;
    };
    let sent = senders(run).unwrap_or_default();
    let names: Vec<&str> = sent
        .keys()
        .filter_map(|id| registry.strategy(*id))
        .collect();
    if names.contains(&name) || names.is_empty() {
        return error;
    }
    let near = nearest(name, names.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    anyhow::anyhow!(
        "no strategy `{name}` sent orders in run {}: {} did{near}",
        run.number,
        names.join(", ")
    )
}

/// Replays the run up to the decision, and returns the state of the strategies there.
fn standing(
    reels: &DataReels,
    run: &RecordedRun,
    order_history: &OrderHistory,
) -> Result<(Standing, Names)> {
    let scope = ReplayScope::until(Some(order_history.handled));
    let (reached, names) = scope.replay(|scope| {
        let stop = CancelToken::default();
        let replay = prepare_replay(reels, run, scope, Compiling::of_host, &stop)?;
        let (engine, mut tape) = (replay.engine, replay.tape);
        let reached = run_for_strategies("replay", move || {
            engine.state_at(&mut tape, &mut NullObserver)
        })?;
        let differs = match &reached {
            Err(EngineError::Diverged(first)) => first.strategy,
            _ => None,
        };
        Ok(((reached, replay.names), differs))
    })?;
    let mut standing = reached.with_context(|| {
        format!(
            "run {} cannot be replayed up to event {}",
            run.number, order_history.handled
        )
    })?;
    if let Some(cause) = &order_history.cause {
        // A strategy gets an event with a book that includes it. An impossible event was reported when it happened.
        let _ = standing.portfolio.apply(cause);
    }
    Ok((standing, names))
}

/// Replays the run up to the denial of the order, and returns the reason with its figures.
fn denial(reels: &DataReels, run: &RecordedRun, order_history: &OrderHistory) -> Result<String> {
    let last = order_history
        .updates
        .first()
        .map(|event| event.sequence + 1);
    let denied = Denial::default();
    let replayed = ReplayScope::until(last).replay(|scope| {
        let stop = CancelToken::default();
        let replay = prepare_replay(reels, run, scope, Compiling::of_host, &stop)?;
        let (engine, mut tape) = (replay.engine, replay.tape);
        let mut observer = DenialObserver(denied.clone(), order_history.order);
        let replayed =
            run_for_strategies("replay", move || engine.replay(&mut tape, &mut observer))??;
        let differs = replayed
            .divergence
            .as_ref()
            .and_then(|first| first.strategy);
        Ok((replayed, differs))
    })?;
    if replayed.divergence.is_some() {
        bail!(
            "run {} does not replay as recorded: `tickdeck replay` shows where",
            run.number
        );
    }
    let values = denied
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    values.with_context(|| format!("nothing denied {} in the replay", order_history.order))
}

fn is_denied(order_history: &OrderHistory) -> bool {
    order_history.updates.iter().any(
        |event| matches!(event.body(), Body::Order(update) if update.status == OrderStatus::Denied),
    )
}

/// The reason for a denial, with its figures.
#[derive(Clone, Default)]
struct Denial(Arc<Mutex<Option<String>>>);

/// Waits for the denial of an order.
struct DenialObserver(Denial, ClientOrderId);

impl Observer for DenialObserver {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        if let Notice::Denied {
            order,
            reason,
            values,
        } = notice
            && order == self.1
        {
            let denial = format!("denied: {}, {values}", reason.code());
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(denial);
        }
    }

    fn status(&mut self, _: &Status) {}
}

fn steps(
    (order_history, standing): (&OrderHistory, &Standing),
    denied: Option<&str>,
    names: &Names,
) -> Vec<Step> {
    let step = |step, at, text| Step {
        step,
        at: describe::moment(at),
        event: None,
        wall_ns: None,
        text,
    };
    let at = order_history.decided.at;
    let cause = match &order_history.cause {
        Some(cause) => describe::untimed_event(cause, names),
        None => "no single event: a version that took over handled the events of the previous one, and its decisions on them \
                 come too late to be sent"
            .to_owned(),
    };
    let mut steps = vec![
        Step {
            event: order_history.cause.map(|cause| cause.sequence),
            ..step(
                "cause",
                order_history.cause.map_or(at, |cause| cause.ts_host),
                cause,
            )
        },
        step("saw", at, saw(order_history, standing, names)),
        step(
            "decided",
            at,
            describe::submit(&order_history.submit, names),
        ),
        step(
            "checks",
            at,
            denied
                .unwrap_or(
                    match order_history.sent.is_empty() && order_history.updates.is_empty() {
                        true => "unknown: the run was interrupted before them",
                        false => "every check passed",
                    },
                )
                .to_owned(),
        ),
    ];
    let first_sent = order_history.sent.first().map(|(_, _, wall)| *wall);
    for (what, at, wall) in &order_history.sent {
        let after = wall.saturating_sub(first_sent.unwrap_or(*wall));
        let text = match what {
            SentKind::Submit => "the order was sent to the venue".to_owned(),
            SentKind::Modify => {
                format!("a change was sent, {} us of wall time later", after / 1_000)
            }
            SentKind::Cancel => {
                format!("a cancel was sent, {} us of wall time later", after / 1_000)
            }
        };
        steps.push(Step {
            wall_ns: Some(*wall),
            ..step("sent", *at, text)
        });
    }
    for later in &order_history.later {
        steps.push(step(
            "later",
            later.at,
            describe::applied_action(later, names),
        ));
    }
    for event in &order_history.updates {
        let what = match event.body() {
            Body::Fill(_) => "fill",
            _ => "answer",
        };
        steps.push(Step {
            event: Some(event.sequence),
            ..step(what, event.ts_host, describe::untimed_event(event, names))
        });
    }
    // The steps of the decision come first, the rest in time order.
    steps[4..].sort_by(|a, b| a.at.cmp(&b.at));
    steps
}

fn saw(order_history: &OrderHistory, standing: &Standing, names: &Names) -> String {
    let instrument = order_history.submit.instrument;
    // The event itself if it is a quote, or else the last quote before it.
    let of_cause = order_history.cause.map(|cause| cause.body());
    let quote = match of_cause {
        Some(Body::Quote(quote)) if quote.instrument == instrument => Some((quote.bid, quote.ask)),
        _ => {
            let mut all = standing.status.instruments.iter();
            let status = all.find(|status| status.instrument == instrument);
            status.and_then(|status| Some((status.bid?.0, status.ask?.0)))
        }
    };
    let quote = quote.map_or_else(
        || "no quote yet".to_owned(),
        |(bid, ask)| {
            let price = |price| names.price(instrument, price);
            format!("{} / {}", price(bid), price(ask))
        },
    );
    let Some(book) = standing.portfolio.book(order_history.order.strategy) else {
        return quote;
    };
    let size = |size| names.size(instrument, size);
    let (buys, sells) = book.exposure(instrument);
    format!(
        "{quote}; position {}; {} working orders, to buy {} and sell {}",
        size(book.position_size(instrument)),
        book.order_count(),
        size(buys),
        size(sells)
    )
}

fn text(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} ({} at the venue), decided by version {}, module {}\n",
        outcome.order,
        outcome.client_order_id,
        outcome.version,
        outcome.module.get(..12).unwrap_or(&outcome.module)
    );
    text += &match &outcome.state {
        None => "the strategy saves no state\n".to_owned(),
        Some(state) => format!(
            "state: {} bytes, {}{}; --state FILE writes it to a file\n",
            state.bytes,
            state.begins,
            if state.bytes > SHOWN { "..." } else { "" }
        ),
    };
    for step in &outcome.steps {
        let event = step
            .event
            .map_or_else(String::new, |event| format!("#{event}"));
        text += &format!("{:>8}  {}  {event:>9}  {}\n", step.step, step.at, step.text);
    }
    text
}
