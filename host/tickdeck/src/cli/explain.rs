//! `tickdeck explain`: why an order was sent, and what became of it.

use super::replay::on_large_stack;
use crate::output::print;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_deck::replay::{PreparedReplay, replaying};
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::State;
use tickdeck_engine::{Notice, NullObserver, Observer, SentKind, Standing, Status};
use tickdeck_model::{Body, ClientOrderId, OrderNumber, OrderStatus, Registry, Timestamp};
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;
use tickdeck_recording::{DataReels, OrderHistory, RecordedRun, order_history, senders};
use tickdeck_settings::config::nearest;

/// Tell why an order was sent and what became of it: the event that caused it, what the strategy saw, what it decided, what
/// the checks said, when it left, and what the venue answered.
///
/// The run is done again up to there, so the strategy's state is the very one with which it met the event.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck explain ema-cross/7
  tickdeck explain pairs/12 --data tape --json
  tickdeck explain pairs/12 --state pairs.state")]
pub(super) struct Explain {
    /// The order: strategy, /, and its number
    #[arg(value_name = "STRATEGY/NUMBER", value_parser = order)]
    order: (String, OrderNumber),
    /// The data folder, or the deck's
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// Which run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Write the state with which the strategy met the event to a file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Print one JSON object, and nothing else
    #[arg(long)]
    json: bool,
}

/// A step of an order's life.
#[derive(Debug, Serialize)]
struct Step {
    /// `cause`, `saw`, `decided`, `checks`, `sent`, `answer`, `fill` or `later`.
    step: &'static str,
    /// In event time.
    at: String,
    /// The event's sequence, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u64>,
    /// Wall time, nanoseconds since 1970, of what left.
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ns: Option<i64>,
    words: String,
}

#[derive(Debug, Serialize)]
struct Outcome {
    run: u32,
    order: String,
    /// As the venue knows it.
    client_order_id: String,
    /// The version that decided it.
    version: String,
    /// The hash of its module.
    module: String,
    /// The state with which it met the event, if it saves.
    state: Option<Stated>,
    steps: Vec<Step>,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = DataReels::in_folder(&self.data);
        let run = reels.run(self.run)?;
        let (name, number) = &self.order;
        let order_history = match order_history(&run, name, *number) {
            Ok(order_history) => order_history,
            Err(error) => return Err(known(&run, name, error)),
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
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        let outcome = Outcome {
            run: run.number,
            order: format!("{name}/{number}"),
            client_order_id: order_history.order.to_string(),
            version: ran.map(|ran| ran.version.clone()).unwrap_or_default(),
            module: ran.map(|ran| ran.hash.clone()).unwrap_or_default(),
            state: state.map(|(_, state)| Stated::of(state, order_history.handled)),
            steps: steps((&order_history, &standing), denied.as_deref(), &names),
        };
        if self.json {
            print(&(serde_json::to_string(&outcome)? + "\n"))?;
        } else {
            print(&words(&outcome))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A strategy's state.
#[derive(Debug, Serialize)]
struct Stated {
    /// The event that it had not handled yet.
    before_event: u64,
    schema: u32,
    bytes: usize,
    /// Its beginning, in hexadecimal digits.
    begins: String,
}

/// Bytes of a state that are shown.
const SHOWN: usize = 32;

impl Stated {
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

/// An order that is not there is most often one of a strategy that is not.
fn known(run: &RecordedRun, name: &str, error: anyhow::Error) -> anyhow::Error {
    let session = match tickdeck_recording::RunManifest::read(&run.folder) {
        Ok(session) => session,
        Err(other) => return other,
    };
    let Ok(registry) = Registry::from_text(&session.names) else {
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

/// Where the strategies stood when the order was decided.
fn standing(
    reels: &DataReels,
    run: &RecordedRun,
    order_history: &OrderHistory,
) -> Result<(Standing, Names)> {
    let again = replaying(
        reels,
        run,
        Some(order_history.handled),
        &CancelToken::default(),
    )?;
    let (engine, mut tape) = (again.engine, again.tape);
    let stood = on_large_stack(move || engine.state_at(&mut tape, &mut NullObserver));
    let mut standing = stood.with_context(|| {
        format!(
            "run {} can't be done again up to event {}",
            run.number, order_history.handled
        )
    })?;
    if let Some(cause) = &order_history.cause {
        // A strategy meets an event with a book that has it in already. One that is impossible was told when it happened.
        let _ = standing.portfolio.apply(cause);
    }
    Ok((standing, again.names))
}

/// What the checks said when the order was denied, with figures: the run is done again up to there.
fn denial(reels: &DataReels, run: &RecordedRun, order_history: &OrderHistory) -> Result<String> {
    let last = order_history
        .updates
        .first()
        .map(|event| event.sequence + 1);
    let PreparedReplay {
        engine, mut tape, ..
    } = replaying(reels, run, last, &CancelToken::default())?;
    let heard = Heard::default();
    let (mut observer, order) = (
        Listening(heard.clone(), order_history.order),
        order_history.order,
    );
    let replayed = on_large_stack(move || engine.replay(&mut tape, &mut observer))?;
    if replayed.divergence.is_some() {
        bail!(
            "run {} does not come out as recorded: `tickdeck replay` says where",
            run.number
        );
    }
    let values = heard
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    values.with_context(|| format!("nothing denied {order} when it was done again"))
}

fn is_denied(order_history: &OrderHistory) -> bool {
    order_history.updates.iter().any(
        |event| matches!(event.body(), Body::Order(update) if update.status == OrderStatus::Denied),
    )
}

/// The figures of a refusal.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Option<String>>>);

struct Listening(Heard, ClientOrderId);

impl Observer for Listening {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        if let Notice::Denied {
            order,
            reason,
            values,
        } = notice
            && order == self.1
        {
            let words = format!("denied: {}, {values}", reason.code());
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        }
    }

    fn status(&mut self, _: &Status) {}
}

fn steps(
    (order_history, standing): (&OrderHistory, &Standing),
    denied: Option<&str>,
    names: &Names,
) -> Vec<Step> {
    let step = |step, at, words| Step {
        step,
        at: describe::moment(at),
        event: None,
        wall_ns: None,
        words,
    };
    let at = order_history.decided.at;
    let cause = match &order_history.cause {
        Some(cause) => describe::untimed_event(cause, names),
        None => "no single event: a version that took over handled what the one before had, and what it decides on that \
                 comes too late to be sent"
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
                        true => "not known: the run was cut off before them",
                        false => "every check passed",
                    },
                )
                .to_owned(),
        ),
    ];
    let first_sent = order_history.sent.first().map(|(_, _, wall)| *wall);
    for (what, at, wall) in &order_history.sent {
        let after = wall.saturating_sub(first_sent.unwrap_or(*wall));
        let words = match what {
            SentKind::Submit => "the order left for the venue".to_owned(),
            SentKind::Modify => format!("a change left, {} us later by the wall", after / 1_000),
            SentKind::Cancel => format!("a cancel left, {} us later by the wall", after / 1_000),
        };
        steps.push(Step {
            wall_ns: Some(*wall),
            ..step("sent", *at, words)
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
    // The chain of the decision first; the rest as it happened.
    steps[4..].sort_by(|a, b| a.at.cmp(&b.at));
    steps
}

fn saw(order_history: &OrderHistory, standing: &Standing, names: &Names) -> String {
    let instrument = order_history.submit.instrument;
    // The last quote before, or the very event.
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
        "{quote}; position {}; {} orders working, which would buy {} and sell {}",
        size(book.position_size(instrument)),
        book.order_count(),
        size(buys),
        size(sells)
    )
}

fn words(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} ({} at the venue), decided by version {}, module {}\n",
        outcome.order,
        outcome.client_order_id,
        outcome.version,
        outcome.module.get(..12).unwrap_or(&outcome.module)
    );
    text += &match &outcome.state {
        None => "it saves no state\n".to_owned(),
        Some(state) => format!(
            "its state then: {} bytes, {}{}; --state FILE writes it\n",
            state.bytes,
            state.begins,
            if state.bytes > SHOWN { "..." } else { "" }
        ),
    };
    for step in &outcome.steps {
        let event = step
            .event
            .map_or_else(String::new, |event| format!("#{event}"));
        text += &format!(
            "{:>8}  {}  {event:>9}  {}\n",
            step.step, step.at, step.words
        );
    }
    text
}
