//! `engine`: events per second through the whole engine, at maximum speed on a capture decoded beforehand, and the cost of
//! the sandbox: the same engine with the same logic compiled natively behind the same port.

use crate::deck::{Deck, Market, NullObserver, StrategySpec};
use crate::effort::Effort;
use crate::guests;
use crate::native::{NativeFactory, native_factory};
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use tickdeck_engine::EngineConfig;
use tickdeck_strategy::{ResourceLimits, Runtime, RuntimeConfig};

/// Events per second of the whole engine with one EMA cross.
const RATE: f64 = 10e6;

/// Times the native strategy's time: one that waits for a crossing, and one whose orders always work.
const EMA_CROSS: f64 = 1.5;
const MARKET_MAKER: f64 = 2.0;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let load = |(name, file): (String, PathBuf)| {
        let module = host.load(&file, &name, &ResourceLimits::default())?;
        Ok(StrategySpec::of(&module))
    };
    let all: Vec<StrategySpec> = guests::modules()?
        .into_iter()
        .map(load)
        .collect::<Result<_>>()?;
    let [ema, market_maker] = ["ema-cross", "market-maker"].map(|name| {
        let spec = all.iter().find(|spec| spec.name == name).cloned();
        spec.context("an example plugin is missing")
    });
    let ema = Pair::new(ema?, native_factory::<ema_cross::EmaCross>());
    let quoting = Pair::new(market_maker?, native_factory::<market_maker::MarketMaker>());
    let market = Market::Captures(&effort.captures);
    ema.is_one_strategy(&market)?;
    quoting.is_one_strategy(&market)?;
    let [four, one, one_natively, two, two_natively, none] = interleave(
        effort.rounds,
        [
            &mut || rate(&market, &all),
            &mut || rate(&market, &ema.module),
            &mut || rate(&market, &ema.native),
            &mut || rate(&market, &quoting.module),
            &mut || rate(&market, &quoting.native),
            &mut || rate(&market, &[]),
        ],
    )?;
    let claim = |bench, goal: Option<f64>| Claim {
        bench,
        unit: "events/s",
        against: "the engine without strategies",
        goal: goal.map(Goal::Value),
        more_is_better: true,
    };
    let times = |bench, goal| Claim {
        bench,
        unit: "ns/event",
        against: "the same engine, the same logic natively",
        goal: Some(Goal::Ratio(goal)),
        more_is_better: false,
    };
    Ok(vec![
        claim("engine/ema-cross", Some(RATE)).row(&one, &none),
        claim("engine/market-maker", None).row(&two, &none),
        claim("engine/four-plugins", None).row(&four, &none),
        times("engine/ema-cross/sandbox", EMA_CROSS).row(&ns(&one), &ns(&one_natively)),
        times("engine/market-maker/sandbox", MARKET_MAKER).row(&ns(&two), &ns(&two_natively)),
    ])
}

/// A strategy as a module, and natively.
struct Pair {
    module: [StrategySpec; 1],
    native: [StrategySpec; 1],
}

impl Pair {
    fn new(spec: StrategySpec, native_factory: NativeFactory) -> Self {
        Self {
            native: [spec.clone().natively(native_factory)],
            module: [spec],
        }
    }

    /// Checks that both make the same decisions on the whole market; otherwise there is nothing to compare.
    fn is_one_strategy(&self, market: &Market<'_>) -> Result<()> {
        let decided = |specs: &[StrategySpec]| -> Result<(u64, u128)> {
            let deck = Deck::open(market, specs, EngineConfig::default())?;
            let report = deck.engine.run(&mut NullObserver)?;
            Ok((report.status.actions, report.actions_hash))
        };
        let (module, native) = (decided(&self.module)?, decided(&self.native)?);
        let name = &self.module[0].name;
        ensure!(module.0 > 0, "{name} decides nothing on this market");
        ensure!(
            module == native,
            "{name} decides differently when it runs natively: {module:?} and {native:?}"
        );
        Ok(())
    }
}

/// Converts events per second to nanoseconds per event.
fn ns(rates: &[f64]) -> Vec<f64> {
    rates.iter().map(|rate| 1e9 / rate).collect()
}

/// Returns the events per second of one run, without decoding and start.
fn rate(market: &Market<'_>, specs: &[StrategySpec]) -> Result<f64> {
    let deck = Deck::open(market, specs, EngineConfig::default())?;
    let report = deck.engine.run(&mut NullObserver)?;
    Ok(report.status.events as f64 / (report.elapsed_ns as f64 / 1e9))
}
