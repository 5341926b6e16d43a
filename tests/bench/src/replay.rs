//! `replay`: a run on the captures is recorded in reels; then it is replayed from them at maximum speed, comparing every
//! decision, and resumed as after a crash, which replays and checks the venue too.

use crate::deck::{Deck, Market, NullObserver, StrategySpec};
use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Instant;
use tickdeck_engine::port::Version;
use tickdeck_engine::{Effect, EngineConfig, Tape, TapeError};
use tickdeck_journal::{Reader, ReelConfig, Sync};
use tickdeck_model::Event;
use tickdeck_recording::{ACTIONS, ActionsRecord, EVENTS, JournalRecorder, RecordedRun, decode};
use tickdeck_strategy::{ResourceLimits, Runtime, RuntimeConfig};

/// Events per second of a replay with one EMA cross.
const RATE: f64 = 5e6;
/// Seconds for a GiB of reels.
const RECOVERY: f64 = 2.0;

const GIB: f64 = (1u64 << 30) as f64;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let found = guests::modules()?
        .into_iter()
        .find(|(name, _)| name == "ema-cross");
    let (name, file) = found.context("ema-cross is missing")?;
    let spec = [StrategySpec::of(&host.load(
        &file,
        &name,
        &ResourceLimits::default(),
    )?)];
    let market = Market::Captures(&effort.captures);
    let folder = tempfile::tempdir()?;
    let run = RecordedRun {
        number: 1,
        folder: folder.path().join("kept"),
    };
    record(&market, &spec, &run)?;
    let bytes = size(&run.folder)?;
    let [replayed, live, kept, recovered] = interleave(
        effort.rounds,
        [
            &mut || replay(&market, &spec, &run),
            &mut || rate(&market, &spec, None),
            &mut || {
                let run = RecordedRun {
                    number: 2,
                    folder: folder.path().join("again"),
                };
                let rate = rate(&market, &spec, Some(&run));
                std::fs::remove_dir_all(&run.folder)?;
                rate
            },
            &mut || recover(&market, &spec, &run),
        ],
    )?;
    let claim = |bench, against, goal| Claim {
        bench,
        unit: "events/s",
        against,
        goal,
        more_is_better: true,
    };
    let per_gib = |seconds: &[f64]| seconds.iter().map(|s| s * GIB / bytes).collect::<Vec<_>>();
    let recovery = Claim {
        bench: "replay/recovery",
        unit: "s/GiB",
        against: "the live run on the same events",
        goal: Some(Goal::Value(RECOVERY)),
        more_is_better: false,
    };
    let events = events(&run)? as f64;
    let seconds: Vec<f64> = live.iter().map(|rate| events / rate).collect();
    Ok(vec![
        claim("replay/ema-cross", "the live run", Some(Goal::Value(RATE))).row(&replayed, &live),
        claim("replay/recording", "the live run, not kept", None).row(&kept, &live),
        recovery.row(&per_gib(&recovered), &per_gib(&seconds)),
    ])
}

/// Plays the market once and records the run.
fn record(market: &Market<'_>, specs: &[StrategySpec], run: &RecordedRun) -> Result<()> {
    rate(market, specs, Some(run)).map(drop)
}

/// Returns the events per second of a live run, recorded or not.
fn rate(market: &Market<'_>, specs: &[StrategySpec], run: Option<&RecordedRun>) -> Result<f64> {
    let mut deck = Deck::open(market, specs, EngineConfig::default())?;
    if let Some(run) = run {
        let config = ReelConfig {
            sync: Sync::default(),
            ..ReelConfig::default()
        };
        let (recorder, _) = JournalRecorder::open(run, &config, None)?;
        deck.engine.record(Box::new(recorder));
    }
    let report = deck.engine.run(&mut NullObserver)?;
    Ok(report.status.events as f64 / (report.elapsed_ns as f64 / 1e9))
}

/// Returns the events per second of a replay.
fn replay(market: &Market<'_>, specs: &[StrategySpec], run: &RecordedRun) -> Result<f64> {
    let deck = Deck::open(market, specs, EngineConfig::default())?;
    let mut tape = Reels::open(&run.folder)?;
    let replayed = deck.engine.replay(&mut tape, &mut NullObserver)?;
    ensure!(
        replayed.divergence.is_none() && replayed.compared > 0,
        "the replay is not the run: {:?}",
        replayed.divergence
    );
    let report = replayed.report;
    Ok(report.status.events as f64 / (report.elapsed_ns as f64 / 1e9))
}

/// Returns the seconds until a host has recovered to the end of the run.
fn recover(market: &Market<'_>, specs: &[StrategySpec], run: &RecordedRun) -> Result<f64> {
    let mut deck = Deck::open(market, specs, EngineConfig::default())?;
    let started = Instant::now();
    let mut tape = Reels::open(&run.folder)?;
    let resumed = deck.engine.resume(&mut tape, &mut NullObserver)?;
    ensure!(resumed.actions > 0, "nothing was recovered");
    Ok(started.elapsed().as_secs_f64())
}

fn size(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes as f64)
}

fn events(run: &RecordedRun) -> Result<u64> {
    let segments = tickdeck_journal::segments(&run.folder, EVENTS)?;
    Ok(segments.iter().map(|segment| segment.records).sum())
}

/// Both reels of a run in which no version changes.
struct Reels {
    events: Reader,
    actions: Reader,
}

impl Reels {
    fn open(folder: &Path) -> Result<Self> {
        Ok(Self {
            events: Reader::open(folder, EVENTS)?,
            actions: Reader::open(folder, ACTIONS)?,
        })
    }
}

fn words(error: impl std::fmt::Display) -> TapeError {
    TapeError(error.to_string())
}

impl Tape for Reels {
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError> {
        for _ in 0..most {
            match self.events.next().map_err(words)? {
                Some(record) => out.push(Event::from_bytes(record.payload).map_err(words)?),
                None => break,
            }
        }
        Ok(())
    }

    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError> {
        loop {
            let Some(record) = self.actions.next().map_err(words)? else {
                return Ok(None);
            };
            match decode(record.kind, record.payload).map_err(words)? {
                ActionsRecord::Effect(position, effect)
                | ActionsRecord::Sent(position, effect, _) => {
                    return Ok(Some((position, effect)));
                }
                ActionsRecord::Session
                | ActionsRecord::Mark(..)
                | ActionsRecord::Offered(..)
                | ActionsRecord::End => {}
            }
        }
    }

    fn version(&mut self, name: &str, _: &str) -> Result<Version, TapeError> {
        Err(TapeError(format!("{name} changed, which it does not here")))
    }
}
