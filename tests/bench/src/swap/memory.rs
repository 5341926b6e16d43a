//! Checks that swapped-out versions are freed: resident memory within one run.
//!
//! An engine grows for a while after its start even without swaps: the ring's pages are touched for the first time, and
//! histories fill up to their bounds. So the first swap comes once the memory of the run has stopped growing.

use super::modules::Modules;
use super::operator::Operator;
use crate::deck::{Deck, Market, NullObserver};
use crate::effort::Effort;
use crate::row::{Claim, Goal, Row};
use crate::watch::Watch;
use anyhow::{Context, Result, anyhow};
use std::time::Duration;
use tickdeck_engine::EngineConfig;

/// Swaps after which everything that is made once has been made.
const FIRST: usize = 50;

const PAGE_KIB: f64 = 4.0;

/// A run that grows by less than this in [`STILL`] has stopped growing.
const GROWTH_MIB: f64 = 0.1;
const STILL: Duration = Duration::from_secs(2);

/// Looks, [`STILL`] apart, until it is taken as it is.
const MOST_LOOKS: usize = 10;

pub(super) fn run(effort: &Effort, modules: &Modules) -> Result<Row> {
    let (counter, twin) = (Watch::new(false), Watch::new(false));
    let specs = modules.specs(&counter, &twin);
    let deck = Deck::open(&Market::Simulated, &specs, EngineConfig::default())?;
    let controls = deck.engine.controls();
    let operator = Operator {
        controls: controls.clone(),
        registry: deck.registry,
        strategy: deck
            .strategies
            .first()
            .context("the counter sits first")?
            .clone(),
        modules,
    };
    let (before, after) = std::thread::scope(|scope| -> Result<(f64, f64)> {
        let swaps = effort.swaps;
        let operator = scope.spawn(move || {
            let (mut before, mut after) = (Ok(0.0), Ok(0.0));
            let grown = grown_up();
            let swapped = operator.swap(swaps, |swaps_so_far| match swaps_so_far {
                FIRST => before = resident_mib(),
                so_far if so_far == swaps => after = resident_mib(),
                _ => {}
            });
            controls.stop();
            grown.and(swapped).and_then(|_| Ok((before?, after?)))
        });
        deck.engine.run(&mut NullObserver)?;
        let joined = operator.join();
        joined.map_err(|_| anyhow!("the operator panicked"))?
    })?;
    let claim = Claim {
        bench: "swap/resident-memory",
        unit: "MiB",
        against: "after 50 swaps of the same run on the simulated exchange, itself grown before",
        goal: Some(Goal::Ratio(1.05)),
        more_is_better: false,
    };
    Ok(claim.row(&[after], &[before]))
}

/// Waits until the run has stopped growing.
fn grown_up() -> Result<()> {
    let mut before = resident_mib()?;
    for _ in 0..MOST_LOOKS {
        std::thread::sleep(STILL);
        let now = resident_mib()?;
        if now - before < GROWTH_MIB {
            break;
        }
        before = now;
    }
    Ok(())
}

fn resident_mib() -> Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").context("no /proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1);
    let pages: f64 = pages.context("no second number in statm")?.parse()?;
    Ok(pages * PAGE_KIB / 1_024.0)
}
