//! Plays a recorded run with another module: the venues are simulated again from their seeds or captures, so that they answer
//! the new decisions, and the operator's commands are repeated at their original times.

use crate::clock::{Pace, since};
use crate::compiling::Compiling;
use crate::open_venues::OpenVenues;
use crate::replay::command_clock::{CommandClock, TimedCommand};
use crate::replay::prepare::{recorded_engine_config, recorded_loader, settings};
use crate::replay::recorded_versions::{RecordedVersions, plugin};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tickdeck_engine::{
    AppliedAction, CancelToken, Effect, Engine, EngineConfig, RecordError, RecordedChange,
    Recorder, Stepping, StrategyChange,
};
use tickdeck_files::read_bounded;
use tickdeck_journal::{Reader, segments};
use tickdeck_model::{Event, Registry, StrategyId, Timestamp};
use tickdeck_recording::names::Names;
use tickdeck_recording::{
    DataReels, EVENTS, RecordKind, RecordedRun, RunManifest, VersionFactory as _, VersionSpec,
    effects, recorded_event,
};

/// A recorded run with another module, ready to be played.
pub struct WhatIf {
    /// The engine.
    pub engine: Engine,
    /// Its actions, as they are decided.
    pub decided: DecidedActions,
    /// The names behind the numbers.
    pub names: Names,
}

/// The actions of a run, in the order in which they were carried out.
#[derive(Clone, Default)]
pub struct DecidedActions(Arc<Mutex<Vec<AppliedAction>>>);

impl DecidedActions {
    /// Takes the actions so far.
    pub fn take(&self) -> Vec<AppliedAction> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Recorder for DecidedActions {
    fn events(&mut self, _: &[Event]) {}

    fn effect(&mut self, _: u64, effect: &Effect) {
        if let Effect::Applied(action) = effect {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(*action);
        }
    }

    fn commit(&mut self, _: bool) -> Result<(), RecordError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), RecordError> {
        Ok(())
    }
}

/// Prepares a recorded run with another module for a strategy, in all its versions.
///
/// # Errors
/// The run has no such strategy, the module can't be loaded, or a venue can't play again.
pub fn prepare_what_if(
    reels: &DataReels,
    run: &RecordedRun,
    (name, file): (&str, &Path),
    stop: &CancelToken,
) -> Result<WhatIf> {
    let manifest = RunManifest::read(&run.folder)?;
    run.check_contract()?;
    let spec = spec_of(&manifest, name, run)?;
    let config = settings(&manifest)?;
    let mut registry = Registry::from_text(&manifest.names).context("the names in the reel")?;
    let open = OpenVenues::open(&config, &mut registry)?;
    let compiling = Compiling::of_host(&config.wasm);
    let first_order = manifest.first_order;
    let loader = recorded_loader(config, open.terms(), &registry, first_order, compiling)?;
    let currency = loader.account_currency.id;
    let bytes = read_bounded(file, tickdeck_strategy::MAX_MODULE as u64)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let other = plugin(&spec.plugin, file.to_owned(), bytes, spec.sidecar.as_ref())?;
    let config = EngineConfig {
        stepping: Stepping::Lockstep,
        ..recorded_engine_config(&manifest, &loader.config, &registry)?
    };
    let versions = RecordedVersions::new(Arc::new(loader), Arc::new(registry), reels.modules());
    let versions = versions.with_replacement(name.to_owned(), other)?;
    let starts = versions.start_all(&manifest)?;
    let replaced = starts.iter().find(|start| start.name == name);
    let replaced = replaced.map(|start| start.id);
    let lookaheads = open.terms().map(|terms| terms.lookahead_ns);
    let lookahead_ns = lookaheads.min().unwrap_or_default();
    let handle = Arc::new(OnceLock::new());
    let clock = CommandClock {
        clock: Pace::FlatOut.clock(stop.clone()),
        engine: Arc::clone(&handle),
        commands: commands_until_end(run, &versions, replaced)?
            .into_iter()
            .peekable(),
        lookahead_ns: i64::try_from(lookahead_ns).unwrap_or(i64::MAX),
    };
    let (epoch, registry) = (Instant::now(), versions.registry());
    let mut engine = Engine::new(
        config,
        Arc::clone(&registry),
        open.venues,
        starts,
        Box::new(clock),
        Arc::new(move || since(epoch)),
    )?;
    let decided = DecidedActions::default();
    engine.record(Box::new(decided.clone()));
    let _ = handle.set(engine.controls());
    Ok(WhatIf {
        engine,
        decided,
        names: Names::new(registry, Some(currency)),
    })
}

fn spec_of(manifest: &RunManifest, name: &str, run: &RecordedRun) -> Result<VersionSpec> {
    let Some(start) = manifest.strategies.iter().find(|start| start.name == name) else {
        let names: Vec<&str> = manifest
            .strategies
            .iter()
            .map(|start| start.name.as_str())
            .collect();
        bail!(
            "run {} began without a strategy `{name}`: it had {}",
            run.number,
            names.join(", ")
        );
    };
    VersionSpec::read(&start.spec)
}

/// Returns the time of the last event.
fn last_moment(run: &RecordedRun) -> Result<Timestamp> {
    let last = segments(&run.folder, EVENTS)?;
    let end = last.last().map_or(0, |last| last.first + last.records);
    let mut reader = Reader::open(&run.folder, EVENTS)?;
    reader.seek(end.saturating_sub(1))?;
    let mut moment = Timestamp::MIN;
    while let Some(record) = reader.next()? {
        if record.kind == RecordKind::Event as u16 {
            moment = recorded_event(record.payload)?.ts_host;
        }
    }
    Ok(moment)
}

/// Returns the commands of a run, except those for versions of the replaced strategy; the last one ends the run.
fn commands_until_end(
    run: &RecordedRun,
    versions: &RecordedVersions,
    replaced: Option<StrategyId>,
) -> Result<Vec<(Timestamp, TimedCommand)>> {
    let mut commands = commands(effects(run)?, versions, replaced)?;
    if !matches!(commands.last(), Some((_, TimedCommand::Stop))) {
        commands.push((last_moment(run)?, TimedCommand::Stop));
    }
    Ok(commands)
}

fn commands(
    effects: Vec<Effect>,
    versions: &RecordedVersions,
    replaced: Option<StrategyId>,
) -> Result<Vec<(Timestamp, TimedCommand)>> {
    let mut commands = Vec::new();
    // Outcomes of instances may stand between a change and its refusal.
    let settled = |effect: &Effect| matches!(effect, Effect::Settled { .. } | Effect::Applied(_));
    let mut effects = effects
        .into_iter()
        .filter(|effect| !settled(effect))
        .peekable();
    while let Some(effect) = effects.next() {
        match effect {
            Effect::Stopping { at } => commands.push((at, TimedCommand::Stop)),
            Effect::Operated { at, order, .. } => {
                commands.push((at, TimedCommand::Operator(order)))
            }
            Effect::Changed { at, what } => {
                let refused = effects
                    .next_if(|next| matches!(next, Effect::Refused { .. }))
                    .is_some();
                if refused || Some(what.strategy()) == replaced {
                    continue;
                }
                commands.push((at, TimedCommand::Change(change(what, versions)?)));
            }
            _ => {}
        }
    }
    Ok(commands)
}

/// Recreates a recorded change.
fn change(what: RecordedChange, versions: &RecordedVersions) -> Result<StrategyChange> {
    Ok(match what {
        RecordedChange::Start { name, spec, .. } => {
            let spec = VersionSpec::read(&spec)?;
            StrategyChange::Start(Box::new(versions.start(&name, &spec)?))
        }
        RecordedChange::Swap { strategy, spec } => {
            let spec = VersionSpec::read(&spec)?;
            let registry = versions.registry();
            let name = registry.strategy(strategy).unwrap_or_default();
            StrategyChange::Swap(strategy, Box::new(versions.version(name, &spec)?))
        }
        RecordedChange::Promote(strategy) => StrategyChange::Promote(strategy),
        RecordedChange::RollBack(strategy) => StrategyChange::RollBack(strategy),
        RecordedChange::Remove(strategy) => StrategyChange::Remove(strategy),
        RecordedChange::Quarantine {
            strategy,
            why,
            cause,
        } => StrategyChange::Quarantine {
            strategy,
            why,
            cause,
        },
    })
}
