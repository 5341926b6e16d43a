//! Puts a deck together: settings and modules in, an engine that is ready to run out.
//!
//! The order matters: names are interned first, then kept by the data folder, and only then does the first strategy
//! start, so that no state ever refers to a number that a crash could take away.

use crate::clock::{Pace, since};
use crate::feed::OperatorFeed;
use crate::lifecycle::{Keep, ManagerSetup, StrategyHistory, first_generation, waits};
use crate::loading::{
    LoadFailure, LoadedStrategy, Skipped, StrategyLoader, check_modules, strategies_of,
};
use crate::venues::{Venue, venue};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::{StrategyStart, VenueTerms};
use tickdeck_engine::{Engine, EngineConfig, MiddlewareConfig, Stepping};
use tickdeck_journal::ReelConfig;
use tickdeck_model::{Currency, OrderNumber, Registry};
use tickdeck_recording::SCHEMA;
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, JournalRecorder, RecordedStart, RecordedTerms, RetentionBudget, RunManifest,
    RunOverrides,
};
use tickdeck_settings::config::Config;
use tickdeck_settings::config::JournalSettings;
use tickdeck_settings::grants::Grants;
use tickdeck_settings::risk_limits::risk;
use tickdeck_settings::signature::TrustedKeys;
use tickdeck_strategy::watch::Scan;
use tickdeck_strategy::{Runtime, RuntimeConfig};

const NS_PER_MS: u64 = 1_000_000;

/// What only the command line can say.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Stops after this many market events.
    pub events: Option<u64>,
    /// Cuts batches at random places from this seed.
    pub split_seed: Option<u64>,
    /// Starts even if no strategy can run yet.
    pub idle: bool,
}

/// What a deck is made of.
pub struct DeckParts {
    /// Its settings.
    pub config: Config,
    /// What its plugins folder holds.
    pub scan: Scan,
    /// The plugins folder, if it is to be watched.
    pub folder: Option<PathBuf>,
    /// What was approved.
    pub grants: Grants,
    /// Names known from earlier runs.
    pub registry: Registry,
    /// Keeps names; called before anything runs on them.
    pub keep: Keep,
    /// Where compiled code is kept.
    pub cache: Option<PathBuf>,
    /// How fast it plays.
    pub pace: Pace,
    /// The wish to stop.
    pub stop: CancelToken,
    /// What only the command line says.
    pub overrides: Overrides,
    /// The first order number that was never used.
    pub first_order: OrderNumber,
    /// Starts with the kill switch on.
    pub killed: bool,
    /// Where the run is kept, if it is.
    pub journal: Option<Journaling>,
}

/// How a run is kept.
pub struct Journaling {
    /// Where.
    pub reels: DataReels,
    /// `demo` or `run`.
    pub command: String,
    /// What the command line said.
    pub played: RunOverrides,
    /// A run that was cut off is left as it is.
    pub fresh: bool,
}

/// A deck that is ready to run.
pub struct AssembledDeck {
    /// The engine.
    pub engine: Engine,
    /// What its observer writes on.
    pub feed: OperatorFeed,
    /// The words behind its numbers.
    pub names: Names,
    /// What it trades on.
    pub title: String,
    /// The seed of what is random.
    pub seed: u64,
    /// Its worker threads.
    pub workers: usize,
    /// The core that the kernel's thread is pinned to, if it runs the strategies too.
    pub core: Option<usize>,
    /// Strategies that do not run, with why.
    pub skipped: Skipped,
    /// What the loader starts with.
    pub setup: ManagerSetup,
}

/// The strategies of a start.
#[derive(Default)]
struct LoadedDeck {
    candidates: Vec<LoadedStrategy>,
    waiting: Vec<LoadedStrategy>,
    skipped: Skipped,
}

impl DeckParts {
    /// Puts the deck together.
    ///
    /// # Errors
    /// The settings do not fit the deck, the venue can't start, or no strategy can run.
    pub fn wire(mut self) -> Result<AssembledDeck> {
        let Venue {
            mut gateway,
            title,
            seed,
        } = venue(&self.config)?;
        let mut registry = std::mem::take(&mut self.registry);
        let terms = gateway.register(&mut registry)?;
        if let Some(cut) = self.interrupted()? {
            return self.go_on(cut, (gateway, terms, title, seed), registry);
        }
        let loader = self.loader(&terms, &registry)?;
        let LoadedDeck {
            candidates,
            waiting,
            mut skipped,
        } = {
            let (scan, grants) = (&self.scan, &self.grants);
            apart(&self.config.engine.pin, || {
                cast(&loader, scan, grants, &mut registry)
            })?
        };
        (self.keep)(&registry)?;
        let engine_config = engine_config(&self.config, &self.overrides, self.killed, &registry)?;
        let registry = Arc::new(registry);
        let (seats, seated) = seats(&loader, candidates, &registry, &mut skipped)?;
        let expected = skipped.is_empty() || !waiting.is_empty() || self.overrides.idle;
        let may_come = self.folder.is_some() && expected;
        if seats.is_empty() && !may_come {
            bail!("no strategy can run{}", found(&skipped));
        }
        let ledger = records(&seated, &waiting, &skipped);
        let workers = engine_config.workers;
        let (core, title) = (kernel_core(&engine_config), titled(title, &engine_config));
        let (clock, epoch) = (self.pace.clock(self.stop.clone()), Instant::now());
        let now_ns = Arc::new(move || since(epoch));
        let manifest = self.manifest(&title, &terms, &seated, &registry);
        let mut engine = Engine::new(
            engine_config,
            Arc::clone(&registry),
            vec![(gateway, terms)],
            seats,
            clock,
            now_ns,
        )?;
        self.begin_reels(&mut engine, manifest)?;
        let names = Names::new(Arc::clone(&registry), Some(loader.money.id));
        Ok(AssembledDeck {
            engine,
            feed: loader.feed.clone(),
            names: names.clone(),
            title,
            seed,
            workers,
            core,
            skipped,
            setup: ManagerSetup {
                loader,
                grants: self.grants,
                registry,
                keep: self.keep,
                names,
                folder: self.folder,
                scan: self.scan,
                seated,
                waiting,
                ledger,
            },
        })
    }

    /// Keeps the run, if it is to be kept.
    fn begin_reels(&self, engine: &mut Engine, manifest: Option<RunManifest>) -> Result<()> {
        if let (Some(journal), Some(manifest)) = (&self.journal, manifest) {
            let config = reel_config(&self.config.journal);
            let run = journal.reels.next_run()?;
            let (recorder, _) = JournalRecorder::open(&run, &config, Some(&manifest))?;
            engine.record(Box::new(recorder.waiting(self.pace == Pace::FlatOut)));
        }
        self.make_room();
        Ok(())
    }

    pub(crate) fn loader(&self, terms: &VenueTerms, registry: &Registry) -> Result<StrategyLoader> {
        let wasm = &self.config.wasm;
        Ok(StrategyLoader {
            trusted: TrustedKeys::parse(&self.config.file, &wasm.trusted_keys)?,
            money: account_currency(terms, registry)?,
            host: Runtime::new(RuntimeConfig {
                cache: self.cache.clone(),
                nan_canonicalisation: wasm.nan_canonicalisation.unwrap_or(true),
            })?,
            config: self.config.clone(),
            first_order: self.first_order,
            feed: OperatorFeed::default(),
            modules: self.journal.as_ref().map(|journal| journal.reels.modules()),
        })
    }

    /// Removes old runs, now that this one has its folder, if the settings say so.
    pub(crate) fn make_room(&self) {
        if let Some(mut budget) = self.budget() {
            for said in budget.enforce() {
                eprintln!("{}", said.line());
            }
        }
    }

    /// What the reels may take, if the settings say so.
    pub fn budget(&self) -> Option<RetentionBudget> {
        let (journal, keep_gib) = (self.journal.as_ref()?, self.config.journal.keep_gib?);
        Some(RetentionBudget::new(journal.reels.clone(), keep_gib))
    }

    /// What the run is made of, if it is kept.
    fn manifest(
        &self,
        title: &str,
        terms: &VenueTerms,
        seated: &[LoadedStrategy],
        registry: &Registry,
    ) -> Option<RunManifest> {
        let journal = self.journal.as_ref()?;
        let seats = seated.iter().map(|candidate| RecordedStart {
            name: candidate.name.clone(),
            spec: candidate.spec().text(),
        });
        Some(RunManifest {
            tickdeck: env!("CARGO_PKG_VERSION").to_owned(),
            began_ns: tickdeck_journal::unix_ns(),
            command: journal.command.clone(),
            settings: (self.config.file.clone(), self.config.text.clone()),
            overrides: journal.played.clone(),
            title: title.to_owned(),
            names: registry.to_text(),
            venues: vec![RecordedTerms::of(terms)],
            first_order: self.first_order,
            killed: self.killed,
            strategies: seats.collect(),
        })
    }
}

/// How the reels are written.
pub fn reel_config(journal: &JournalSettings) -> ReelConfig {
    let default = ReelConfig::default();
    ReelConfig {
        sync: journal.sync(),
        segment_bytes: journal
            .segment_mib
            .map_or(default.segment_bytes, |mib| u64::from(mib) << 20),
        schema: SCHEMA,
    }
}

/// How the engine is set up.
///
/// # Errors
/// A limit names what the deck does not have.
pub fn engine_config(
    config: &Config,
    overrides: &Overrides,
    killed: bool,
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
        split_seed: overrides.split_seed,
        max_market_events: overrides.events,
        middleware: MiddlewareConfig {
            drop_duplicates: middleware
                .drop_duplicates
                .unwrap_or(default.middleware.drop_duplicates),
            max_age_ns: middleware.max_age_ms.map(|ms| ms * NS_PER_MS),
            conflate_quotes_ns: middleware.conflate_quotes_ms.map(|ms| ms * NS_PER_MS),
        },
        risk: risk(config, registry)?,
        killed,
    })
}

/// The core named for the one worker that shares the kernel's thread, as it does in lockstep only.
pub(crate) fn kernel_core(config: &EngineConfig) -> Option<usize> {
    let shared = config.workers == 1 && config.stepping == Stepping::Lockstep;
    config.pin.first().copied().filter(|_| shared)
}

/// What is traded on, and how if not in lockstep.
pub(crate) fn titled(venue: String, config: &EngineConfig) -> String {
    match config.stepping {
        Stepping::Lockstep => venue,
        Stepping::Free => format!("{venue}, freely"),
    }
}

/// Loads every strategy that the folder and the settings name.
fn cast(
    loader: &StrategyLoader,
    scan: &Scan,
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
    check_modules(config, &names.collect())?;
    let mut cast = LoadedDeck::default();
    for refused in refused {
        cast.skipped
            .insert(refused.name.clone(), refused.why.clone());
    }
    for plugin in plugins {
        for (name, settings) in strategies_of(config, &plugin.name) {
            match loader.candidate((&name, settings), plugin, grants, registry) {
                Ok(candidate) if candidate.decision.increases.is_empty() => {
                    cast.candidates.push(candidate);
                }
                Ok(candidate) => cast.waiting.push(candidate),
                Err(LoadFailure::Settings(error)) => return Err(error),
                Err(LoadFailure::Module(why)) => drop(cast.skipped.insert(name, why)),
            }
        }
    }
    // By name, so that a deck's strategies stand in the same order at every start.
    cast.candidates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cast)
}

/// Does what takes time on a thread of its own, which makes way for those that trade: what it starts for compiling
/// outlives it.
fn apart<T: Send>(cores: &[usize], work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("loading".to_owned())
            .stack_size(2 * tickdeck_strategy::THREAD_STACK)
            .spawn_scoped(scope, || {
                crate::affinity::make_way(cores);
                work()
            })
            .context("cannot start a thread for loading")?;
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Starts the strategies; those that refuse are left out.
fn seats(
    loader: &StrategyLoader,
    candidates: Vec<LoadedStrategy>,
    registry: &Arc<Registry>,
    skipped: &mut Skipped,
) -> Result<(Vec<StrategyStart>, Vec<LoadedStrategy>)> {
    let (mut seats, mut seated) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let (_, version) = candidate.version(registry, &loader.feed);
        match loader.seat(&candidate, version, registry, None) {
            Ok(seat) => {
                seats.push(seat);
                seated.push(candidate);
            }
            Err(LoadFailure::Settings(error)) => return Err(error),
            Err(LoadFailure::Module(why)) => drop(skipped.insert(candidate.name, why)),
        }
    }
    Ok((seats, seated))
}

/// Why nothing runs.
fn found(skipped: &Skipped) -> String {
    if skipped.is_empty() {
        return ": the plugins folder is empty".to_owned();
    }
    let reasons: Vec<String> = skipped
        .iter()
        .map(|(name, why)| format!("\n  {name}: {why}"))
        .collect();
    reasons.concat()
}

/// What is known of the strategies at the start.
fn records(
    seated: &[LoadedStrategy],
    waiting: &[LoadedStrategy],
    skipped: &Skipped,
) -> StrategyHistory {
    let ledger = StrategyHistory::default();
    for candidate in seated {
        ledger.change(&candidate.name, |record| {
            first_generation(record, candidate, 0);
        });
    }
    for candidate in waiting {
        ledger.change(&candidate.name, |record| waits(record, candidate));
    }
    for (name, why) in skipped {
        ledger.change(name, |record| {
            record.note = Some(why.clone());
            record.unseated = Some("refused");
        });
    }
    ledger
}

/// The currency that results are shown in: the one that the venue's first instrument is paid in.
fn account_currency(terms: &VenueTerms, registry: &Registry) -> Result<Currency> {
    let first = terms
        .instruments
        .first()
        .and_then(|id| registry.instrument(*id));
    first
        .and_then(|first| registry.currency(first.quote))
        .context("the venue has no instrument")
}
