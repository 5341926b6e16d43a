//! Resumes an interrupted run (a kill, a crash, a power cut): the reels determine the state of everything.
//!
//! The venues of a deck are simulated and live in the host, so they ended with it. Given the same commands, they give the
//! same answers: while the run is replayed from its reels, the venues are replayed too, and checked against the reel event by
//! event. Decisions that were not recorded never left, and leave now; recorded ones are not sent again.

use crate::assemble::{AssembledDeck, DeckFacts, DeckParts, reel_config};
use crate::attempt::Attempt;
use crate::clock::Pace;
use crate::loading::StrategyLoader;
use crate::open_venues::OpenVenues;
use crate::replay::authority::Authority;
use crate::replay::recorded_versions::{RecordedVersions, TIME_LIMIT_FACTOR};
use crate::replay::resumed_strategies::{ResumedStrategies, settle_strategies};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickdeck_engine::port::{Gateway, VenueTerms};
use tickdeck_engine::{Engine, EngineConfig, EngineError, NullObserver, OperatorCommand, Status};
use tickdeck_journal::Opened;
use tickdeck_model::{Registry, StrategyId, Untrusted};
use tickdeck_recording::{
    BatchesAgain, JournalRecorder, NotCalled, RecordedRun, RecordedTerms, ReelTape, RunManifest,
};
use tickdeck_settings::run_difference::{RunSettings, run_difference};

/// A run that was interrupted.
pub(crate) struct InterruptedRun {
    run: RecordedRun,
    manifest: RunManifest,
}

/// Returns the last run of a deck if it was interrupted and is not to be abandoned.
///
/// # Errors
/// It was interrupted, but can't be resumed with the deck as it is now.
pub(crate) fn interrupted(parts: &DeckParts) -> Result<Option<InterruptedRun>> {
    let Some(journal) = parts.journal.as_ref().filter(|journal| !journal.fresh) else {
        return Ok(None);
    };
    let Some(run) = journal.reels.interrupted()? else {
        return Ok(None);
    };
    let manifest = RunManifest::read(&run.folder)?;
    run.check_contract().context(
        "the last run was interrupted and can't be resumed: leave it and its positions behind with --fresh",
    )?;
    let settings = |text, seed| RunSettings { text, seed };
    let was = settings(&manifest.settings.1, manifest.overrides.seed);
    let is = settings(&parts.config.text, journal.played.seed);
    let differs = run_difference(was, is).or_else(|| manifest.overrides_differ(&journal.played));
    if let Some(what) = differs {
        bail!(
            "run {} was interrupted, and {what}, so it can't be resumed: put that back, or leave the run and its positions \
             behind with --fresh ({})",
            run.number,
            Untrusted::path(&run.folder)
        );
    }
    Ok(Some(InterruptedRun { run, manifest }))
}

impl InterruptedRun {
    /// Returns the number of the run.
    pub(crate) const fn number(&self) -> u32 {
        self.run.number
    }
}

/// Assembles a deck as it was when its run was interrupted. A strategy that is to blame for a host's death, or that decides
/// differently now, is left out: its decisions are taken from the reel, and it ends where the run continues.
///
/// # Errors
/// A venue or a module is missing, or the replay of the run differs and no strategy is to blame.
pub(crate) fn resume(
    parts: DeckParts,
    interrupted: InterruptedRun,
    attempt: &mut Option<Attempt>,
) -> Result<AssembledDeck> {
    let mut batches = BTreeSet::new();
    loop {
        let left_out = attempt.as_ref().map(Attempt::left_out);
        let left_out = left_out.cloned().unwrap_or_default();
        match try_to_resume(&parts, &interrupted, (&left_out, &batches))? {
            Tried::Resumed(resumed) => {
                let Resumed {
                    engine,
                    facts,
                    registry,
                    loader,
                    strategies,
                } = *resumed;
                if let Some(attempt) = attempt {
                    for (name, module) in &strategies.left_out {
                        let why = left_out.get(name).map_or("", String::as_str);
                        attempt.quarantine(name, module, why)?;
                    }
                }
                let strategies = (strategies.loaded, strategies.scan, strategies.history);
                // Names added by later versions are on the reel too; the next version adds them again.
                let recorded_names = interrupted.manifest.registry()?.name_count();
                let parts_of_loading = (registry, recorded_names, loader);
                return Ok(parts.assembled(engine, facts, parts_of_loading, strategies));
            }
            // It may look at the length of its batches.
            Tried::Without { id: Some(id), .. } if batches.insert(id) => {}
            Tried::Without { strategy, why, .. } => {
                let attempt = attempt.as_mut();
                let attempt = attempt.context("a run that is recorded has attempts")?;
                attempt.leave_out(&strategy, &why)?;
            }
        }
    }
}

/// A deck as it was when its run was interrupted.
struct Resumed {
    engine: Engine,
    facts: DeckFacts,
    registry: Arc<Registry>,
    loader: StrategyLoader,
    strategies: ResumedStrategies,
}

/// The outcome of an attempt.
enum Tried<T> {
    Resumed(T),
    /// The run can be resumed without this strategy.
    Without {
        strategy: String,
        why: String,
        /// Its number, if it was offered any batches and may decide the same on its own.
        id: Option<StrategyId>,
    },
}

fn try_to_resume(
    parts: &DeckParts,
    interrupted: &InterruptedRun,
    (left_out, batches): (&BTreeMap<String, String>, &BTreeSet<StrategyId>),
) -> Result<Tried<Box<Resumed>>> {
    let InterruptedRun { run, manifest } = interrupted;
    let mut registry = parts.registry.clone();
    let open = OpenVenues::open(&parts.config, &mut registry)?;
    let open = open
        .in_order_of(&venue_names(manifest)?, &registry)
        .with_context(|| {
            format!(
                "run {} can't be resumed; --fresh leaves it and its positions behind",
                run.number
            )
        })?;
    // Before its reels are touched.
    if let Some(venue) = open.living(&registry) {
        return Err(EngineError::LivesOn { venue }.into());
    }
    let mut loader = parts.loader(&open, &registry)?;
    loader.first_order = manifest.first_order;
    (parts.save_names)(&registry)?;
    let config = EngineConfig {
        killed: manifest.killed,
        ..parts.engine_config(&registry)?
    };
    let mut facts = DeckFacts::new(&open, &config, parts.pace);
    facts.title += &format!(", resuming run {}", run.number);
    let (loader, registry) = (Arc::new(loader), Arc::new(registry));
    let versions = versions(parts, interrupted, (&loader, &registry), left_out)?;
    // A call that met its time limit then must meet it now.
    loader.runtime.set_time_limit_factor(TIME_LIMIT_FACTOR);
    let counting = parts.marks.count_time();
    let versions_of = (&registry, &versions);
    let scope = (left_out, batches);
    let tried = parts.resume_engine(interrupted, config, versions_of, open.venues, scope)?;
    drop(counting);
    loader.runtime.set_time_limit_factor(1);
    let mut engine = match tried {
        Tried::Resumed(engine) => engine,
        Tried::Without { strategy, why, id } => return Ok(Tried::Without { strategy, why, id }),
    };
    parts.go_live(&loader.runtime);
    let strategies = settle_strategies(&mut engine, &versions, run, left_out)?;
    restore_kill(parts.killed, run, &engine, &engine.status());
    drop(versions);
    let loader = Arc::into_inner(loader).context("nobody else makes versions any more")?;
    Ok(Tried::Resumed(Box::new(Resumed {
        engine,
        facts,
        registry,
        loader,
        strategies,
    })))
}

/// Returns the means to recreate the versions of the run.
fn versions(
    parts: &DeckParts,
    InterruptedRun { run, manifest }: &InterruptedRun,
    (loader, registry): (&Arc<StrategyLoader>, &Arc<Registry>),
    left_out: &BTreeMap<String, String>,
) -> Result<RecordedVersions> {
    let modules = loader.modules.clone();
    let modules = modules.context("a run that is recorded has modules")?;
    let names = left_out.keys().cloned().collect();
    let not_called = NotCalled::of_run(&run.folder, manifest, &names)?;
    let authority = Authority {
        scan: parts.scan.clone(),
        grants: parts.grants.as_they_stand(),
        loader: Arc::clone(loader),
        registry: Arc::clone(registry),
        is_killed: parts.killed,
    };
    let versions = RecordedVersions::new(Arc::clone(loader), Arc::clone(registry), modules);
    Ok(versions.without_calling(not_called).under(authority))
}

/// Returns the names of a run's venues, in their order.
fn venue_names(manifest: &RunManifest) -> Result<Vec<String>> {
    let registry = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let name = |recorded: &RecordedTerms| {
        let name = registry.venue(recorded.terms().venue);
        name.map(str::to_owned)
            .context("the reel has a venue without a name")
    };
    manifest.venues.iter().map(name).collect()
}

impl DeckParts {
    /// Creates an engine in the state at the interruption, which continues the recording.
    fn resume_engine(
        &self,
        InterruptedRun { run, manifest }: &InterruptedRun,
        config: EngineConfig,
        (registry, versions): (&Arc<Registry>, &RecordedVersions),
        venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
        (left_out, batches): (&BTreeMap<String, String>, &BTreeSet<StrategyId>),
    ) -> Result<Tried<Engine>> {
        let began = Instant::now();
        let mut starts = Vec::new();
        for recorded in &manifest.strategies {
            match versions.start_recorded(recorded) {
                Ok(start) => starts.push(start),
                Err(error) if left_out.contains_key(&recorded.name) => return Err(error),
                Err(error) => {
                    let why = format!(
                        "it no longer starts as it did in run {}: {error:#}",
                        run.number
                    );
                    let strategy = recorded.name.clone();
                    let id = None;
                    return Ok(Tried::Without { strategy, why, id });
                }
            }
        }
        let reels = reel_config(&self.config.journal);
        let (recorder, opened) = JournalRecorder::open(run, &reels, None)?;
        report_torn(&opened);
        self.make_room();
        let mut engine = self.engine(config, registry, venues, starts)?;
        engine.record(Box::new(recorder.waiting(self.pace == Pace::FlatOut)));
        let tape = ReelTape::open(&run.folder, Box::new(versions.clone()))?;
        let batches = BatchesAgain::to_resume(&run.folder, batches.clone())?;
        let mut tape = tape
            .without_calling(versions.not_called())
            .offering(batches);
        match engine.resume(&mut tape, &mut NullObserver) {
            Ok(resumed) => {
                let took = began.elapsed();
                report_resumed(run, &resumed, took);
                Ok(Tried::Resumed(engine))
            }
            Err(error) => {
                engine.discard();
                without(error, run, registry, left_out)
            }
        }
    }
}

/// Returns the strategy without which the run can be resumed.
fn without<T>(
    error: EngineError,
    run: &RecordedRun,
    registry: &Registry,
    left_out: &BTreeMap<String, String>,
) -> Result<Tried<T>> {
    if let EngineError::Diverged(divergence) = &error
        && let Some(name) = divergence.strategy.and_then(|id| registry.strategy(id))
        && !left_out.contains_key(name)
    {
        let (strategy, event) = (name.to_owned(), divergence.position);
        let why = format!(
            "at event {event} its decision differs from the one recorded in run {}",
            run.number
        );
        let id = divergence.strategy;
        return Ok(Tried::Without { strategy, why, id });
    }
    bail!(
        "run {} was interrupted and can't be resumed: {error}; `tickdeck replay {}` shows more, and --fresh leaves the run \
         and its positions behind",
        run.number,
        Untrusted::path(&run.folder)
    )
}

fn report_resumed(run: &RecordedRun, resumed: &tickdeck_engine::Resumed, took: Duration) {
    eprintln!(
        "run {} was interrupted and resumes at event {}: {} actions were recorded, {} decided and not yet sent; {} ms",
        run.number,
        resumed.events,
        resumed.actions,
        resumed.unkept,
        took.as_millis()
    );
}

/// Sets the kill switch if either the latch or the run has it on: the safer of the two holds.
fn restore_kill(latched: bool, run: &RecordedRun, engine: &Engine, status: &Status) {
    match (latched, status.killed) {
        (true, false) => engine.controls().order(OperatorCommand::Kill),
        (false, true) => eprintln!(
            "run {} was killed by the operator, and resumes with the kill switch on: --fresh leaves the run behind",
            run.number
        ),
        _ => {}
    }
}

/// Reports what was cut off the reels: fragments left by a crash are never removed silently.
fn report_torn(opened: &[Opened; 2]) {
    for torn in opened.iter().filter_map(|opened| opened.torn.as_ref()) {
        let what = match torn.durable {
            false => "a record was half-written when the run was interrupted",
            true => {
                "WARNING: the last records were on the disk and are damaged now; check the disk"
            }
        };
        let (bytes, file) = (torn.bytes, Untrusted::path(&torn.file));
        eprintln!("{what}: {bytes} bytes are kept in {file}");
    }
    for beyond in opened.iter().filter_map(|opened| opened.beyond.as_ref()) {
        eprintln!(
            "WARNING: the machine ended before everything was on the disk; where one reel is longer than the other, its \
             end is moved to {} ({} bytes), and the run resumes before it",
            Untrusted::path(&beyond.file),
            beyond.bytes
        );
    }
}
