//! `engine`: events per second through the whole engine, flat out on a capture that was decoded beforehand.

use crate::row::{Claim, Row, interleave};
use crate::{Effort, guests};
use anyhow::{Context, Result, anyhow};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::{Clock, Gateway, Seat, SwapPolicy};
use tickdeck_engine::{Engine, EngineConfig, Notice, Observer, Status};
use tickdeck_gateway::capture::{Capture, CaptureConfig};
use tickdeck_model::{Amount, Registry, Timestamp};
use tickdeck_strategy::{Discard, Host, HostConfig, Limits, Module, Program, StartOptions};

pub(crate) fn run(effort: Effort) -> Result<Vec<Row>> {
    let files = captures();
    let host = Host::new(HostConfig::default())?;
    let load = |(name, file): (String, PathBuf)| Ok(host.load(&file, &name, &Limits::default())?);
    let all: Vec<Module> = guests::modules()?
        .into_iter()
        .map(load)
        .collect::<Result<_>>()?;
    let ema: Vec<Module> = all
        .iter()
        .filter(|module| module.name() == "ema-cross")
        .cloned()
        .collect();
    let [four, one, none] = interleave(
        effort.rounds,
        [
            &mut || rate(&files, &all),
            &mut || rate(&files, &ema),
            &mut || rate(&files, &[]),
        ],
    )?;
    let against = "the engine without strategies";
    let claim = |bench| Claim {
        bench,
        unit: "events/s",
        against,
        goal: None,
        more_is_better: true,
    };
    Ok(vec![
        claim("engine/four-plugins").row(&four, &none),
        claim("engine/ema-cross").row(&one, &none),
    ])
}

/// The full captures where they lie beside the repository, else the sample in it; BTC and ETH, so that pairs trade.
fn captures() -> Vec<PathBuf> {
    let folder = guests::root().join("../shared/data/binance-spot");
    let full = ["btcusdt_20240808.gz", "ethusdt_20240808.gz"].map(|name| folder.join(name));
    if full.iter().all(|file| file.is_file()) {
        full.into()
    } else {
        vec![guests::root().join("host/gateway/tests/data/btcusdt_sample.gz")]
    }
}

/// Events per second of one run, decoding and start not counted.
fn rate(files: &[PathBuf], modules: &[Module]) -> Result<f64> {
    let mut registry = Registry::new();
    let mut capture = Capture::open(CaptureConfig {
        preload: true,
        ..CaptureConfig::new(files.to_vec())
    })?;
    let terms = capture.register(&mut registry)?;
    let mut prepared = Vec::new();
    for module in modules {
        let parameters = module
            .manifest()
            .resolve(&Default::default())
            .map_err(|errors| anyhow!("{errors:?}"))?;
        // On one instrument alone there is nothing to pair.
        if let Ok(wants) = module.manifest().wants(&parameters, &mut registry) {
            prepared.push((
                module,
                parameters,
                wants,
                registry.add_strategy(module.name()),
            ));
        }
    }
    let quote = registry
        .find_currency("USDT")
        .context("the capture is paid in USDT")?;
    let registry = Arc::new(registry);
    let mut seats = Vec::new();
    for (module, parameters, wants, id) in prepared {
        let options = StartOptions {
            name: module.name().to_owned(),
            parameters,
            limits: Limits::default(),
            registry: Arc::clone(&registry),
            log: Arc::new(Discard),
        };
        let version = Arc::new(Program::new(module.clone(), options)).version(
            wants,
            None,
            SwapPolicy::default(),
        );
        let allocation = vec![(quote.id, Amount(100_000 * 100_000_000))];
        let named = (id, module.name().to_owned());
        seats.push(Seat::start(&registry, named, allocation, 1, version)?);
    }
    let epoch = Instant::now();
    let now_ns = move || u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let venues: Vec<(Box<dyn Gateway>, _)> = vec![(Box::new(capture), terms)];
    let clock = Box::new(FlatOut(epoch));
    let engine = Engine::new(
        EngineConfig::default(),
        registry,
        venues,
        seats,
        clock,
        Arc::new(now_ns),
    )?;
    let report = engine.run(&mut Nobody)?;
    Ok(report.status.events as f64 / (report.elapsed_ns as f64 / 1e9))
}

struct FlatOut(Instant);

impl Clock for FlatOut {
    fn wait_until(&mut self, _: Timestamp) {}
    fn paces(&self) -> bool {
        false
    }
    fn now_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct Nobody;

impl Observer for Nobody {
    fn notice(&mut self, _: Timestamp, _: Notice) {}
    fn status(&mut self, _: &Status) {}
}
