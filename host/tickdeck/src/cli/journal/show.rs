//! `tickdeck journal show`: prints an event of a run with its effects.

use crate::output::{json, print};
use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tickdeck_engine::Effect;
use tickdeck_model::Untrusted;
use tickdeck_model::{Action, ClientOrderId, Event, Registry};
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;
use tickdeck_recording::rows::{OrderInstruments, object};
use tickdeck_recording::{
    DataReels, EffectReader, EventReader, RecordedRun, RunItem, SeekTo, TimedEffect,
};

/// Print an event of a run, the actions decided and sent because of it, and the events around it.
///
/// A time selects the first event at or after it, by the host's clock.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck journal show --at 250000
  tickdeck journal show tape --at 2024-08-08T16:00:03.5 --around 10
  tickdeck journal show tape --run 2 --at 17 --json")]
pub(crate) struct Show {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// The event's sequence, or a time in UTC
    #[arg(long, value_name = "TIME|SEQUENCE")]
    at: SeekTo,
    /// Number of the run [default: the last]
    #[arg(long, value_name = "N")]
    run: Option<u32>,
    /// Number of events to show before and after
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    around: u64,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// The JSON output: rows as in an export, each with the name of its table.
#[derive(Debug, Serialize)]
struct ShownPlace {
    run: u32,
    event: Box<RawValue>,
    decided: Vec<Box<RawValue>>,
    before: Vec<Box<RawValue>>,
    after: Vec<Box<RawValue>>,
}

/// The event with its effects and its neighbors.
struct Shown {
    before: Vec<Event>,
    event: Event,
    after: Vec<Event>,
    decided: Vec<TimedEffect>,
    about: OrderInstruments,
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode> {
        let run = DataReels::in_folder(&self.folder).run(self.run)?;
        let shown = self.find(&run)?;
        let registry = run.names()?;
        print(&if self.json {
            shown.json(run.number, &registry)? + "\n"
        } else {
            shown.text(run.number, &Names::new(Arc::new(registry), None))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn find(&self, run: &RecordedRun) -> Result<Shown> {
        let (count, at) = (run.events()?, run.find(self.at)?);
        ensure!(
            at < count,
            "run {} has {count} events and none at that place: `tickdeck journal ls {}` shows its times",
            run.number,
            Untrusted::path(&self.folder)
        );
        let first = at.saturating_sub(self.around);
        let mut events = EventReader::open(run, first)?;
        let mut around = Vec::new();
        while events.position() <= at + self.around
            && let Some(event) = events.next()?
        {
            around.push(event);
        }
        // A reel is untrusted: its end may claim more records than there are.
        let place = (at - first) as usize;
        ensure!(
            place < around.len(),
            "run {} says that it has {count} events, but they end before {at}",
            run.number
        );
        let after = around.split_off(place + 1);
        let event = around.remove(place);
        let (decided, about) = decided(run, at)?;
        Ok(Shown {
            before: around,
            event,
            after,
            decided,
            about,
        })
    }
}

/// Collects the effects of an event: actions decided because of it, effects applied right after it, and what was sent
/// for those actions.
fn decided(run: &RecordedRun, sequence: u64) -> Result<(Vec<TimedEffect>, OrderInstruments)> {
    let mut effects = EffectReader::open(run)?;
    let (mut found, mut orders) = (Vec::new(), Vec::new());
    let mut about = OrderInstruments::default();
    while let Some(kept) = effects.next()? {
        about.add(&kept.effect);
        let because = match &kept.effect {
            Effect::Applied(acted) => {
                let because = acted.cause == sequence;
                let order = match acted.action {
                    Action::Submit(submit) => Some(submit.order),
                    Action::Modify(modify) => Some(modify.order),
                    Action::Cancel(order) => Some(order),
                    _ => None,
                };
                if let Some(number) = order {
                    let strategy = acted.strategy;
                    let order = ClientOrderId { strategy, number };
                    // Once another decision concerns the order, whatever is sent for it belongs to that one.
                    orders.retain(|known| *known != order);
                    orders.extend(because.then_some(order));
                }
                because
            }
            Effect::Sent { order, .. } => orders.contains(order),
            Effect::Saved { .. } => false,
            _ => kept.position == sequence + 1,
        };
        if because {
            found.push(kept);
        }
    }
    Ok((found, about))
}

impl Shown {
    fn text(&self, run: u32, names: &Names) -> String {
        let line = |event: &Event| {
            format!(
                "{:>12}  {}\n",
                event.sequence,
                describe::event(event, names)
            )
        };
        let mut text = format!("run {run}\n");
        self.before.iter().for_each(|event| text += &line(event));
        text += &format!(">{}", &line(&self.event)[1..]);
        for kept in &self.decided {
            if let Some(effect) = describe::effect(&kept.effect, names) {
                text += &format!("{:>12}  => {effect}\n", "");
            }
        }
        self.after.iter().for_each(|event| text += &line(event));
        text
    }

    fn json(mut self, run: u32, registry: &Registry) -> Result<String> {
        let about = &mut self.about;
        let mut raw = |happened: RunItem| -> Result<Box<RawValue>> {
            Ok(RawValue::from_string(object(&happened, registry, about)?)?)
        };
        let event = raw(RunItem::Event(self.event))?;
        let mut all =
            |them: Vec<RunItem>| them.into_iter().map(&mut raw).collect::<Result<Vec<_>>>();
        let events = |events: Vec<Event>| events.into_iter().map(RunItem::Event).collect();
        let wire = ShownPlace {
            run,
            event,
            decided: all(self.decided.into_iter().map(RunItem::Effect).collect())?,
            before: all(events(self.before))?,
            after: all(events(self.after))?,
        };
        json(&wire)
    }
}
