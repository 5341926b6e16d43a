//! A run that was cut off (a kill, a crash, a power cut) is gone on with: the reels say where everything stood.
//!
//! The venues of a deck are simulated ones and live in the host, so they went with it. Given what they were given, they give
//! what they gave: while the run is done again from its reels, the venue is brought along, and checked against the reel event
//! by event. What had been decided and not kept never left, and leaves now; what was kept is not sent again.

use crate::assemble::reel_config;
use crate::assemble::{AssembledDeck, DeckParts, engine_config, kernel_core, titled};
use crate::clock::Pace;
use crate::lifecycle::{ManagerSetup, StrategyHistory, first_generation};
use crate::loading::LoadedStrategy;
use crate::replay::{PATIENCE, RecordedVersions};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::{Gateway, StrategyStart, VenueTerms};
use tickdeck_engine::{Engine, EngineConfig, NullObserver, OperatorCommand, Status, StrategyState};
use tickdeck_journal::Opened;
use tickdeck_model::Registry;
use tickdeck_recording::names::Names;
use tickdeck_recording::{JournalRecorder, RecordedRun, ReelTape, RunManifest, VersionSpec};
use tickdeck_settings::run_difference::{RunSettings, run_difference};
use tickdeck_strategy::watch::Scan;

/// A run that was cut off.
pub(crate) struct InterruptedRun {
    run: RecordedRun,
    manifest: RunManifest,
}

/// The venue of a start: what it is called, and the seed of what is random about it.
pub(crate) type Opening = (Box<dyn Gateway>, VenueTerms, String, u64);

impl DeckParts {
    /// The last run, if it was cut off.
    ///
    /// # Errors
    /// It was, and can't be gone on with as the deck is now.
    pub(crate) fn interrupted(&self) -> Result<Option<InterruptedRun>> {
        let Some(journal) = self.journal.as_ref().filter(|journal| !journal.fresh) else {
            return Ok(None);
        };
        let Some(run) = journal.reels.interrupted()? else {
            return Ok(None);
        };
        let manifest = RunManifest::read(&run.folder)?;
        let settings = |text, seed| RunSettings { text, seed };
        let was = settings(&manifest.settings.1, manifest.overrides.seed);
        let is = settings(&self.config.text, journal.played.seed);
        let differs =
            run_difference(was, is).or_else(|| manifest.overrides_differ(&journal.played));
        if let Some(what) = differs {
            bail!(
                "run {} was cut off, and {what}, so it can't be gone on with: put that back, or leave it and its positions \
                 behind with --fresh ({})",
                run.number,
                run.folder.display()
            );
        }
        Ok(Some(InterruptedRun { run, manifest }))
    }

    /// Puts the deck together as it stood where its run was cut off.
    ///
    /// # Errors
    /// A module is missing, or the run comes out differently now.
    pub(crate) fn go_on(
        self,
        cut: InterruptedRun,
        (gateway, terms, title, seed): Opening,
        registry: Registry,
    ) -> Result<AssembledDeck> {
        let InterruptedRun { run, manifest } = cut;
        let mut loader = self.loader(&terms, &registry)?;
        loader.first_order = manifest.first_order;
        (self.keep)(&registry)?;
        let config = engine_config(&self.config, &self.overrides, manifest.killed, &registry)?;
        let (workers, core) = (config.workers, kernel_core(&config));
        let title = titled(title, &config);
        let (loader, registry) = (Arc::new(loader), Arc::new(registry));
        let modules = loader.modules.clone();
        let modules = modules.context("a run that is kept has modules")?;
        let maker = RecordedVersions::new(Arc::clone(&loader), Arc::clone(&registry), modules);
        let venue = (gateway, terms);
        // What was in time then is in time now.
        loader.host.set_time_limit_factor(PATIENCE);
        let engine = self.stood(&run, config, (&registry, &maker), (&manifest, venue))?;
        loader.host.set_time_limit_factor(1);
        let status = engine.status();
        self.tell_kill(&run, &engine, &status);
        let seated = running(&maker, &status);
        drop(maker);
        let ledger = StrategyHistory::default();
        for (candidate, _) in &seated {
            ledger.change(&candidate.name, |record| {
                first_generation(record, candidate, status.now);
            });
        }
        let (seated, plugins) = seated.into_iter().unzip();
        let names = Names::new(Arc::clone(&registry), Some(loader.money.id));
        let loader = Arc::into_inner(loader).context("nobody else makes versions any more")?;
        Ok(AssembledDeck {
            engine,
            feed: loader.feed.clone(),
            names: names.clone(),
            title: format!("{title}, going on with run {}", run.number),
            seed,
            workers,
            core,
            skipped: BTreeMap::new(),
            setup: ManagerSetup {
                loader,
                grants: self.grants,
                registry,
                keep: self.keep,
                names,
                folder: self.folder,
                scan: Scan {
                    plugins,
                    ..Scan::default()
                },
                seated,
                waiting: Vec::new(),
                ledger,
            },
        })
    }

    /// An engine that stands where the run was cut off, and keeps on keeping it.
    fn stood(
        &self,
        run: &RecordedRun,
        config: EngineConfig,
        (registry, maker): (&Arc<Registry>, &RecordedVersions),
        (manifest, venue): (&RunManifest, (Box<dyn Gateway>, VenueTerms)),
    ) -> Result<Engine> {
        let (began, seats) = (Instant::now(), maker.seats(manifest)?);
        let journal = reel_config(&self.config.journal);
        let (recorder, opened) = JournalRecorder::open(run, &journal, None)?;
        tell_torn(&opened);
        self.make_room();
        let clock = self.pace.clock(self.stop.clone());
        let now_ns = Arc::new(move || crate::clock::since(began));
        let registry = Arc::clone(registry);
        let mut engine = Engine::new(config, registry, vec![venue], seats, clock, now_ns)?;
        let waits = self.pace == Pace::FlatOut;
        engine.record(Box::new(recorder.waiting(waits)));
        let mut tape = ReelTape::open(&run.folder, Box::new(maker.clone()))?;
        let resumed = engine.resume(&mut tape, &mut NullObserver);
        let resumed = resumed.map_err(|error| {
            anyhow!(
                "run {} was cut off and can't be gone on with: {error}; `tickdeck replay {}` shows more, and --fresh \
                 leaves it and its positions behind",
                run.number,
                run.folder.display()
            )
        })?;
        eprintln!(
            "run {} was cut off and goes on at event {}: {} actions were kept, {} decided and not yet sent; {} ms",
            run.number,
            resumed.events,
            resumed.actions,
            resumed.unkept,
            began.elapsed().as_millis()
        );
        Ok(engine)
    }

    /// The latch and the run may not agree on the kill switch: the safer of the two holds.
    fn tell_kill(&self, run: &RecordedRun, engine: &Engine, status: &Status) {
        match (self.killed, status.killed) {
            (true, false) => engine.controls().order(OperatorCommand::Kill),
            (false, true) => eprintln!(
                "run {} was killed by the operator, and so it goes on: --fresh leaves it behind",
                run.number
            ),
            _ => {}
        }
    }
}

/// The strategies that run, with the plugins that they run.
fn running(
    maker: &RecordedVersions,
    status: &Status,
) -> Vec<(LoadedStrategy, tickdeck_strategy::watch::Plugin)> {
    let seated = status.strategies.iter().filter(|one| {
        !matches!(
            one.state,
            StrategyState::Stopped | StrategyState::Quarantined
        )
    });
    seated
        .filter_map(|one| {
            let candidate = maker.take(&one.name, &one.hash)?;
            let plugin = maker.plugin(candidate.spec()).ok()?;
            Some((candidate, plugin))
        })
        .collect()
}

/// Nothing that a crash left is cut away silently.
fn tell_torn(opened: &[Opened; 2]) {
    for torn in opened.iter().filter_map(|opened| opened.torn.as_ref()) {
        let what = match torn.durable {
            false => "a record was half written when the run was cut off",
            true => {
                "WARNING: the last records were on the disk and are damaged now; check the disk"
            }
        };
        let (bytes, file) = (torn.bytes, torn.file.display());
        eprintln!("{what}: {bytes} bytes are kept in {file}");
    }
    for beyond in opened.iter().filter_map(|opened| opened.beyond.as_ref()) {
        eprintln!(
            "WARNING: the machine ended before all was on the disk; where one reel is longer than the other, its end is put \
             aside in {} ({} bytes), and the run goes on before it",
            beyond.file.display(),
            beyond.bytes
        );
    }
}

impl RecordedVersions {
    /// The strategies of a run's start, started.
    ///
    /// # Errors
    /// One can't be made, or started.
    pub(crate) fn seats(&self, manifest: &RunManifest) -> Result<Vec<StrategyStart>> {
        let seat = |kept: &tickdeck_recording::RecordedStart| {
            let spec = VersionSpec::read(&kept.spec)?;
            self.seat(&kept.name, &spec)
        };
        manifest.strategies.iter().map(seat).collect()
    }
}
