//! Assembles a deck afresh: settings and modules in, an engine that is ready to run out. A deck that resumes an
//! interrupted run is assembled by `replay::resume`.
//!
//! The order matters: names are interned first, then saved in the data folder, and only then does the first strategy
//! start, so that no state ever refers to an id that a crash could lose.

use crate::affinity::{run_for_strategies, yield_to_trading};
use crate::call_marks::CallMarks;
use crate::clock::{Pace, since};
use crate::compile_queue::Outcome;
use crate::compiling::Compiling;
use crate::data_monitors::DataMonitors;
use crate::feed::OperatorFeed;
use crate::lifecycle::{
    EndedStrategy, ManagerSetup, SaveNames, StrategyHistory, first_generation, quarantined, waits,
};
use crate::loading::{
    LoadFailure, LoadedStrategy, Skipped, StrategyLoader, check_modules, check_names,
    first_skipped, strategies_of,
};
use crate::machine_memory;
use crate::open_venues::{OpenVenues, account_currency};
use crate::safety::KillLatch;
use crate::start_compiling::{Compiled, compile_all};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::{Gateway, StrategyStart, VenueTerms};
use tickdeck_engine::{BudgetConfig, Engine, EngineConfig, MiddlewareConfig, Stepping};
use tickdeck_journal::ReelConfig;
use tickdeck_model::untrusted::{kept, printable};
use tickdeck_model::{ModuleHash, NameCount, OrderNumber, Registry};
use tickdeck_recording::SCHEMA;
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, JournalRecorder, Quarantine, RecordedStart, RecordedTerms, RetentionBudget,
    RunManifest, RunOverrides,
};
use tickdeck_settings::config::Config;
use tickdeck_settings::config::{BudgetSettings, JournalSettings};
use tickdeck_settings::grants::Grants;
use tickdeck_settings::risk_limits::risk;
use tickdeck_settings::signature::TrustedKeys;
use tickdeck_strategy::Runtime;
use tickdeck_strategy::watch::Scan;

const NS_PER_MS: u64 = 1_000_000;

/// The parts that a deck is made of.
pub struct DeckParts {
    /// The command that runs it, for display: `demo`, `run` or `dev NAME`.
    pub command: String,
    /// The settings.
    pub config: Config,
    /// The content of the plugins folder.
    pub scan: Scan,
    /// The plugins folder, if it is to be watched.
    pub folder: Option<PathBuf>,
    /// The operator's approvals.
    pub grants: Grants,
    /// The names known from earlier runs.
    pub registry: Registry,
    /// Saves names before anything runs that refers to them.
    pub save_names: SaveNames,
    /// How modules are compiled.
    pub compiling: Compiling,
    /// The speed of event time.
    pub pace: Pace,
    /// Ends the run.
    pub stop: CancelToken,
    /// Market events after which it stops.
    pub events: Option<u64>,
    /// Cuts batches at random points from this seed.
    pub split_seed: Option<u64>,
    /// Whether to start even if no strategy can run yet.
    pub idle: bool,
    /// The first order number that was never used.
    pub first_order: OrderNumber,
    /// Starts with the kill switch on.
    pub killed: bool,
    /// Makes a kill outlast the host, if it is to.
    pub latch: Option<KillLatch>,
    /// The recording of the run; none: nothing is recorded.
    pub journal: Option<Journaling>,
    /// Marks the calls of strategies.
    pub marks: CallMarks,
    /// The modules that must not run until an operator allows it.
    pub quarantine: Quarantine,
}

/// The recording of a run.
pub struct Journaling {
    /// The reels of the data folder.
    pub reels: DataReels,
    /// The command line's overrides.
    pub played: RunOverrides,
    /// Whether to abandon an interrupted run instead of resuming it.
    pub fresh: bool,
}

/// A deck that is ready to run.
pub struct AssembledDeck {
    /// The engine.
    pub engine: Engine,
    /// The feed, the engine's observer.
    pub feed: OperatorFeed,
    /// The names behind the numbers.
    pub names: Names,
    /// The venues, for display.
    pub title: String,
    /// The seed of the first venue.
    pub seed: u64,
    /// The number of worker threads.
    pub workers: usize,
    /// The core to pin the kernel's thread to, if it runs the strategies too.
    pub core: Option<usize>,
    /// What the venues know of their data.
    pub data: DataMonitors,
    /// Strategies that do not run, with the reasons.
    pub skipped: Skipped,
    /// The set-up of the strategy manager.
    pub setup: ManagerSetup,
}

/// The strategies of a start.
#[derive(Default)]
pub(crate) struct LoadedDeck {
    pub(crate) started: Vec<LoadedStrategy>,
    pub(crate) waiting: Vec<LoadedStrategy>,
    pub(crate) ended: Vec<EndedStrategy>,
    pub(crate) skipped: Skipped,
    /// Whether modules were left to the running deck, because they compile for long.
    pub(crate) has_late: bool,
}

/// Facts about an assembled deck.
pub(crate) struct DeckFacts {
    pub(crate) title: String,
    pub(crate) seed: u64,
    data: DataMonitors,
    workers: usize,
    core: Option<usize>,
}

impl DeckFacts {
    pub(crate) fn new(open: &OpenVenues, config: &EngineConfig, pace: Pace) -> Self {
        let title = &open.title;
        let is_free = config.stepping == Stepping::Free;
        // In lockstep and flat out, one worker shares the kernel's thread.
        let shares = config.workers == 1 && !is_free && pace == Pace::FlatOut;
        Self {
            title: match is_free {
                true => format!("{title}, freely"),
                false => title.clone(),
            },
            seed: open.seed,
            data: open.data.clone(),
            workers: config.workers,
            core: config.pin.first().copied().filter(|_| shares),
        }
    }
}

/// Assembles a deck afresh.
///
/// # Errors
/// The settings do not fit the deck, a venue can't start, or no strategy can run.
pub fn assemble(mut parts: DeckParts) -> Result<AssembledDeck> {
    let mut registry = std::mem::take(&mut parts.registry);
    let open = OpenVenues::open(&parts.config, &mut registry)?;
    let loader = parts.loader(&open, &registry)?;
    parts.go_live(&loader.runtime);
    let loaded = parts.load_apart(&loader, &mut registry)?;
    (parts.save_names)(&registry)?;
    let config = parts.engine_config(&registry)?;
    let registry = Arc::new(registry);
    let (starts, loaded) = start_all(&loader, loaded, &registry)?;
    if starts.is_empty() && !parts.may_wait(&loaded) {
        bail!(
            "no strategy can run{}",
            reasons(&loaded.skipped, &parts.config)
        );
    }
    let history = history_of(&loaded);
    let facts = DeckFacts::new(&open, &config, parts.pace);
    let venues = open.venues;
    let manifest = parts.manifest(&facts.title, &venues, &loaded.started, &registry);
    let mut engine = parts.engine(config, &registry, venues, starts)?;
    parts.begin_recording(&mut engine, manifest)?;
    let scan = std::mem::take(&mut parts.scan);
    let names = registry.name_count();
    let parts_of_loading = (registry, names, loader);
    Ok(parts.assembled(engine, facts, parts_of_loading, (loaded, scan, history)))
}

impl DeckParts {
    /// Returns the parts of a deck that runs flat out, records nothing and watches no folder.
    pub fn new(config: Config, scan: Scan) -> Self {
        Self {
            command: "run".to_owned(),
            config,
            scan,
            folder: None,
            grants: Grants::in_memory(),
            registry: Registry::new(),
            save_names: Box::new(|_| Ok(())),
            compiling: Compiling::in_process(),
            pace: Pace::FlatOut,
            stop: CancelToken::default(),
            events: None,
            split_seed: None,
            idle: false,
            first_order: 1,
            killed: false,
            latch: None,
            journal: None,
            marks: CallMarks::default(),
            quarantine: Quarantine::default(),
        }
    }

    /// Makes the loader of the deck.
    pub(crate) fn loader(&self, open: &OpenVenues, registry: &Registry) -> Result<StrategyLoader> {
        let trusted = TrustedKeys::parse(&self.config.file, &self.config.wasm.trusted_keys)?;
        let currency = account_currency(open.terms(), registry)?;
        let config = self.config.clone();
        let loader =
            StrategyLoader::new(config, currency, self.first_order, self.compiling.clone())?;
        let cores = self.config.engine.pin.clone();
        loader
            .runtime
            .on_own_threads(move || yield_to_trading(&cores));
        Ok(StrategyLoader {
            trusted,
            marks: self.marks.clone(),
            modules: self.journal.as_ref().map(|journal| journal.reels.modules()),
            ..loader
        })
    }

    /// Prepares the runtime for strategies that trade, as opposed to a replay: bounds their memory, and has instances created
    /// in advance unless only the run itself would wait for them.
    pub(crate) fn go_live(&self, runtime: &Runtime) {
        let bound = self.config.wasm.deck_memory_mib.map(|mib| mib << 20);
        let bound = bound.unwrap_or_else(machine_memory::default_bound);
        runtime.memory().set_bound(bound);
        let is_free = self.config.engine.stepping != Stepping::Lockstep;
        if is_free || self.pace != Pace::FlatOut {
            runtime.make_spares();
        }
    }

    /// Loads the strategies on a thread of its own, which yields to trading: the compiler threads that it starts outlive it and
    /// inherit that.
    fn load_apart(
        &mut self,
        loader: &StrategyLoader,
        registry: &mut Registry,
    ) -> Result<LoadedDeck> {
        let (scan, grants, cores) = (&mut self.scan, &self.grants, &self.config.engine.pin);
        let (stop, quarantine) = (&self.stop, &self.quarantine);
        // Flat out, event time waits for the start too.
        let may_be_late = self.folder.is_some() && self.pace != Pace::FlatOut;
        let loaded = run_for_strategies("loading", || {
            yield_to_trading(cores);
            let Compiled { outcomes, late } = compile_all(loader, scan, may_be_late, stop)?;
            // The watcher finds them like files that were just dropped.
            scan.plugins
                .retain(|plugin| !late.contains_key(&plugin.hash));
            let loaded = load_all(loader, scan, (&outcomes, quarantine), grants, registry)?;
            Ok(LoadedDeck {
                has_late: !late.is_empty(),
                ..loaded
            })
        });
        loaded.context("cannot start a thread for loading")?
    }

    /// Whether a deck without a running strategy may wait for its first one.
    fn may_wait(&self, loaded: &LoadedDeck) -> bool {
        let waits = !loaded.waiting.is_empty() || !loaded.ended.is_empty() || loaded.has_late;
        let expected = loaded.skipped.is_empty() || waits || self.idle;
        self.folder.is_some() && expected
    }

    /// Returns the configuration of the engine.
    pub(crate) fn engine_config(&self, registry: &Registry) -> Result<EngineConfig> {
        Ok(EngineConfig {
            max_market_events: self.events,
            split_seed: self.split_seed,
            killed: self.killed,
            ..engine_config(&self.config, self.pace, registry)?
        })
    }

    /// Makes the engine.
    pub(crate) fn engine(
        &self,
        config: EngineConfig,
        registry: &Arc<Registry>,
        venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
        starts: Vec<StrategyStart>,
    ) -> Result<Engine> {
        let (clock, epoch) = (self.pace.clock(self.stop.clone()), Instant::now());
        let now_ns = Arc::new(move || since(epoch));
        let registry = Arc::clone(registry);
        Ok(Engine::new(
            config, registry, venues, starts, clock, now_ns,
        )?)
    }

    /// Starts recording the run, if it is to be recorded.
    fn begin_recording(&self, engine: &mut Engine, manifest: Option<RunManifest>) -> Result<()> {
        if let (Some(journal), Some(manifest)) = (&self.journal, manifest) {
            let config = reel_config(&self.config.journal);
            let run = journal.reels.next_run()?;
            let (recorder, _) = JournalRecorder::open(&run, &config, Some(&manifest))?;
            engine.record(Box::new(recorder.waiting(self.pace == Pace::FlatOut)));
        }
        self.make_room();
        Ok(())
    }

    /// Removes old runs, now that this one has its folder, if the settings say so.
    pub(crate) fn make_room(&self) {
        if let Some(mut budget) = self.budget() {
            for note in budget.enforce() {
                eprintln!("{}", printable(&note.line()));
            }
        }
    }

    /// Returns the budget of the reels, if the settings have one.
    pub(crate) fn budget(&self) -> Option<RetentionBudget> {
        let (journal, keep_gib) = (self.journal.as_ref()?, self.config.journal.keep_gib?);
        Some(RetentionBudget::new(journal.reels.clone(), keep_gib))
    }

    /// Returns the manifest of the run, if it is to be recorded.
    fn manifest(
        &self,
        title: &str,
        venues: &[(Box<dyn Gateway>, VenueTerms)],
        started: &[LoadedStrategy],
        registry: &Registry,
    ) -> Option<RunManifest> {
        let journal = self.journal.as_ref()?;
        let starts = started.iter().map(|loaded| RecordedStart {
            name: loaded.name.clone(),
            spec: loaded.spec().text(),
        });
        Some(RunManifest {
            tickdeck: env!("CARGO_PKG_VERSION").to_owned(),
            began_ns: tickdeck_journal::unix_ns(),
            command: self.command.clone(),
            settings: (self.config.file.clone(), self.config.text.clone()),
            overrides: journal.played.clone(),
            title: title.to_owned(),
            names: registry.to_text(),
            venues: venues
                .iter()
                .map(|(_, terms)| RecordedTerms::of(terms))
                .collect(),
            first_order: self.first_order,
            killed: self.killed,
            strategies: starts.collect(),
        })
    }

    /// Returns the assembled deck, with the set-up of its strategy manager.
    pub(crate) fn assembled(
        self,
        engine: Engine,
        facts: DeckFacts,
        (registry, recorded_names, loader): (Arc<Registry>, NameCount, StrategyLoader),
        (loaded, scan, history): (LoadedDeck, Scan, StrategyHistory),
    ) -> AssembledDeck {
        let names = Names::new(Arc::clone(&registry), Some(loader.account_currency.id));
        AssembledDeck {
            engine,
            feed: loader.feed.clone(),
            names: names.clone(),
            title: facts.title,
            seed: facts.seed,
            workers: facts.workers,
            core: facts.core,
            data: facts.data,
            skipped: loaded.skipped,
            setup: ManagerSetup {
                loader,
                grants: self.grants,
                registry,
                recorded_names,
                save_names: self.save_names,
                names,
                folder: self.folder,
                scan,
                started: loaded.started,
                waiting: loaded.waiting,
                ended: loaded.ended,
                quarantine: self.quarantine,
                history,
            },
        }
    }
}

/// Returns how reels are written.
pub(crate) fn reel_config(journal: &JournalSettings) -> ReelConfig {
    let default = ReelConfig::default();
    ReelConfig {
        sync: journal.sync(),
        segment_bytes: journal
            .segment_mib
            .map_or(default.segment_bytes, |mib| u64::from(mib) << 20),
        schema: SCHEMA,
    }
}

/// Returns the configuration of the engine from the settings.
///
/// # Errors
/// A limit names something that the deck does not have.
pub(crate) fn engine_config(
    config: &Config,
    pace: Pace,
    registry: &Registry,
) -> Result<EngineConfig> {
    let (settings, default) = (&config.engine, EngineConfig::default());
    let middleware = &config.middleware;
    Ok(EngineConfig {
        stepping: settings.stepping,
        workers: settings.workers.unwrap_or(default.workers),
        pin: settings.pin.clone(),
        ring_capacity: settings.ring_capacity.unwrap_or(default.ring_capacity),
        max_actions_per_s: settings
            .max_actions_per_s
            .unwrap_or(default.max_actions_per_s),
        wait: settings.wait.unwrap_or(default.wait),
        max_batch: settings.batch.unwrap_or(default.max_batch),
        middleware: MiddlewareConfig {
            drop_duplicates: middleware
                .drop_duplicates
                .unwrap_or(default.middleware.drop_duplicates),
            max_age_ns: middleware.max_age_ms.map(|ms| ms * NS_PER_MS),
            conflate_quotes_ns: middleware.conflate_quotes_ms.map(|ms| ms * NS_PER_MS),
        },
        risk: risk(config, registry)?,
        budget: Some(budget_config(&config.budget, pace)),
        ..default
    })
}

fn budget_config(settings: &BudgetSettings, pace: Pace) -> BudgetConfig {
    let default = BudgetConfig::default();
    BudgetConfig {
        overload: settings.overload.unwrap_or(default.overload),
        burst_ns: settings
            .burst_ms
            .map_or(default.burst_ns, |ms| ms * NS_PER_MS),
        share_bps: settings
            .share_percent
            .map_or(default.share_bps, |percent| percent * 100),
        is_real_time: pace.is_real_time(),
    }
}

/// Loads every strategy that the folder and the settings name.
fn load_all(
    loader: &StrategyLoader,
    scan: &Scan,
    (compiled, quarantine): (&HashMap<ModuleHash, Outcome>, &Quarantine),
    grants: &Grants,
    registry: &mut Registry,
) -> Result<LoadedDeck> {
    let config = &loader.config;
    let refused = scan.refused.iter();
    let plugins = scan.plugins.iter();
    let names = plugins
        .clone()
        .map(|plugin| plugin.name.clone())
        .chain(refused.clone().map(|refused| refused.name.clone()));
    check_names(config)?;
    check_modules(config, &names.collect())?;
    let mut deck = LoadedDeck::default();
    for refused in refused {
        deck.skipped
            .insert(refused.name.clone(), kept(&refused.why));
    }
    for plugin in plugins {
        for (name, settings) in strategies_of(config, &plugin.name) {
            if let Some(entry) = quarantine.entry(&name, &plugin.hash.to_string()) {
                let why = quarantined(&name, &entry.why);
                deck.ended.push(EndedStrategy {
                    name: name.clone(),
                    id: None,
                    failed: Some((plugin.fingerprint(), why.clone())),
                });
                deck.skipped.insert(name, why);
                continue;
            }
            let refused = compiled
                .get(&plugin.hash)
                .and_then(|outcome| outcome.as_ref().err());
            let loaded = match refused {
                Some(why) => Err(why.clone().into()),
                None => loader.load((&name, settings), plugin, grants, registry),
            };
            match loaded {
                Ok(loaded) if loaded.decision.increases.is_empty() => deck.started.push(loaded),
                Ok(loaded) => deck.waiting.push(loaded),
                Err(LoadFailure::Settings(error)) => return Err(error),
                Err(failure) => drop(deck.skipped.insert(name, failure.describe())),
            }
        }
    }
    // By name, so that a deck's strategies have the same order at every start.
    deck.started.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(deck)
}

/// Starts the strategies; those that refuse are skipped.
fn start_all(
    loader: &StrategyLoader,
    mut loaded: LoadedDeck,
    registry: &Arc<Registry>,
) -> Result<(Vec<StrategyStart>, LoadedDeck)> {
    let (mut starts, mut started) = (Vec::new(), Vec::new());
    let mut skipped = std::mem::take(&mut loaded.skipped);
    for loaded in std::mem::take(&mut loaded.started) {
        let (_, version) = loaded.version(registry, &loader.feed);
        match loader.start(&loaded, version, registry, None) {
            Ok(start) => {
                starts.push(start);
                started.push(loaded);
            }
            Err(LoadFailure::Settings(error)) => return Err(error),
            Err(failure) => drop(skipped.insert(loaded.name, failure.describe())),
        }
    }
    let loaded = LoadedDeck {
        started,
        skipped,
        ..loaded
    };
    Ok((starts, loaded))
}

/// Returns why nothing runs.
fn reasons(skipped: &Skipped, config: &Config) -> String {
    if skipped.is_empty() {
        return ": the plugins folder is empty".to_owned();
    }
    let (first, more) = first_skipped(skipped, config);
    let mut lines: Vec<String> = first
        .iter()
        .map(|(name, why)| format!("\n  {name}: {why}"))
        .collect();
    if more > 0 {
        lines.push(format!("\n  and {more} more"));
    }
    lines.concat()
}

/// Returns the history of the strategies at the start.
fn history_of(loaded: &LoadedDeck) -> StrategyHistory {
    let history = StrategyHistory::default();
    for loaded in &loaded.started {
        history.change(&loaded.name, |record| first_generation(record, loaded, 0));
    }
    for loaded in &loaded.waiting {
        history.change(&loaded.name, |record| waits(record, loaded));
    }
    for (name, why) in &loaded.skipped {
        history.change(name, |record| {
            record.notes(why);
            record.inactive = Some("refused");
        });
    }
    history
}
