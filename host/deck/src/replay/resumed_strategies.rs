//! The strategies of a resumed run: which continue, which must not, and what the manager has to know.

use crate::assemble::LoadedDeck;
use crate::lifecycle::{EndedStrategy, StrategyHistory, first_generation, quarantined};
use crate::replay::recorded_versions::RecordedVersions;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use tickdeck_engine::{
    Engine, QuarantineCause, Status, StrategyChange, StrategyState, StrategyStatus,
};
use tickdeck_model::untrusted::printable;
use tickdeck_recording::RecordedRun;
use tickdeck_strategy::watch::Scan;

/// The strategies of a run at the point where it is resumed.
pub(super) struct ResumedStrategies {
    pub(super) loaded: LoadedDeck,
    /// The modules that the manager knows; anything else in the folder is new to it.
    pub(super) scan: Scan,
    pub(super) history: StrategyHistory,
    /// Those that were left out, with the hashes of their modules.
    pub(super) left_out: Vec<(String, String)>,
}

/// Ends the strategies that were left out, and those that may not continue; of a shadow version that may not, only the shadow.
pub(super) fn settle_strategies(
    engine: &mut Engine,
    versions: &RecordedVersions,
    run: &RecordedRun,
    left_out: &BTreeMap<String, String>,
) -> Result<ResumedStrategies> {
    let mut out = Vec::new();
    for one in running(&engine.status()) {
        if let Some(why) = left_out.get(&one.name) {
            let why = quarantined(&one.name, why);
            end(engine, &one, why, QuarantineCause::NotRepeatable)?;
            out.push((one.name, one.hash));
        } else if let Some(objection) = versions.objection(&one.name, &one.hash) {
            let why = format!("it may not continue trading: {objection}; its orders are canceled");
            end(engine, &one, why, QuarantineCause::NotAllowed)?;
        } else if let Some(shadow) = &one.shadow
            && let Some(objection) = versions.objection(&one.name, &shadow.hash)
        {
            let (name, version) = (&one.name, &shadow.version);
            let said =
                format!("{name}: its shadow version {version} may not continue: {objection}");
            eprintln!("{}", printable(&said));
            let ended = engine.change_before_run(StrategyChange::RollBack(one.id))?;
            ended.map_err(|why| anyhow!(why))?;
        }
    }
    let mut resumed = ResumedStrategies {
        loaded: LoadedDeck::default(),
        scan: Scan::default(),
        history: StrategyHistory::default(),
        left_out: out,
    };
    let status = engine.status();
    for one in status.strategies {
        resumed.take_in(versions, run, left_out, (one, status.now));
    }
    Ok(resumed)
}

impl ResumedStrategies {
    fn take_in(
        &mut self,
        versions: &RecordedVersions,
        run: &RecordedRun,
        left_out: &BTreeMap<String, String>,
        (one, now): (StrategyStatus, i64),
    ) {
        let loaded = versions.take(&one.name, &one.hash);
        let plugin = loaded
            .as_ref()
            .and_then(|loaded| versions.plugin(loaded.spec()).ok());
        if let Some(loaded) = &loaded {
            self.history
                .change(&one.name, |record| first_generation(record, loaded, now));
        }
        if goes_on(&one) {
            self.scan.plugins.extend(plugin);
            self.loaded.started.extend(loaded);
            return;
        }
        let why = match (left_out.get(&one.name), one.state) {
            (Some(why), _) => Some(quarantined(&one.name, why)),
            (None, StrategyState::Quarantined) if one.traps > 0 => {
                let why = format!("it ended before run {} was interrupted", run.number);
                Some(quarantined(&one.name, &why))
            }
            _ => None,
        };
        let failed = loaded.zip(why);
        if failed.is_some() {
            self.scan.plugins.extend(plugin);
        }
        self.loaded.ended.push(EndedStrategy {
            name: one.name,
            id: Some(one.id),
            failed: failed.map(|(loaded, why)| (loaded.fingerprint, why)),
        });
    }
}

/// Returns the strategies that have not ended.
fn running(status: &Status) -> Vec<StrategyStatus> {
    let running = status.strategies.iter().filter(|one| goes_on(one));
    running.cloned().collect()
}

fn goes_on(one: &StrategyStatus) -> bool {
    !matches!(
        one.state,
        StrategyState::Stopped | StrategyState::Quarantined
    )
}

fn end(
    engine: &mut Engine,
    one: &StrategyStatus,
    why: String,
    cause: QuarantineCause,
) -> Result<()> {
    eprintln!("{}", printable(&format!("{}: {why}", one.name)));
    let strategy = one.id;
    let change = StrategyChange::Quarantine {
        strategy,
        why,
        cause,
    };
    // Its instance is dropped without another call.
    let ended = engine.change_before_run(change)?;
    ended.map(drop).map_err(|why| anyhow!(why))
}
