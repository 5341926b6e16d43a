//! `tickdeck explain`: why an order was sent, and what became of it.

use super::replay::on_large_stack;
use crate::clock::Stop;
use crate::config::nearest;
use crate::names::Names;
use crate::output::print;
use crate::reel::{Reels, Replaying, Run, Story, replaying, senders, story};
use crate::tale;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::{Notice, Observer, SentKind, Status};
use tickdeck_model::{Body, ClientOrderId, OrderNumber, OrderStatus, Registry, Timestamp};

/// Tell why an order was sent and what became of it: the event that caused it, what the strategy saw, what it decided, what
/// the checks said, when it left, and what the venue answered.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck explain ema-cross/7
  tickdeck explain pairs/12 --data tape --json")]
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
    /// The hash of the module that decided it.
    module: String,
    steps: Vec<Step>,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reels = Reels::in_folder(&self.data);
        let run = reels.run(self.run)?;
        let (name, number) = &self.order;
        let story = match story(&run, name, *number) {
            Ok(story) => story,
            Err(error) => return Err(known(&run, name, error)),
        };
        let (denied, names) = checks(&reels, &run, &story)?;
        let outcome = Outcome {
            run: run.number,
            order: format!("{name}/{number}"),
            client_order_id: story.order.to_string(),
            module: story.saw.module.clone(),
            steps: steps(&story, denied.as_deref(), &names),
        };
        if self.json {
            print(&(serde_json::to_string(&outcome)? + "\n"))?;
        } else {
            print(&words(&outcome))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn order(text: &str) -> Result<(String, OrderNumber), String> {
    let wrong = || "it must be a strategy's name, / and the order's number: ema-cross/7".to_owned();
    let (name, number) = text.rsplit_once('/').ok_or_else(wrong)?;
    Ok((name.to_owned(), number.parse().map_err(|_| wrong())?))
}

/// An order that is not there is most often one of a strategy that is not.
fn known(run: &Run, name: &str, error: anyhow::Error) -> anyhow::Error {
    let session = match crate::reel::Session::read(&run.folder) {
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

/// What the checks said when the order was denied, with figures: the run is done again up to there.
fn checks(reels: &Reels, run: &Run, story: &Story) -> Result<(Option<String>, Names)> {
    let last = story.became.first().map(|event| event.sequence + 1);
    let stop = Stop::default();
    let Replaying {
        engine,
        mut tape,
        names,
        ..
    } = replaying(reels, run, last, &stop)?;
    if !is_denied(story) {
        return Ok((None, names));
    }
    let heard = Heard::default();
    let (mut observer, order) = (Listening(heard.clone(), story.order), story.order);
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
    let values =
        values.with_context(|| format!("nothing denied {order} when it was done again"))?;
    Ok((Some(values), names))
}

fn is_denied(story: &Story) -> bool {
    story.became.iter().any(
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

fn steps(story: &Story, denied: Option<&str>, names: &Names) -> Vec<Step> {
    let step = |step, at, words| Step {
        step,
        at: tale::moment(at),
        event: None,
        wall_ns: None,
        words,
    };
    let at = story.decided.at;
    let mut steps = vec![
        Step {
            event: Some(story.cause.sequence),
            ..step(
                "cause",
                story.cause.ts_host,
                tale::happening(&story.cause, names),
            )
        },
        step("saw", at, saw(story, names)),
        step("decided", at, tale::submit(&story.submit, names)),
        step(
            "checks",
            at,
            denied.map_or_else(|| "every check passed".to_owned(), str::to_owned),
        ),
    ];
    let first_sent = story.sent.first().map(|(_, _, wall)| *wall);
    for (what, at, wall) in &story.sent {
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
    for later in &story.later {
        steps.push(step("later", later.at, tale::acted(later, names)));
    }
    for event in &story.became {
        let what = match event.body() {
            Body::Fill(_) => "fill",
            _ => "answer",
        };
        steps.push(Step {
            event: Some(event.sequence),
            ..step(what, event.ts_host, tale::happening(event, names))
        });
    }
    // The chain of the decision first; the rest as it happened.
    steps[4..].sort_by(|a, b| a.at.cmp(&b.at));
    steps
}

fn saw(story: &Story, names: &Names) -> String {
    let (saw, instrument) = (&story.saw, story.submit.instrument);
    let quote = saw.quote.map_or_else(
        || "no quote yet".to_owned(),
        |quote| {
            format!(
                "{} / {}",
                names.price(instrument, quote.bid),
                names.price(instrument, quote.ask)
            )
        },
    );
    let state = saw.state.as_ref().map_or_else(String::new, |(at, bytes)| {
        format!(
            "; its last state on the reel: {} bytes as of event {at}",
            bytes.len()
        )
    });
    format!(
        "{quote}; position {}; {} orders working, which would buy {} and sell {}{state}",
        names.size(instrument, saw.position),
        saw.orders,
        names.size(instrument, saw.working.0),
        names.size(instrument, saw.working.1)
    )
}

fn words(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} ({} at the venue), decided by module {}\n",
        outcome.order,
        outcome.client_order_id,
        outcome.module.get(..12).unwrap_or(&outcome.module)
    );
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
