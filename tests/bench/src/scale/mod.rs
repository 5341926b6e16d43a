//! `scale`: a thousand strategies on one host, each on one of fifty instruments, against ten.
//!
//! Every strategy is an EMA cross of its own name, on the instruments in turn. The market deals trades at one price, so
//! that every average is worked out and none ever crosses. An event costs the engine something even if nobody wants it,
//! which ten strategies on ten of fifty instruments would seem to make dear; so what counts is the time beyond that of
//! the same engine without strategies.

mod counts;
mod dealer;
mod start;

use crate::clock::FlatOut;
use crate::deck::{Deck, NullObserver, StrategySpec};
use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Context, Result, ensure};
use counts::{FEW, MANY};
use dealer::{Dealer, INSTRUMENTS, PER_MS_BUSY, PER_MS_WILD, ticker};
use std::time::Instant;
use tickdeck_engine::EngineConfig;
use tickdeck_strategy::{Module, ResourceLimits, Runtime, RuntimeConfig};

/// The maximum ratio of a run's trades for each of the few to those for each of the many, since the few take a fraction of
/// the time.
const MORE_FOR_FEW: usize = 20;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let file = guests::module("ema-cross")?;
    let module = host.load(&file, "ema-cross", &ResourceLimits::default())?;
    let mut rows = vec![memory(&module, effort.events)?];
    rows.push(row(
        "scale/1000/ns-per-delivered-event",
        &module,
        effort,
        PER_MS_BUSY,
    )?);
    rows.push(row(
        "scale/1000/ns-per-delivered-event/wild",
        &module,
        effort,
        PER_MS_WILD,
    )?);
    rows.extend(start::run(&file, effort.full)?);
    Ok(rows)
}

/// Time per delivered event beyond the engine's own, many against few, at so many trades in a millisecond.
fn row(bench: &'static str, module: &Module, effort: &Effort, per_ms: usize) -> Result<Row> {
    let (many, few) = (specs(module, MANY), specs(module, FEW));
    let events = effort.events;
    let beyond = |specs: &[StrategySpec], events| -> Result<f64> {
        let (alone_ns, _) = play(&[], events, per_ms)?;
        let (ns, delivered) = play(specs, events, per_ms)?;
        Ok((ns - alone_ns) / delivered)
    };
    let [of_many, of_few] = interleave(
        effort.rounds.min(7),
        [&mut || beyond(&many, events), &mut || {
            beyond(&few, events * MORE_FOR_FEW)
        }],
    )?;
    let claim = Claim {
        bench,
        unit: "ns/event",
        against: "10 strategies on the same host; both beyond the engine without strategies",
        goal: Some(Goal::Ratio(1.3)),
        more_is_better: false,
    };
    Ok(claim.row(&of_many, &of_few))
}

/// Returns the duration of a run and the number of events that it delivers to strategies.
fn play(specs: &[StrategySpec], events: usize, per_ms: usize) -> Result<(f64, f64)> {
    let clock = Box::new(FlatOut(Instant::now()));
    let dealer = Box::new(Dealer::new(events as u64, per_ms));
    let deck = Deck::assemble(dealer, clock, specs, EngineConfig::default())?;
    let report = deck.engine.run(&mut NullObserver)?;
    let delivered: u64 = report.status.strategies.iter().map(|own| own.events).sum();
    // Every strategy has one instrument; in every round each instrument is dealt once.
    let expected = specs.len() as u64 * (events / INSTRUMENTS) as u64;
    ensure!(
        delivered.abs_diff(expected) <= specs.len() as u64 + 1,
        "{delivered} events were delivered, not about {expected}"
    );
    Ok((report.elapsed_ns as f64, delivered as f64))
}

/// Strategies of this module, on the instruments in turn.
fn specs(module: &Module, count: usize) -> Vec<StrategySpec> {
    let spec = |at: usize| {
        let name = format!("ema-{at}");
        StrategySpec::named(&name, module).with("instrument", &ticker(at % INSTRUMENTS))
    };
    (0..count).map(spec).collect()
}

/// Memory that one strategy more needs, once it has handled events for a while.
fn memory(module: &Module, events: usize) -> Result<Row> {
    let after = |count| -> Result<f64> {
        // Looked at while the strategies are still there: with the last event but one.
        let clock = Box::new(FlatOut(Instant::now()));
        let dealer = Dealer::new(events as u64, PER_MS_BUSY).looking();
        let seen = dealer.seen();
        let specs = specs(module, count);
        let deck = Deck::assemble(Box::new(dealer), clock, &specs, EngineConfig::default())?;
        deck.engine.run(&mut NullObserver)?;
        seen.get().copied().context("the dealer dealt to the end")
    };
    // A run beforehand, so that what a process allocates once is there.
    after(FEW)?;
    let few = after(FEW)?;
    let many = after(MANY)?;
    let claim = Claim {
        bench: "scale/1000/memory-per-strategy",
        unit: "KiB",
        against: "the whole process with 10 strategies, shared among them",
        goal: None,
        more_is_better: false,
    };
    let each = (many - few) / (MANY - FEW) as f64;
    Ok(claim.row(&[each], &[few / FEW as f64]))
}
