//! Resumes an interrupted run (a kill, a crash, a power cut): the reels hold the state of everything.
//!
//! The venues of a deck are simulated ones and live in the host, so they ended with it. Given the same commands, they give
//! the same answers: while the run is replayed from its reels, the venues are brought along, and checked against the reel
//! event by event. Decisions that were not recorded never left, and leave now; recorded ones are not sent again.

use crate::assemble::{AssembledDeck, DeckFacts, DeckParts, LoadedDeck, reel_config};
use crate::clock::Pace;
use crate::lifecycle::{StrategyHistory, first_generation};
use crate::loading::LoadedStrategy;
use crate::open_venues::OpenVenues;
use crate::replay::recorded_versions::{RecordedVersions, TIME_LIMIT_FACTOR};
use anyhow::{Context, Result, anyhow, bail};
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::{Gateway, VenueTerms};
use tickdeck_engine::{
    Engine, EngineConfig, EngineError, NullObserver, OperatorCommand, Status, StrategyState,
};
use tickdeck_journal::Opened;
use tickdeck_model::{Registry, Untrusted};
use tickdeck_recording::{JournalRecorder, RecordedRun, RecordedTerms, ReelTape, RunManifest};
use tickdeck_settings::run_difference::{RunSettings, run_difference};
use tickdeck_strategy::watch::{Plugin, Scan};

/// A run that was interrupted.
pub(crate) struct InterruptedRun {
    run: RecordedRun,
    manifest: RunManifest,
}

/// Returns the last run of a deck if it was interrupted and is not to be left behind.
///
/// # Errors
/// It was interrupted, and can't be resumed with the deck as it is now.
pub(crate) fn interrupted(parts: &DeckParts) -> Result<Option<InterruptedRun>> {
    let Some(journal) = parts.journal.as_ref().filter(|journal| !journal.fresh) else {
        return Ok(None);
    };
    let Some(run) = journal.reels.interrupted()? else {
        return Ok(None);
    };
    let manifest = RunManifest::read(&run.folder)?;
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

/// Assembles a deck as it was when its run was interrupted.
///
/// # Errors
/// A venue or a module is missing, or the replay of the run differs.
pub(crate) fn resume(mut parts: DeckParts, interrupted: InterruptedRun) -> Result<AssembledDeck> {
    let InterruptedRun { run, manifest } = interrupted;
    let mut registry = std::mem::take(&mut parts.registry);
    let open = OpenVenues::open(&parts.config, &mut registry)?;
    let open = open
        .in_order_of(&venue_names(&manifest)?, &registry)
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
    let mut facts = DeckFacts::new(open.title, open.seed, &config, parts.pace);
    facts.title += &format!(", resuming run {}", run.number);
    let (loader, registry) = (Arc::new(loader), Arc::new(registry));
    let modules = loader.modules.clone();
    let modules = modules.context("a run that is recorded has modules")?;
    let versions = RecordedVersions::new(Arc::clone(&loader), Arc::clone(&registry), modules);
    // A call that met its time limit then must meet it now.
    loader.runtime.set_time_limit_factor(TIME_LIMIT_FACTOR);
    let engine = parts.resume_engine(
        (&run, &manifest),
        config,
        (&registry, &versions),
        open.venues,
    )?;
    loader.runtime.set_time_limit_factor(1);
    parts.go_live(&loader.runtime);
    let status = engine.status();
    restore_kill(parts.killed, &run, &engine, &status);
    let (started, plugins) = running(&versions, &status).into_iter().unzip();
    drop(versions);
    let loader = Arc::into_inner(loader).context("nobody else makes versions any more")?;
    let loaded = LoadedDeck {
        started,
        ..LoadedDeck::default()
    };
    let history = StrategyHistory::default();
    for loaded in &loaded.started {
        history.change(&loaded.name, |record| {
            first_generation(record, loaded, status.now);
        });
    }
    let scan = Scan {
        plugins,
        ..Scan::default()
    };
    // What later versions added is on the reel too; the next one adds it once more.
    let names = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let parts_of_loading = (registry, names.name_count(), loader);
    Ok(parts.assembled(engine, facts, parts_of_loading, (loaded, scan, history)))
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
    /// Makes an engine in the state of the interruption, which continues the recording.
    fn resume_engine(
        &self,
        (run, manifest): (&RecordedRun, &RunManifest),
        config: EngineConfig,
        (registry, versions): (&Arc<Registry>, &RecordedVersions),
        venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
    ) -> Result<Engine> {
        let (began, starts) = (Instant::now(), versions.start_all(manifest)?);
        let reels = reel_config(&self.config.journal);
        let (recorder, opened) = JournalRecorder::open(run, &reels, None)?;
        report_torn(&opened);
        self.make_room();
        let mut engine = self.engine(config, registry, venues, starts)?;
        engine.record(Box::new(recorder.waiting(self.pace == Pace::FlatOut)));
        let mut tape = ReelTape::open(&run.folder, Box::new(versions.clone()))?;
        let resumed = engine.resume(&mut tape, &mut NullObserver);
        let resumed = resumed.map_err(|error| {
            anyhow!(
                "run {} was interrupted and can't be resumed: {error}; `tickdeck replay {}` shows more, and --fresh \
                 leaves the run and its positions behind",
                run.number,
                Untrusted::path(&run.folder)
            )
        })?;
        eprintln!(
            "run {} was interrupted and resumes at event {}: {} actions were recorded, {} decided and not yet sent; {} ms",
            run.number,
            resumed.events,
            resumed.actions,
            resumed.unkept,
            began.elapsed().as_millis()
        );
        Ok(engine)
    }
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

/// Returns the strategies that run, with their plugins.
fn running(versions: &RecordedVersions, status: &Status) -> Vec<(LoadedStrategy, Plugin)> {
    let running = status.strategies.iter().filter(|one| {
        !matches!(
            one.state,
            StrategyState::Stopped | StrategyState::Quarantined
        )
    });
    running
        .filter_map(|one| {
            let loaded = versions.take(&one.name, &one.hash)?;
            let plugin = versions.plugin(loaded.spec()).ok()?;
            Some((loaded, plugin))
        })
        .collect()
}

/// Reports what was cut off the reels: nothing that a crash left is removed silently.
fn report_torn(opened: &[Opened; 2]) {
    for torn in opened.iter().filter_map(|opened| opened.torn.as_ref()) {
        let what = match torn.durable {
            false => "a record was half written when the run was interrupted",
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
