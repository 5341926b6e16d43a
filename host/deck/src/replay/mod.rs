//! From a recorded run back to an engine that does it once more.

pub mod resume;
pub mod what_if;

use crate::assemble::{Overrides, engine_config};
use crate::clock::{Pace, since};
use crate::feed::OperatorFeed;
use crate::loading::{LoadedStrategy, StrategyLoader};
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::{
    Clock, Command, Due, Gateway, GatewayError, StrategyStart, VenueTerms, Version,
};
use tickdeck_engine::{Engine, Stepping};
use tickdeck_model::ModuleHash;
use tickdeck_model::{Currency, Event, InstrumentId, OrderNumber, Registry, Timestamp};
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, ModuleStore, RecordedRun, RecordedTerms, ReelTape, RunManifest, RunOverrides,
    VersionFactory, VersionSpec,
};
use tickdeck_settings::config::{Config, VenueKind};
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::watch::{FileKind, Plugin, Sidecar};
use tickdeck_strategy::{Runtime, RuntimeConfig};

/// Times their limits that strategies get: the machine that does it once more may be slower, and what ended on a limit ends
/// at the same batch because the reel says so.
pub(crate) const PATIENCE: u32 = 100;

/// A recorded run, ready to be done again.
pub struct PreparedReplay {
    /// The engine.
    pub engine: Engine,
    /// What it plays.
    pub tape: ReelTape,
    /// The words behind its numbers.
    pub names: Names,
    /// What the run was made of.
    pub manifest: RunManifest,
    /// Something is left out because the end of the machine left one reel longer than the other; see [`RecordedRun::reach`].
    pub left_out: bool,
    /// A host goes on with the run: it is done again as far as it had come when this was put together.
    pub running: bool,
}

/// Makes versions from their recipes.
#[derive(Clone)]
pub struct RecordedVersions {
    loader: Arc<StrategyLoader>,
    registry: Arc<Registry>,
    modules: ModuleStore,
    /// What was made, the last of a name last.
    made: Arc<Mutex<Vec<LoadedStrategy>>>,
    /// A plugin that stands for all that a strategy ran.
    other: Option<(String, Plugin)>,
}

impl RecordedVersions {
    /// Makes the versions of a run.
    pub fn new(loader: Arc<StrategyLoader>, registry: Arc<Registry>, modules: ModuleStore) -> Self {
        Self {
            loader,
            registry,
            modules,
            made: Arc::default(),
            other: None,
        }
    }

    /// The same with another plugin for a strategy; names that it needs are added.
    ///
    /// # Errors
    /// It can't be loaded.
    pub(super) fn with_other(mut self, name: String, plugin: Plugin) -> Result<Self> {
        let settings = self.loader.config.strategies.get(&name);
        let settings = settings.cloned().unwrap_or_default();
        let mut registry = (*self.registry).clone();
        self.loader
            .candidate(
                (&name, settings),
                &plugin,
                &Grants::in_memory(),
                &mut registry,
            )
            .map_err(|failure| anyhow!("{}", failure.words()))?;
        self.registry = Arc::new(registry);
        self.other = Some((name, plugin));
        Ok(self)
    }

    /// The names.
    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// What a recipe makes, not started yet.
    ///
    /// # Errors
    /// The module is not there, or can't be loaded.
    pub fn candidate(&self, name: &str, spec: &VersionSpec) -> Result<LoadedStrategy> {
        let plugin = match &self.other {
            Some((other, plugin)) if other == name => plugin.clone(),
            _ => self.plugin(spec)?,
        };
        let settings = self.loader.config.strategies.get(name);
        let settings = settings.cloned().unwrap_or_default();
        let grants = Grants::parse("the grants in the reel", &spec.grants)?;
        let mut registry = self.names(spec)?;
        self.loader
            .verified((name, settings), &plugin, &grants, &mut registry)
            .map_err(|failure| anyhow!("{name}: {}", failure.words()))
    }

    pub(crate) fn seat(&self, name: &str, spec: &VersionSpec) -> Result<StrategyStart> {
        let version = self.version(name, spec)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let candidate = made.last_mut().context("it was just made")?;
        self.loader
            .seat(candidate, version, &self.registry, None)
            .map_err(|failure| anyhow!("{name}: {}", failure.words()))
    }

    /// The last that was made for a strategy with this module.
    pub fn take(&self, name: &str, module: &str) -> Option<LoadedStrategy> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |one: &LoadedStrategy| one.name == name && one.spec().module == module;
        let at = made.iter().rposition(is_it)?;
        Some(made.remove(at))
    }

    fn names(&self, spec: &VersionSpec) -> Result<Registry> {
        match &spec.names {
            Some(text) => Registry::from_text(text).context("the names in the reel"),
            None => Ok((*self.registry).clone()),
        }
    }

    /// The plugin of a recipe, from the modules that are kept.
    ///
    /// # Errors
    /// The module is not there, or damaged.
    pub fn plugin(&self, spec: &VersionSpec) -> Result<Plugin> {
        let bytes = self.modules.get(&spec.module)?;
        let path = self.modules.file(&spec.module);
        plugin(&spec.plugin, path, bytes, spec.sidecar.as_ref())
    }
}

impl VersionFactory for RecordedVersions {
    fn version(&self, name: &str, spec: &VersionSpec) -> Result<Version> {
        let candidate = self.candidate(name, spec)?;
        let registry = match &spec.names {
            Some(_) => Arc::new(self.names(spec)?),
            None => Arc::clone(&self.registry),
        };
        let (_, mut version) = candidate.version(&registry, &self.loader.feed);
        // Kept once more as it was kept.
        version.spec = Arc::from(spec.text());
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(candidate);
        Ok(version)
    }
}

/// A plugin that lies somewhere else than in a plugins folder.
pub(super) fn plugin(
    name: &str,
    path: PathBuf,
    bytes: Vec<u8>,
    sidecar: Option<&(String, String)>,
) -> Result<Plugin> {
    Ok(Plugin {
        name: name.to_owned(),
        kind: FileKind::of_file(&path, &bytes).map_err(|why| anyhow!(why))?,
        path,
        hash: ModuleHash::of(&bytes),
        bytes: bytes.into(),
        settings: sidecar.map(|(file, text)| Sidecar {
            path: PathBuf::from(file),
            text: text.clone(),
        }),
        signature: None,
    })
}

/// The settings of a recorded run.
///
/// # Errors
/// They are of another version and can't be read any more.
pub fn settings(manifest: &RunManifest) -> Result<Config> {
    let (file, text) = &manifest.settings;
    let mut config = Config::parse(file, text)
        .context("the settings in the reel can't be read by this version of tickdeck")?;
    if let Some(folder) = Path::new(file).parent() {
        for capture in &mut config.venue.files {
            *capture = folder.join(&*capture);
        }
    }
    let RunOverrides { seed, capture, .. } = &manifest.overrides;
    config.venue.seed = seed.or(config.venue.seed);
    if !capture.is_empty() {
        (config.venue.kind, config.venue.files) = (VenueKind::Capture, capture.clone());
    }
    Ok(config)
}

/// Puts a recorded run together to be done again.
///
/// # Errors
/// The reels or a module are not there or damaged.
pub fn replaying(
    reels: &DataReels,
    run: &RecordedRun,
    until: Option<u64>,
    stop: &CancelToken,
) -> Result<PreparedReplay> {
    let manifest = RunManifest::read(&run.folder)?;
    let config = settings(&manifest)?;
    let registry = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let terms: Vec<VenueTerms> = manifest.venues.iter().map(RecordedTerms::terms).collect();
    let loader = loader(config, &terms, &registry, manifest.first_order)?;
    let overrides = Overrides {
        events: manifest.overrides.events,
        ..Overrides::default()
    };
    let mut engine_config = engine_config(&loader.config, &overrides, manifest.killed, &registry)?;
    engine_config.pin = Vec::new();
    let free = engine_config.stepping == Stepping::Free;
    let (loader, registry) = (Arc::new(loader), Arc::new(registry));
    let maker = RecordedVersions::new(Arc::clone(&loader), Arc::clone(&registry), reels.modules());
    let seats = maker.seats(&manifest)?;
    let venues = terms.into_iter().map(|terms| {
        let gateway: Box<dyn Gateway> = Box::new(RecordedVenue(terms.clone()));
        (gateway, terms)
    });
    let epoch = Instant::now();
    let clock = Box::new(ReplayClock {
        clock: Pace::FlatOut.clock(stop.clone()),
        free,
    });
    let names = Names::new(Arc::clone(&registry), Some(loader.money.id));
    let engine = Engine::new(
        engine_config,
        registry,
        venues.collect(),
        seats,
        clock,
        Arc::new(move || since(epoch)),
    )?;
    // In this order: a run that ends in between has ended, and was not cut off.
    let (written, ended) = (run.is_written(), run.has_ended());
    let running = written && !ended;
    let (kept, left_out) = match (ended, written) {
        (true, _) => (u64::MAX, false),
        // What is beyond the events that were counted is newer, and nothing is lost.
        (false, true) => (run.events()?, false),
        // The reels may not reach equally far.
        (false, false) => {
            let reach = run.usable_range()?;
            (reach.events, reach.leaves())
        }
    };
    let until = until.map_or(kept, |until| until.min(kept));
    let tape = ReelTape::open(&run.folder, Box::new(maker))?.until(Some(until));
    Ok(PreparedReplay {
        engine,
        tape,
        names,
        manifest,
        left_out,
        running,
    })
}

/// What the versions of a recorded run have in common.
pub(super) fn loader(
    config: Config,
    terms: &[VenueTerms],
    registry: &Registry,
    first_order: OrderNumber,
) -> Result<StrategyLoader> {
    let host = Runtime::new(RuntimeConfig {
        cache: crate::folder::cache_folder(),
        nan_canonicalisation: config.wasm.nan_canonicalisation.unwrap_or(true),
    })?;
    host.set_time_limit_factor(PATIENCE);
    Ok(StrategyLoader {
        trusted: tickdeck_settings::signature::TrustedKeys::default(),
        money: money(terms, registry)?,
        host,
        first_order,
        feed: OperatorFeed::default(),
        modules: None,
        config,
    })
}

/// The currency that results are shown in.
fn money(terms: &[VenueTerms], registry: &Registry) -> Result<Currency> {
    let first = terms.iter().flat_map(|terms| &terms.instruments).next();
    let first = first.and_then(|id: &InstrumentId| registry.instrument(*id));
    first
        .and_then(|first| registry.currency(first.quote))
        .context("the reel's venue has no instrument")
}

/// A venue of a recorded run: all that it said is on the tape.
struct RecordedVenue(VenueTerms);

impl Gateway for RecordedVenue {
    fn register(&mut self, _: &mut Registry) -> Result<VenueTerms, GatewayError> {
        Ok(self.0.clone())
    }

    fn send(&mut self, _: Timestamp, _: Command) {}

    fn next_due(&mut self) -> Due {
        Due::Over
    }

    fn poll(&mut self, _: Timestamp, _: &mut Vec<Event>) -> Result<(), GatewayError> {
        Ok(())
    }
}

/// Never waits, also for a run whose time went by.
struct ReplayClock {
    clock: Box<dyn Clock>,
    free: bool,
}

impl Clock for ReplayClock {
    fn wait_until(&mut self, _: Timestamp) {}

    fn paces(&self) -> bool {
        self.free
    }

    fn reached(&self) -> Timestamp {
        self.clock.reached()
    }

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}
