//! One run of the deck, with or without an attacker.

use super::beat::{Beats, beating};
use crate::deck::{Deck, StrategySpec};
use crate::latency::metronome::{Metronome, ORDER_EVERY};
use crate::latency::setup::{WallTime, config, since};
use crate::row::quantile;
use anyhow::{Context, Result, ensure};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tickdeck_engine::{
    BudgetConfig, EngineConfig, Notice, Observer, Status, Stepping, StrategyState, Wait,
};
use tickdeck_model::Timestamp;
use tickdeck_strategy::Module;

/// Quotes a second, as many as events on the simulated exchange.
const QUOTES_PER_S: u64 = 5_000;
/// Length of a run.
const QUOTES: u64 = 4 * QUOTES_PER_S;
/// The quote from which on the attacker attacks.
pub(super) const ATTACK_FROM: u64 = QUOTES_PER_S / 2;
/// What the attack held up is made good within this time.
pub(super) const SETTLES_NS: i64 = 100_000_000;

/// Who takes part.
pub(super) struct Cast<'a> {
    pub(super) counter: &'a Module,
    pub(super) attacker: &'a Module,
    pub(super) stepping: Stepping,
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
}

impl Run {
    /// When the attack began.
    pub(super) fn attack_ns(&self) -> Timestamp {
        self.first + ATTACK_FROM as i64 * self.interval_ns
    }

    /// When the attack was held; one that the attacker does not end by is bounded from the beginning.
    pub(super) fn held(&self, ends: bool) -> Result<Timestamp> {
        match ends {
            true => self.ended.context("the attacker was not held"),
            false => Ok(self.attack_ns()),
        }
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
pub(super) fn play(cast: &Cast<'_>, attacked: bool) -> Result<Run> {
    let metronome = Metronome::new(QUOTES_PER_S, QUOTES);
    let (epoch, interval_ns) = (metronome.epoch, metronome.interval_ns);
    let (origin, latencies) = (
        Arc::clone(&metronome.origin),
        Arc::clone(&metronome.latencies),
    );
    let beats = Beats::default();
    let clock = Box::new(WallTime {
        epoch,
        started: false,
    });
    let specs = specs(cast, attacked, epoch, &beats);
    let deck = Deck::assemble(Box::new(metronome), clock, &specs, engine(cast.stepping))?;
    let mut ends = Ends { epoch, ended: None };
    let report = deck.engine.run(&mut ends)?;
    check(&report.status)?;
    let first = origin.load(Ordering::Acquire);
    let take = |list: &Mutex<Vec<_>>| {
        std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let latencies = std::mem::take(&mut *latencies.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(
        latencies.len() as u64 == QUOTES / ORDER_EVERY,
        "{} orders of {}",
        latencies.len(),
        QUOTES / ORDER_EVERY
    );
    Ok(Run {
        first,
        interval_ns,
        latencies,
        beats: take(&beats),
        ended: ends.ended,
    })
}

fn specs(cast: &Cast<'_>, attacked: bool, epoch: Instant, beats: &Beats) -> Vec<StrategySpec> {
    let every = ORDER_EVERY.to_string();
    let trading = StrategySpec::named("trading", cast.counter).with("order_every", &every);
    let beats = Arc::clone(beats);
    let wrapper = Arc::new(move |code| beating(code, epoch, &beats));
    let other = StrategySpec::named("other", cast.counter).wrapped_in(wrapper);
    let attacker = StrategySpec::named("attacker", cast.attacker);
    let mut specs = vec![trading, other];
    specs.extend(attacked.then_some(attacker));
    specs
}

fn engine(stepping: Stepping) -> EngineConfig {
    EngineConfig {
        stepping,
        budget: Some(BudgetConfig::default()),
        max_actions_per_s: EngineConfig::default().max_actions_per_s,
        ..config(Wait::SpinThenPark { spins: 2_000 })
    }
}

/// The honest strategies were given every event, and none of them ended.
fn check(status: &Status) -> Result<()> {
    for one in status
        .strategies
        .iter()
        .filter(|one| one.name != "attacker")
    {
        let (name, state, traps) = (&one.name, one.state, one.traps);
        ensure!(state == StrategyState::Stopped, "{name} is {state:?}");
        ensure!(traps == 0, "{name} trapped");
        ensure!(one.events >= QUOTES, "{name}: {} events", one.events);
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
