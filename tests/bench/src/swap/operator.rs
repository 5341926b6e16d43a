//! The loader's steps with a compiled version, on a thread of its own.

use super::modules::Modules;
use crate::deck::ResolvedStrategy;
use anyhow::{Result, anyhow, bail};
use std::sync::Arc;
use tickdeck_engine::port::StopReason;
use tickdeck_engine::{ChangeResult, EngineHandle, StrategyChange};
use tickdeck_model::Registry;

/// Swaps a strategy while its engine runs.
pub(super) struct Operator<'a> {
    pub(super) controls: EngineHandle,
    pub(super) registry: Arc<Registry>,
    pub(super) strategy: ResolvedStrategy,
    pub(super) modules: &'a Modules,
}

impl Operator<'_> {
    /// Swaps one version after another until `most` have taken over or the run is over, and returns their number. Calls
    /// `after` after each.
    pub(super) fn swap(&self, most: usize, mut after: impl FnMut(usize)) -> Result<usize> {
        for swaps in 0..most {
            if !self.swap_once(swaps)? {
                return Ok(swaps);
            }
            after(swaps + 1);
        }
        Ok(most)
    }

    /// Returns false if the run is over.
    fn swap_once(&self, number: usize) -> Result<bool> {
        let builds = &self.modules.counters;
        let (program, version) = self
            .strategy
            .version(&builds[(number + 1) % builds.len()], &self.registry);
        let Some(changed) = self.ask(StrategyChange::DryRun(self.strategy.id))? else {
            return Ok(false);
        };
        let ChangeResult::DryRun(dry_run) = changed else {
            bail!("the engine answered something else");
        };
        dry_run.run(&version)?;
        program.prepare()?;
        let swap = StrategyChange::Swap(self.strategy.id, Box::new(version));
        let Some(changed) = self.ask(swap)? else {
            return Ok(false);
        };
        let ChangeResult::Swapped(swapped) = changed else {
            bail!("the engine answered something else");
        };
        if let Some(mut retired) = swapped.retired {
            retired.stop(StopReason::Replaced)?;
        }
        Ok(true)
    }

    fn ask(&self, change: StrategyChange) -> Result<Option<ChangeResult>> {
        match self.controls.change(change).recv() {
            Ok(changed) => changed.map(Some).map_err(|why| anyhow!(why)),
            Err(_) => Ok(None),
        }
    }
}
