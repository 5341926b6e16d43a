//! An engine that plays flat out: what the benches of whole runs have in common.

use crate::guests;
use crate::native::Maker;
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
use tickdeck_model::{Amount, Registry, StrategyId, Timestamp};
use tickdeck_strategy::{Discard, Module, Program, ResourceLimits, StartOptions, Wants};

/// The full captures where they lie beside the repository or where they are said to be, else the sample in it; BTC and
/// ETH, so that pairs trade.
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

/// What an engine plays.
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

/// Wraps the code of a strategy, to see what goes in and out.
pub(crate) type Lens = Arc<dyn Fn(Arc<dyn Code>) -> Arc<dyn Code> + Send + Sync>;

/// A strategy of a deck.
#[derive(Clone)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) module: Module,
    /// What differs from its defaults.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) lens: Option<Lens>,
    /// The same logic compiled natively runs in the module's place.
    pub(crate) native: Option<Maker>,
}

impl Role {
    pub(crate) fn of(module: &Module) -> Self {
        Self::named(module.name(), module)
    }

    pub(crate) fn named(name: &str, module: &Module) -> Self {
        Self {
            name: name.to_owned(),
            module: module.clone(),
            parameters: BTreeMap::new(),
            lens: None,
            native: None,
        }
    }

    pub(crate) fn watched(self, watch: &Arc<Watch>) -> Self {
        let watch = Arc::clone(watch);
        self.seen_through(Arc::new(move |code| watched(code, &watch)))
    }

    pub(crate) fn seen_through(mut self, lens: Lens) -> Self {
        self.lens = Some(lens);
        self
    }

    pub(crate) fn natively(mut self, maker: Maker) -> Self {
        self.native = Some(maker);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A role whose names are interned: what its versions are made from.
#[derive(Clone)]
pub(crate) struct Cast {
    pub(crate) id: StrategyId,
    role: Role,
    parameters: Vec<(String, String)>,
    wants: Wants,
}

impl Cast {
    fn of(role: &Role, registry: &mut Registry) -> Result<Option<Self>> {
        let manifest = role.module.manifest();
        let parameters = manifest
            .resolve(&role.parameters)
            .map_err(|errors| anyhow!("{errors:?}"))?;
        // On one instrument alone there is nothing to pair.
        let Ok(wants) = manifest.wants(&parameters, registry) else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: registry.add_strategy(&role.name),
            role: role.clone(),
            parameters,
            wants,
        }))
    }

    /// A version of the role in another build of its module.
    pub(crate) fn version(
        &self,
        module: &Module,
        registry: &Arc<Registry>,
    ) -> (Arc<Program>, Version) {
        let options = StartOptions {
            name: self.role.name.clone(),
            parameters: self.parameters.clone(),
            limits: ResourceLimits::default(),
            registry: Arc::clone(registry),
            log: Arc::new(Discard),
        };
        let program = Arc::new(Program::new(module.clone(), options));
        let mut version =
            program.version(self.wants.clone(), None, SwapPolicy::default(), "".into());
        if let Some(maker) = self.role.native {
            version.code = maker(&self.parameters, registry);
        }
        if let Some(lens) = &self.role.lens {
            version.code = lens(version.code);
        }
        (program, version)
    }
}

/// A deck that is ready to run.
pub(crate) struct Deck {
    pub(crate) engine: Engine,
    pub(crate) registry: Arc<Registry>,
    pub(crate) casts: Vec<Cast>,
}

impl Deck {
    /// Seats the roles that can play on this market, in their order.
    pub(crate) fn open(market: &Market<'_>, roles: &[Role], config: EngineConfig) -> Result<Self> {
        let clock = Box::new(FlatOut(Instant::now()));
        Self::assemble(market.open()?, clock, roles, config)
    }

    /// As [`Deck::open`], on a venue and by a clock of one's own.
    pub(crate) fn assemble(
        mut gateway: Box<dyn Gateway>,
        clock: Box<dyn Clock>,
        roles: &[Role],
        config: EngineConfig,
    ) -> Result<Self> {
        let epoch = Instant::now();
        let mut registry = Registry::new();
        let terms = gateway.register(&mut registry)?;
        let mut casts = Vec::new();
        for role in roles {
            casts.extend(Cast::of(role, &mut registry)?);
        }
        let quote = registry.find_currency("USDT");
        let quote = quote.context("the market is paid in USDT")?;
        let registry = Arc::new(registry);
        let mut seats = Vec::new();
        for cast in &casts {
            let (_, version) = cast.version(&cast.role.module, &registry);
            let allocation = vec![(quote.id, Amount(100_000 * 100_000_000))];
            let named = (cast.id, cast.role.name.clone());
            seats.push(StrategyStart::start(
                &registry, named, allocation, 1, version,
            )?);
        }
        let engine = Engine::new(
            config,
            Arc::clone(&registry),
            vec![(gateway, terms)],
            seats,
            clock,
            Arc::new(move || ns_since(epoch)),
        )?;
        Ok(Self {
            engine,
            registry,
            casts,
        })
    }
}

pub(crate) fn ns_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) struct FlatOut(pub(crate) Instant);

impl Clock for FlatOut {
    fn wait_until(&mut self, _: Timestamp) {}
    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }
    fn now_ns(&self) -> u64 {
        ns_since(self.0)
    }
}
