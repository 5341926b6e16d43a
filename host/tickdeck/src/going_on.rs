//! A run that was cut off (a kill, a crash, a power cut) is gone on with: the reels say where everything stood.
//!
//! The venues of a deck are simulated ones and live in the host, so they went with it. Given what they were given, they give
//! what they gave: while the run is done again from its reels, the venue is brought along, and checked against the reel event
//! by event. What had been decided and not kept never left, and leaves now; what was kept is not sent again.

use crate::board::Topic;
use crate::casting::Candidate;
use crate::clock::Pace;
use crate::names::Names;
use crate::reel::{ACTIONS, JournalRecorder, Maker, Recipe, ReelTape, Run, Session, reel_config};
use crate::stage::{Ledger, Setup, first_generation};
use crate::wiring::{Parts, Wired, engine_config, kernel_core, titled};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::{Gateway, Seat, VenueTerms};
use tickdeck_engine::{Engine, Notice, Observer, Order, Status, StrategyState};
use tickdeck_journal::Opened;
use tickdeck_model::{Registry, Timestamp};
use tickdeck_strategy::LogLevel;
use tickdeck_strategy::watch::Scan;

/// A run that was cut off.
pub(crate) struct CutOff {
    run: Run,
    session: Session,
}

/// The venue of a start: what it is called, and the seed of what is random about it.
pub(crate) type Opening = (Box<dyn Gateway>, VenueTerms, String, u64);

impl Parts {
    /// The last run, if it was cut off.
    ///
    /// # Errors
    /// It was, and can't be gone on with as the deck is now.
    pub(crate) fn cut_off(&self) -> Result<Option<CutOff>> {
        let Some(journal) = self.journal.as_ref().filter(|journal| !journal.afresh) else {
            return Ok(None);
        };
        let runs = journal.reels.runs()?;
        let Some(run) = runs.into_iter().rev().find(Run::has_begun) else {
            return Ok(None);
        };
        if run.has_ended() {
            return Ok(None);
        }
        let session = Session::read(&run.folder)?;
        let (settings, played) = (&self.config.text, &journal.played);
        if let Some(what) = session.differs(settings, played) {
            bail!(
                "run {} was cut off, and {what} changed since, so it can't be gone on with: put {what} back, or leave it \
                 and its positions behind with --afresh ({})",
                run.number,
                run.folder.display()
            );
        }
        Ok(Some(CutOff { run, session }))
    }

    /// Puts the deck together as it stood where its run was cut off.
    ///
    /// # Errors
    /// A module is missing, or the run comes out differently now.
    pub(crate) fn go_on(
        self,
        cut: CutOff,
        (gateway, terms, title, seed): Opening,
        registry: Registry,
    ) -> Result<Wired> {
        let CutOff { run, session } = cut;
        let began = Instant::now();
        let mut casting = self.casting(&terms, &registry)?;
        casting.first_order = session.first_order;
        (self.keep)(&registry)?;
        let overrides = &self.overrides;
        let config = engine_config(&self.config, overrides, session.killed, &registry)?;
        let (workers, core) = (config.workers, kernel_core(&config));
        let title = titled(title, &config);
        let (casting, registry) = (Arc::new(casting), Arc::new(registry));
        let modules = casting
            .modules
            .clone()
            .context("a run that is kept has modules")?;
        let maker = Maker::new(Arc::clone(&casting), Arc::clone(&registry), modules);
        let seats = maker.seats(&session)?;
        let journal = reel_config(&self.config.journal);
        let (recorder, opened) = JournalRecorder::open(&run, &journal, None)?;
        tell_torn(&opened);
        self.make_room();
        let (clock, epoch) = (self.pace.clock(self.stop.clone()), Instant::now());
        let venues = vec![(gateway, terms)];
        let now_ns = Arc::new(move || crate::clock::since(epoch));
        let mut engine = Engine::new(config, Arc::clone(&registry), venues, seats, clock, now_ns)?;
        engine.record(Box::new(recorder.waiting(self.pace == Pace::FlatOut)));
        let mut tape = ReelTape::open(&run.folder, maker.clone())?;
        let resumed = engine.resume(&mut tape, &mut Nobody);
        let resumed = resumed.map_err(|error| {
            anyhow!(
                "run {} was cut off and can't be gone on with: {error}; `tickdeck replay {}` shows more, and --afresh \
                 leaves it and its positions behind",
                run.number,
                run.folder.display()
            )
        })?;
        drop(tape);
        let words = format!(
            "run {} was cut off and goes on at event {}: {} actions were kept, {} decided and not yet sent; {} ms",
            run.number,
            resumed.events,
            resumed.actions,
            resumed.unkept,
            began.elapsed().as_millis()
        );
        eprintln!("{words}");
        let board = casting.board.clone();
        board.say(Topic::Operator, ACTIONS, LogLevel::Info, &words);
        let status = engine.status();
        if self.killed && !status.killed {
            engine.controls().order(Order::Kill);
        }
        if !self.killed && status.killed {
            eprintln!(
                "run {} was killed by the operator, and so it goes on: --afresh leaves it behind",
                run.number
            );
        }
        let seated = running(&maker, &status);
        drop(maker);
        let scan = Scan {
            plugins: seated.iter().map(|candidate| candidate.1.clone()).collect(),
            ..Scan::default()
        };
        let seated: Vec<Candidate> = seated.into_iter().map(|(candidate, _)| candidate).collect();
        let ledger = Ledger::default();
        for candidate in &seated {
            ledger.change(&candidate.name, |record| {
                first_generation(record, candidate, status.now);
            });
        }
        let names = Names::new(Arc::clone(&registry), Some(casting.money.id));
        let casting = Arc::into_inner(casting).context("nobody else makes versions any more")?;
        Ok(Wired {
            engine,
            board,
            names: names.clone(),
            title: format!("{title}, going on with run {}", run.number),
            seed,
            workers,
            core,
            skipped: BTreeMap::new(),
            setup: Setup {
                casting,
                grants: self.grants,
                registry,
                keep: self.keep,
                names,
                folder: self.folder,
                scan,
                seated,
                waiting: Vec::new(),
                ledger,
            },
        })
    }
}

/// The strategies that run, with the plugins that they run.
fn running(maker: &Maker, status: &Status) -> Vec<(Candidate, tickdeck_strategy::watch::Plugin)> {
    let seated = status.strategies.iter().filter(|one| {
        !matches!(
            one.state,
            StrategyState::Stopped | StrategyState::Quarantined
        )
    });
    seated
        .filter_map(|one| {
            let candidate = maker.take(&one.name, &one.hash)?;
            let plugin = maker.plugin(candidate.recipe()).ok()?;
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
}

struct Nobody;

impl Observer for Nobody {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, _: &Status) {}
}

impl Maker {
    /// The strategies of a run's start, started.
    ///
    /// # Errors
    /// One can't be made, or started.
    pub(crate) fn seats(&self, session: &Session) -> Result<Vec<Seat>> {
        let seat = |kept: &crate::reel::SeatKept| {
            let recipe = Recipe::read(&kept.recipe)?;
            self.seat(&kept.name, &recipe)
        };
        session.seats.iter().map(seat).collect()
    }
}
