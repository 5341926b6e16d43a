//! An engine that plays at maximum speed, for the benchmarks of whole runs.

use crate::clock::{FlatOut, ns_since};
use crate::guests;
use crate::native::NativeFactory;
use crate::watch::{Watch, watched};
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
pub(crate) use tickdeck_engine::NullObserver;
use tickdeck_engine::port::{Clock, Code, Gateway, StrategyStart, SwapPolicy, Version};
use tickdeck_engine::{Engine, EngineConfig};
use tickdeck_gateway::playback::{Playback, PlaybackConfig};
use tickdeck_gateway::sim::{Exchange, SimConfig};
use tickdeck_model::{Amount, Registry, StrategyId};
use tickdeck_strategy::{Discard, Module, Program, ResourceLimits, StartOptions, Wants};

/// Returns the full captures, BTC and ETH so that pairs trade, from the given folder or next to the repository; if they
/// are missing, the sample in the repository.
pub(crate) fn captures(folder: Option<&Path>) -> Vec<PathBuf> {
    let beside = guests::root().join("../shared/data/binance-spot");
    let folder = folder.unwrap_or(&beside);
    let full = ["btcusdt_20240808.gz", "ethusdt_20240808.gz"].map(|name| folder.join(name));
    if full.iter().all(|file| file.is_file()) {
        full.into()
    } else {
        vec![guests::root().join("host/gateway/tests/data/btcusdt_sample.gz")]
    }
}

/// The market that an engine plays.
pub(crate) enum Market<'a> {
    /// Captures, decoded beforehand.
    Captures(&'a [PathBuf]),
    /// The simulated exchange, which never ends.
    Simulated,
}

impl Market<'_> {
    pub(crate) fn open(&self) -> Result<Box<dyn Gateway>> {
        Ok(match self {
            Self::Captures(files) => Box::new(Playback::open(PlaybackConfig {
                preload: true,
                ..PlaybackConfig::new(files.to_vec())
            })?),
            Self::Simulated => Box::new(Exchange::new(SimConfig::default())),
        })
    }
}

/// Wraps the code of a strategy, to observe its calls.
pub(crate) type CodeWrapper = Arc<dyn Fn(Arc<dyn Code>) -> Arc<dyn Code> + Send + Sync>;

/// The specification of a strategy of a deck.
#[derive(Clone)]
pub(crate) struct StrategySpec {
    pub(crate) name: String,
    pub(crate) module: Module,
    /// The parameters that differ from their defaults.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) wrapper: Option<CodeWrapper>,
    /// The same logic compiled natively, which replaces the module.
    pub(crate) native: Option<NativeFactory>,
}

impl StrategySpec {
    pub(crate) fn of(module: &Module) -> Self {
        Self::named(module.name(), module)
    }

    pub(crate) fn named(name: &str, module: &Module) -> Self {
        Self {
            name: name.to_owned(),
            module: module.clone(),
            parameters: BTreeMap::new(),
            wrapper: None,
            native: None,
        }
    }

    pub(crate) fn watched(self, watch: &Arc<Watch>) -> Self {
        let watch = Arc::clone(watch);
        self.wrapped_in(Arc::new(move |code| watched(code, &watch)))
    }

    pub(crate) fn wrapped_in(mut self, wrapper: CodeWrapper) -> Self {
        self.wrapper = Some(wrapper);
        self
    }

    pub(crate) fn natively(mut self, native_factory: NativeFactory) -> Self {
        self.native = Some(native_factory);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A specification whose names are interned, from which versions are created.
#[derive(Clone)]
pub(crate) struct ResolvedStrategy {
    pub(crate) id: StrategyId,
    spec: StrategySpec,
    parameters: Vec<(String, String)>,
    wants: Wants,
}

impl ResolvedStrategy {
    fn of(spec: &StrategySpec, registry: &mut Registry) -> Result<Option<Self>> {
        let manifest = spec.module.manifest();
        let parameters = manifest
            .resolve(&spec.parameters)
            .map_err(|errors| anyhow!("{errors:?}"))?;
        // On one instrument alone there is nothing to pair.
        let Ok(wants) = manifest.wants(&parameters, registry) else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: registry.add_strategy(&spec.name),
            spec: spec.clone(),
            parameters,
            wants,
        }))
    }

    /// Returns a version with another build of the module.
    pub(crate) fn version(
        &self,
        module: &Module,
        registry: &Arc<Registry>,
    ) -> (Arc<Program>, Version) {
        let options = StartOptions {
            name: self.spec.name.clone(),
            parameters: self.parameters.clone(),
            limits: ResourceLimits::default(),
            registry: Arc::clone(registry),
            log: Arc::new(Discard),
        };
        let program = Arc::new(Program::new(module.clone(), options));
        let mut version =
            program.version(self.wants.clone(), None, SwapPolicy::default(), "".into());
        if let Some(native_factory) = self.spec.native {
            version.code = native_factory(&self.parameters, registry);
        }
        if let Some(wrapper) = &self.spec.wrapper {
            version.code = wrapper(version.code);
        }
        (program, version)
    }
}

/// A deck that is ready to run.
pub(crate) struct Deck {
    pub(crate) engine: Engine,
    pub(crate) registry: Arc<Registry>,
    pub(crate) strategies: Vec<ResolvedStrategy>,
}

impl Deck {
    /// Opens a deck with the strategies that can play on this market, in their order.
    pub(crate) fn open(
        market: &Market<'_>,
        specs: &[StrategySpec],
        config: EngineConfig,
    ) -> Result<Self> {
        let clock = Box::new(FlatOut(Instant::now()));
        Self::assemble(market.open()?, clock, specs, config)
    }

    /// As [`Deck::open`], with the given venue and clock.
    pub(crate) fn assemble(
        mut gateway: Box<dyn Gateway>,
        clock: Box<dyn Clock>,
        specs: &[StrategySpec],
        config: EngineConfig,
    ) -> Result<Self> {
        let epoch = Instant::now();
        let mut registry = Registry::new();
        let terms = gateway.register(&mut registry)?;
        let mut strategies = Vec::new();
        for spec in specs {
            strategies.extend(ResolvedStrategy::of(spec, &mut registry)?);
        }
        let quote = registry.find_currency("USDT");
        let quote = quote.context("the market is paid in USDT")?;
        let registry = Arc::new(registry);
        let mut starts = Vec::new();
        for strategy in &strategies {
            let (_, version) = strategy.version(&strategy.spec.module, &registry);
            let allocation = vec![(quote.id, Amount(100_000 * 100_000_000))];
            let named = (strategy.id, strategy.spec.name.clone());
            starts.push(StrategyStart::start(
                &registry, named, allocation, 1, version,
            )?);
        }
        let engine = Engine::new(
            config,
            Arc::clone(&registry),
            vec![(gateway, terms)],
            starts,
            clock,
            Arc::new(move || ns_since(epoch)),
        )?;
        Ok(Self {
            engine,
            registry,
            strategies,
        })
    }
}
