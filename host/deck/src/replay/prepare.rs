//! Prepares a recorded run for its replay.

use crate::assemble::engine_config;
use crate::clock::{Pace, since};
use crate::compiling::Compiling;
use crate::loading::StrategyLoader;
use crate::open_venues::{account_currency, override_venues};
use crate::replay::recorded_venue::RecordedVenue;
use crate::replay::recorded_versions::{RecordedVersions, TIME_LIMIT_FACTOR};
use crate::replay::replay_clock::ReplayClock;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::{Gateway, VenueTerms};
use tickdeck_engine::{CancelToken, Engine, EngineConfig, Stepping};
use tickdeck_model::{OrderNumber, Registry, StrategyId};
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    BatchesAgain, DataReels, NotCalled, RecordedRun, RecordedTerms, ReelTape, RunManifest,
};
use tickdeck_settings::config::{Config, WasmSettings};

/// A recorded run, ready to be replayed.
pub struct PreparedReplay {
    /// The engine.
    pub engine: Engine,
    /// The tape that it plays.
    pub tape: ReelTape,
    /// The names behind the numbers.
    pub names: Names,
    /// The manifest of the run.
    pub manifest: RunManifest,
    /// Whether something is left out because a machine crash left one reel longer than the other; see
    /// [`RecordedRun::usable_range`].
    pub left_out: bool,
    /// The strategies that were quarantined when the run was resumed; up to that point they are not called, and their decisions
    /// are taken from the reel.
    pub not_called: Vec<StrategyId>,
    /// Whether a host is still running it: then it is replayed up to where it was when this was prepared.
    pub running: bool,
}

/// Returns the settings of a recorded run, with its overrides.
///
/// # Errors
/// This version of tickdeck can't read them.
pub fn settings(manifest: &RunManifest) -> Result<Config> {
    let (file, text) = &manifest.settings;
    let mut config = Config::parse(file, text)
        .context("this version of tickdeck can't read the settings in the reel")?;
    if let Some(folder) = Path::new(file).parent() {
        config.locate_files(folder);
    }
    override_venues(&mut config, &manifest.overrides)?;
    Ok(config)
}

/// Returns the configuration of the engine of a recorded run, without pinned cores.
pub(super) fn recorded_engine_config(
    manifest: &RunManifest,
    config: &Config,
    registry: &Registry,
) -> Result<EngineConfig> {
    Ok(EngineConfig {
        max_market_events: manifest.overrides.events,
        killed: manifest.killed,
        pin: Vec::new(),
        ..engine_config(config, Pace::FlatOut, registry)?
    })
}

/// Makes the loader of a recorded run, with raised time limits.
pub(super) fn recorded_loader<'a>(
    config: Config,
    terms: impl IntoIterator<Item = &'a VenueTerms>,
    registry: &Registry,
    first_order: OrderNumber,
    compiling: Compiling,
) -> Result<StrategyLoader> {
    let currency = account_currency(terms, registry).context("the reel")?;
    let loader = StrategyLoader::new(config, currency, first_order, compiling)?;
    loader.runtime.set_time_limit_factor(TIME_LIMIT_FACTOR);
    Ok(loader)
}

/// How much of a run is replayed, and how.
#[derive(Debug, Clone, Default)]
pub struct ReplayScope {
    /// The event before which it ends.
    pub until: Option<u64>,
    /// The strategies that are offered exactly their original batches. The others are offered large ones, which is faster.
    pub batches: BTreeSet<StrategyId>,
}

impl ReplayScope {
    /// Replays the whole run, or up to an event.
    pub fn until(until: Option<u64>) -> Self {
        Self {
            until,
            ..Self::default()
        }
    }

    /// Replays by `replay`, which returns the strategy that decided differently, if any; the replay is then repeated with that
    /// strategy's original batches, in case it looks at their length.
    ///
    /// # Errors
    /// Those of `replay`.
    pub fn replay<T>(
        mut self,
        mut replay: impl FnMut(&Self) -> Result<(T, Option<StrategyId>)>,
    ) -> Result<T> {
        loop {
            let (replayed, differs) = replay(&self)?;
            let is_new = differs.is_some_and(|strategy| self.batches.insert(strategy));
            if !is_new {
                return Ok(replayed);
            }
        }
    }
}

/// Prepares a recorded run for its replay. `compiling` says how its modules are compiled.
///
/// # Errors
/// The reels or a module are missing or damaged.
pub fn prepare_replay(
    reels: &DataReels,
    run: &RecordedRun,
    scope: &ReplayScope,
    compiling: fn(&WasmSettings) -> Compiling,
    stop: &CancelToken,
) -> Result<PreparedReplay> {
    let manifest = RunManifest::read(&run.folder)?;
    run.check_contract()?;
    let config = settings(&manifest)?;
    let registry = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let terms: Vec<VenueTerms> = manifest.venues.iter().map(RecordedTerms::terms).collect();
    let compiling = compiling(&config.wasm);
    let first_order = manifest.first_order;
    let loader = recorded_loader(config, &terms, &registry, first_order, compiling)?;
    let engine_config = recorded_engine_config(&manifest, &loader.config, &registry)?;
    let currency = loader.account_currency.id;
    let registry = Arc::new(registry);
    let not_called = NotCalled::of_run(&run.folder, &manifest, &BTreeSet::new())?;
    let versions = RecordedVersions::new(Arc::new(loader), Arc::clone(&registry), reels.modules());
    let versions = versions.without_calling(not_called.clone());
    let starts = versions.start_all(&manifest)?;
    let venues = terms.into_iter().map(|terms| {
        let gateway: Box<dyn Gateway> = Box::new(RecordedVenue(terms.clone()));
        (gateway, terms)
    });
    let clock = Box::new(ReplayClock {
        clock: Pace::FlatOut.clock(stop.clone()),
        free: engine_config.stepping == Stepping::Free,
    });
    let names = Names::new(Arc::clone(&registry), Some(currency));
    let epoch = Instant::now();
    let engine = Engine::new(
        engine_config,
        registry,
        venues.collect(),
        starts,
        clock,
        Arc::new(move || since(epoch)),
    )?;
    let strategies = not_called.strategies().into_iter().collect();
    let usable = Usable::of(run)?;
    let until = scope
        .until
        .map_or(usable.events, |until| until.min(usable.events));
    let tape = ReelTape::open(&run.folder, Box::new(versions))?
        .until(Some(until))
        .without_calling(not_called)
        .offering(BatchesAgain::to(&run.folder, scope.batches.clone())?);
    Ok(PreparedReplay {
        engine,
        tape,
        names,
        manifest,
        left_out: usable.left_out,
        not_called: strategies,
        running: usable.running,
    })
}

/// The part of a run that can be replayed.
struct Usable {
    events: u64,
    left_out: bool,
    running: bool,
}

impl Usable {
    fn of(run: &RecordedRun) -> Result<Self> {
        // In this order, so that a run that ends in between counts as ended, not as interrupted.
        let (written, ended) = (run.is_written(), run.has_ended());
        let (events, left_out) = match (ended, written) {
            (true, _) => (u64::MAX, false),
            // Events after the counted ones are newer; nothing is lost.
            (false, true) => (run.events()?, false),
            // One reel may be longer than the other.
            (false, false) => {
                let reach = run.usable_range()?;
                (reach.events, reach.leaves())
            }
        };
        Ok(Self {
            events,
            left_out,
            running: written && !ended,
        })
    }
}
