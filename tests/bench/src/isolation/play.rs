//! One run of the deck, with or without an attacker.

use super::beat::{Beats, beating};
use super::folder::Files;
use crate::deck::{Deck, StrategySpec};
use crate::latency::metronome::{Metronome, ORDER_EVERY};
use crate::latency::setup::{WallTime, config, since};
use crate::row::quantile;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_engine::{
    BudgetConfig, EngineConfig, EngineHandle, Notice, Observer, OperatorCommand, Status, Stepping,
    StrategyState,
};
use tickdeck_model::Timestamp;
use tickdeck_strategy::Module;

/// Quotes a second, as many as events on the simulated exchange.
const QUOTES_PER_S: u64 = 5_000;
/// Length of a run.
const QUOTES: u64 = 3 * QUOTES_PER_S;
/// Length of a run that is killed.
const QUOTES_KILLED: u64 = QUOTES_PER_S * 3 / 4;
/// The quote from which on the attacker attacks.
pub(super) const ATTACK_FROM: u64 = QUOTES_PER_S / 2;
/// What the attack held up is made good within this time.
pub(super) const SETTLES_NS: i64 = 100_000_000;

/// A kill that is not acknowledged by then never is.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all runs share.
pub(super) struct Cast<'a> {
    pub(super) counter: &'a Module,
    pub(super) stepping: Stepping,
}

/// What one run is about.
pub(super) struct Play<'a> {
    /// The strategy that attacks, if one does.
    pub(super) attacker: Option<&'a Module>,
    /// What is dropped when the attack begins.
    pub(super) files: &'a Files,
    /// How long after the beginning of the attack an operator kills, if one does.
    pub(super) killed: Option<i64>,
}

impl<'a> Play<'a> {
    pub(super) fn calm(files: &'a Files) -> Self {
        Self {
            attacker: None,
            files,
            killed: None,
        }
    }

    fn quotes(&self) -> u64 {
        match self.killed {
            Some(_) => QUOTES_KILLED,
            None => QUOTES,
        }
    }
}

/// What a run came to. All times are since its epoch.
pub(super) struct Run {
    /// When the first quote was due, and the time between two.
    first: Timestamp,
    interval_ns: i64,
    /// From when the quote of each order was due to when the order was in the gateway's queue.
    latencies: Vec<u64>,
    /// The ends of another strategy's calls.
    beats: Vec<Timestamp>,
    ended: Option<Timestamp>,
    killed_ms: Option<f64>,
}

impl Run {
    /// When the attack began.
    pub(super) fn attack_ns(&self) -> Timestamp {
        self.first + ATTACK_FROM as i64 * self.interval_ns
    }

    /// When the attack was held, if the attacker had to end for that.
    pub(super) fn held(&self) -> Option<Timestamp> {
        self.ended
    }

    /// How long the kill took until it held, in milliseconds.
    pub(super) fn kill_ms(&self) -> Result<f64> {
        self.killed_ms.context("nobody killed")
    }

    /// The longest time between two calls of another strategy, in milliseconds.
    pub(super) fn longest_gap_ms(&self, from: Timestamp, to: Timestamp) -> f64 {
        let within = self
            .beats
            .windows(2)
            .filter(|two| two[1] >= from && two[0] <= to);
        let longest = within.map(|two| two[1] - two[0]).max();
        longest.unwrap_or_default() as f64 / 1e6
    }

    /// The latency that one in a hundred orders exceeds, of those whose quote is due from a time on.
    pub(super) fn p99_ns(&self, from: Timestamp) -> f64 {
        let due = |order: usize| {
            self.first + ((order as u64 + 1) * ORDER_EVERY) as i64 * self.interval_ns
        };
        let later = self.latencies.iter().enumerate();
        let later = later.filter(|(order, _)| due(*order) >= from);
        let samples: Vec<f64> = later.map(|(_, ns)| *ns as f64).collect();
        quantile(&samples, 0.99)
    }
}

/// Plays a deck of two honest strategies, and the attacker if it takes part.
pub(super) fn play(cast: &Cast<'_>, play: Play<'_>) -> Result<Run> {
    let quotes = play.quotes();
    let metronome = Metronome::new(QUOTES_PER_S, quotes);
    let (epoch, interval_ns) = (metronome.epoch, metronome.interval_ns);
    let origin = Arc::clone(&metronome.origin);
    let latencies = Arc::clone(&metronome.latencies);
    let last_order = Arc::clone(&metronome.last_order);
    let beats = Beats::default();
    let clock = Box::new(WallTime {
        epoch,
        sleeps: true,
    });
    let specs = specs(cast, play.attacker, epoch, &beats);
    let deck = Deck::assemble(Box::new(metronome), clock, &specs, engine(cast.stepping))?;
    let mut ends = Ends { epoch, ended: None };
    let outside = Outside {
        epoch,
        attack_after: ATTACK_FROM as i64 * interval_ns,
        origin: Arc::clone(&origin),
        controls: deck.engine.controls(),
    };
    let (report, kill) = std::thread::scope(|scope| -> Result<_> {
        let acting = scope.spawn(|| outside.act(&play));
        let report = deck.engine.run(&mut ends)?;
        let kill = acting.join();
        Ok((report, kill.map_err(|_| anyhow!("the attack panicked"))??))
    })?;
    check(&report.status, quotes)?;
    let take = |list: &Mutex<Vec<_>>| {
        std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let latencies = std::mem::take(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner));
    let (orders, expected) = (latencies.len() as u64, quotes / ORDER_EVERY);
    match &kill {
        None => ensure!(orders == expected, "{orders} orders of {expected}"),
        Some(kill) => ensure!(
            orders < expected && last_order.load(Ordering::Acquire) <= kill.held,
            "an order left after the kill was acknowledged"
        ),
    }
    Ok(Run {
        first: origin.load(Ordering::Acquire),
        interval_ns,
        latencies,
        beats: take(&beats),
        ended: ends.ended,
        killed_ms: kill.map(|kill| (kill.held - kill.asked) as f64 / 1e6),
    })
}

/// Who acts from outside: drops files, and kills.
struct Outside {
    epoch: Instant,
    /// From the first quote to the attack.
    attack_after: i64,
    /// When the first quote is due; 0 until that is known.
    origin: Arc<AtomicI64>,
    controls: EngineHandle,
}

/// When a kill was asked for, and when it was acknowledged.
struct Kill {
    asked: Timestamp,
    held: Timestamp,
}

impl Outside {
    fn act(&self, play: &Play<'_>) -> Result<Option<Kill>> {
        let first = loop {
            match self.origin.load(Ordering::Acquire) {
                0 if self.epoch.elapsed() > PATIENCE => bail!("the venue never began to quote"),
                0 => std::thread::sleep(Duration::from_millis(1)),
                first => break first,
            }
        };
        let attack = first + self.attack_after;
        self.sleep_until(attack);
        play.files.drop_all()?;
        let Some(after) = play.killed else {
            return Ok(None);
        };
        self.sleep_until(attack + after);
        let asked = since(self.epoch);
        let held = self.controls.command(OperatorCommand::Kill);
        let held = held.recv_timeout(PATIENCE);
        held.context("the kill was not acknowledged")?;
        let held = since(self.epoch);
        Ok(Some(Kill { asked, held }))
    }

    fn sleep_until(&self, time: Timestamp) {
        let left = (time - since(self.epoch)).max(0);
        std::thread::sleep(Duration::from_nanos(left.unsigned_abs()));
    }
}

fn specs(
    cast: &Cast<'_>,
    attacker: Option<&Module>,
    epoch: Instant,
    beats: &Beats,
) -> Vec<StrategySpec> {
    let every = ORDER_EVERY.to_string();
    let trading = StrategySpec::named("trading", cast.counter).with("order_every", &every);
    let beats = Arc::clone(beats);
    let wrapper = Arc::new(move |code| beating(code, epoch, &beats));
    let other = StrategySpec::named("other", cast.counter).wrapped_in(wrapper);
    let mut specs = vec![trading, other];
    specs.extend(attacker.map(|module| StrategySpec::named("attacker", module)));
    specs
}

fn engine(stepping: Stepping) -> EngineConfig {
    EngineConfig {
        stepping,
        budget: Some(BudgetConfig::default()),
        max_actions_per_s: EngineConfig::default().max_actions_per_s,
        ..config(EngineConfig::default().wait)
    }
}

/// The honest strategies were given every event, and none of them ended.
fn check(status: &Status, quotes: u64) -> Result<()> {
    for one in status
        .strategies
        .iter()
        .filter(|one| one.name != "attacker")
    {
        let (name, state, traps) = (&one.name, one.state, one.traps);
        ensure!(state == StrategyState::Stopped, "{name} is {state:?}");
        ensure!(traps == 0, "{name} trapped");
        ensure!(one.events >= quotes, "{name}: {} events", one.events);
    }
    Ok(())
}

/// Notes when a strategy ended.
struct Ends {
    epoch: Instant,
    ended: Option<Timestamp>,
}

impl Observer for Ends {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        if matches!(notice, Notice::Ended { .. }) {
            self.ended.get_or_insert(since(self.epoch));
        }
    }

    fn status(&mut self, _: &Status) {}
}
