//! A recorded run as it would have gone with another module: the venue is played again from its seed or its capture, so that
//! it answers what is decided now, and the operator does what they did, when they did it.

use crate::assemble::{Overrides, engine_config};
use crate::clock::{Pace, since};
use crate::replay::settings;
use crate::replay::{RecordedVersions, loader, plugin};
use crate::venues::venue;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::{Clock, StrategyStart};
use tickdeck_engine::{
    AppliedAction, Effect, Engine, EngineHandle, OperatorCommand, RecordError, RecordedChange,
    Recorder, Stepping, StrategyChange,
};
use tickdeck_journal::{Reader, segments};
use tickdeck_model::{Event, Registry, StrategyId, Timestamp};
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, EVENTS, RecordKind, RecordedRun, RunManifest, VersionFactory as _, VersionSpec,
    effects,
};

/// A run with another module, ready to be played.
pub struct WhatIf {
    /// The engine.
    pub engine: Engine,
    /// What is decided, as it is.
    pub acted: DecidedActions,
    /// The words behind its numbers.
    pub names: Names,
}

/// The actions of a run, in the order in which they were carried out.
#[derive(Clone, Default)]
pub struct DecidedActions(Arc<Mutex<Vec<AppliedAction>>>);

impl DecidedActions {
    /// Takes them.
    pub fn take(&self) -> Vec<AppliedAction> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder for DecidedActions {
    fn events(&mut self, _: &[Event]) {}

    fn effect(&mut self, _: u64, effect: &Effect) {
        if let Effect::Applied(acted) = effect {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(*acted);
        }
    }

    fn commit(&mut self, _: bool) -> Result<(), RecordError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Puts a run together with another module for a strategy, in all its versions.
///
/// # Errors
/// The run has no such strategy, the module can't be loaded, or the venue can't be played again.
pub fn otherwise(
    reels: &DataReels,
    run: &RecordedRun,
    (name, file): (&str, &Path),
    stop: &CancelToken,
) -> Result<WhatIf> {
    let manifest = RunManifest::read(&run.folder)?;
    let spec = recipe_of(&manifest, name, run)?;
    let config = settings(&manifest)?;
    let mut registry = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let mut gateway = venue(&config)?.gateway;
    let terms = gateway.register(&mut registry)?;
    let loader = loader(
        config,
        std::slice::from_ref(&terms),
        &registry,
        manifest.first_order,
    )?;
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let other = plugin(&spec.plugin, file.to_owned(), bytes, spec.sidecar.as_ref())?;
    let overrides = Overrides {
        events: manifest.overrides.events,
        ..Overrides::default()
    };
    let mut config = engine_config(&loader.config, &overrides, manifest.killed, &registry)?;
    (config.stepping, config.pin) = (Stepping::Lockstep, Vec::new());
    let loader = Arc::new(loader);
    let maker = RecordedVersions::new(Arc::clone(&loader), Arc::new(registry), reels.modules());
    let maker = maker.with_other(name.to_owned(), other)?;
    let seats: Vec<StrategyStart> = maker.seats(&manifest)?;
    let named = seats.iter().find(|seat| seat.name == name);
    let named = named.map(|seat| seat.id);
    let mut wishes = wishes(effects(run)?, &maker, named)?;
    if !matches!(wishes.last(), Some((_, CommandAt::Stop))) {
        wishes.push((last_moment(run)?, CommandAt::Stop));
    }
    let controls = Arc::new(OnceLock::new());
    let clock = CommandClock {
        clock: Pace::FlatOut.clock(stop.clone()),
        controls: Arc::clone(&controls),
        wishes: wishes.into_iter().peekable(),
        lookahead_ns: i64::try_from(terms.lookahead_ns).unwrap_or(i64::MAX),
    };
    let (epoch, registry) = (Instant::now(), maker.registry());
    let mut engine = Engine::new(
        config,
        Arc::clone(&registry),
        vec![(gateway, terms)],
        seats,
        Box::new(clock),
        Arc::new(move || since(epoch)),
    )?;
    let acted = DecidedActions::default();
    engine.record(Box::new(acted.clone()));
    let _ = controls.set(engine.controls());
    Ok(WhatIf {
        engine,
        acted,
        names: Names::new(registry, Some(loader.money.id)),
    })
}

fn recipe_of(manifest: &RunManifest, name: &str, run: &RecordedRun) -> Result<VersionSpec> {
    let Some(seat) = manifest.strategies.iter().find(|seat| seat.name == name) else {
        let names: Vec<&str> = manifest
            .strategies
            .iter()
            .map(|seat| seat.name.as_str())
            .collect();
        bail!(
            "run {} began without a strategy `{name}`: it had {}",
            run.number,
            names.join(", ")
        );
    };
    VersionSpec::read(&seat.spec)
}

/// What the operator did, and when it counted.
enum CommandAt {
    Operator(OperatorCommand),
    Change(StrategyChange),
    /// It ended there.
    Stop,
}

/// The time of the last event.
fn last_moment(run: &RecordedRun) -> Result<Timestamp> {
    let last = segments(&run.folder, EVENTS)?;
    let end = last.last().map_or(0, |last| last.first + last.records);
    let mut reader = Reader::open(&run.folder, EVENTS)?;
    reader.seek(end.saturating_sub(1))?;
    let mut moment = Timestamp::MIN;
    while let Some(record) = reader.next()? {
        if record.kind == RecordKind::Event as u16 {
            moment = Event::from_bytes(record.payload)?.ts_host;
        }
    }
    Ok(moment)
}

/// What the operator did, but for versions of the strategy that has another module.
fn wishes(
    effects: Vec<Effect>,
    maker: &RecordedVersions,
    named: Option<StrategyId>,
) -> Result<Vec<(Timestamp, CommandAt)>> {
    let mut wishes = Vec::new();
    // What became of instances may stand between a change and its refusal.
    let settled = |effect: &Effect| matches!(effect, Effect::Settled { .. } | Effect::Applied(_));
    let mut effects = effects
        .into_iter()
        .filter(|effect| !settled(effect))
        .peekable();
    while let Some(effect) = effects.next() {
        match effect {
            Effect::Stopping { at } => wishes.push((at, CommandAt::Stop)),
            Effect::Operated { at, order } => wishes.push((at, CommandAt::Operator(order))),
            Effect::Changed { at, what } => {
                let refused = effects
                    .next_if(|next| matches!(next, Effect::Refused { .. }))
                    .is_some();
                if refused || Some(what.strategy()) == named {
                    continue;
                }
                wishes.extend(change(what, maker)?.map(|change| (at, CommandAt::Change(change))));
            }
            _ => {}
        }
    }
    Ok(wishes)
}

/// A change as it is asked for once more. A strategy that came later is left out: it would start where the other run stood.
fn change(what: RecordedChange, maker: &RecordedVersions) -> Result<Option<StrategyChange>> {
    Ok(Some(match what {
        RecordedChange::Start { name, spec, .. } => {
            let spec = VersionSpec::read(&spec)?;
            StrategyChange::Start(Box::new(maker.seat(&name, &spec)?))
        }
        RecordedChange::Swap { strategy, spec } => {
            let spec = VersionSpec::read(&spec)?;
            let name = maker
                .registry()
                .strategy(strategy)
                .unwrap_or_default()
                .to_owned();
            StrategyChange::Swap(strategy, Box::new(maker.version(&name, &spec)?))
        }
        RecordedChange::Promote(strategy) => StrategyChange::Promote(strategy),
        RecordedChange::RollBack(strategy) => StrategyChange::RollBack(strategy),
        RecordedChange::Remove(strategy) => StrategyChange::Remove(strategy),
    }))
}

/// Says what the operator said when event time comes to it; the kernel asks it at every window.
struct CommandClock {
    clock: Box<dyn Clock>,
    controls: Arc<OnceLock<EngineHandle>>,
    wishes: std::iter::Peekable<std::vec::IntoIter<(Timestamp, CommandAt)>>,
    lookahead_ns: i64,
}

impl Clock for CommandClock {
    fn wait_until(&mut self, due: Timestamp) {
        let Some(controls) = self.controls.get() else {
            return;
        };
        let ahead = self.lookahead_ns;
        let is_due = |(at, wish): &(Timestamp, CommandAt)| {
            // A new version is announced one window before it takes over.
            let windows = match wish {
                CommandAt::Change(StrategyChange::Swap(..)) => 2,
                CommandAt::Operator(_) | CommandAt::Change(_) => 1,
                CommandAt::Stop => 0,
            };
            due > at.saturating_sub(ahead.saturating_mul(windows))
        };
        while let Some((_, wish)) = self.wishes.next_if(is_due) {
            match wish {
                CommandAt::Operator(order) => controls.order(order),
                CommandAt::Stop => controls.stop(),
                // Nobody waits for the answer; a refusal shows in what is decided.
                CommandAt::Change(change) => drop(controls.change(change)),
            }
        }
    }

    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        self.clock.reached()
    }

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}
