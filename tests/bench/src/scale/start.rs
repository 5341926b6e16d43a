//! From files to a thousand strategies that can be offered events.
//!
//! *Cold* has an empty cache of compiled code, *warm* one that a start before has filled. `same` is what a deck has that
//! runs one module under a thousand names; `distinct` is a thousand files of which no two have the same content, and so
//! a thousand compilations.

use super::counts::{FEW, MANY};
use super::dealer::{Dealer, INSTRUMENTS, PER_MS_BUSY, ticker};
use crate::clock::FlatOut;
use crate::deck::{Deck, StrategySpec};
use crate::guests;
use crate::row::{Claim, Goal, Row};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Instant;
use tickdeck_engine::EngineConfig;
use tickdeck_strategy::{CacheConfig, ResourceLimits, Runtime, RuntimeConfig};

const COLD_S: f64 = 30.0;
const WARM_S: f64 = 5.0;

/// `distinct` takes minutes and is left out unless it is asked for.
pub(super) fn run(file: &Path, distinct: bool) -> Result<Vec<Row>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let same = ["scale/1000/start-cold/same", "scale/1000/start-warm/same"];
    let mut rows = cold_and_warm(same, &bytes, false)?;
    if distinct {
        let distinct = [
            "scale/1000/start-cold/distinct",
            "scale/1000/start-warm/distinct",
        ];
        rows.extend(cold_and_warm(distinct, &bytes, true)?);
    }
    Ok(rows)
}

fn cold_and_warm(benches: [&'static str; 2], bytes: &[u8], distinct: bool) -> Result<Vec<Row>> {
    let (many, few) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let row = |(bench, goal)| {
        let baseline = start(bytes, FEW, distinct, few.path())?;
        let value = start(bytes, MANY, distinct, many.path())?;
        let claim = Claim {
            bench,
            unit: "s",
            against: "10 strategies",
            goal: Some(Goal::Value(goal)),
            more_is_better: false,
        };
        Ok(claim.row(&[value], &[baseline]))
    };
    benches.into_iter().zip([COLD_S, WARM_S]).map(row).collect()
}

/// Seconds from the files' bytes to an engine with `count` starts.
fn start(bytes: &[u8], count: usize, distinct: bool, cache: &Path) -> Result<f64> {
    let files: Vec<Vec<u8>> = (0..count)
        .map(|at| guests::variant(bytes, if distinct { at as u64 } else { 0 }))
        .collect();
    let started = Instant::now();
    let host = Runtime::new(RuntimeConfig {
        cache: Some(CacheConfig {
            folder: cache.join("cache"),
            key: cache.join("key"),
        }),
        ..RuntimeConfig::default()
    })?;
    let mut specs = Vec::new();
    for (at, bytes) in files.iter().enumerate() {
        let name = format!("ema-{at}");
        let module = host.load_bytes(bytes, &name, &name, &ResourceLimits::default())?;
        specs.push(
            StrategySpec::named(&name, &module).with("instrument", &ticker(at % INSTRUMENTS)),
        );
    }
    let clock = Box::new(FlatOut(started));
    let dealer = Box::new(Dealer::new(0, PER_MS_BUSY));
    let deck = Deck::assemble(dealer, clock, &specs, EngineConfig::default())?;
    let elapsed = started.elapsed();
    anyhow::ensure!(deck.strategies.len() == count, "every strategy is seated");
    Ok(elapsed.as_secs_f64())
}
