//! What the loader does with a version that is compiled, on a thread of its own.

use super::Company;
use crate::deck::Cast;
use anyhow::{Result, anyhow, bail};
use std::sync::Arc;
use tickdeck_engine::port::StopReason;
use tickdeck_engine::{ChangeResult, EngineHandle, StrategyChange};
use tickdeck_model::Registry;

/// Swaps a strategy while its engine runs.
pub(super) struct Operator<'a> {
    pub(super) controls: EngineHandle,
    pub(super) registry: Arc<Registry>,
    pub(super) cast: Cast,
    pub(super) company: &'a Company,
}

impl Operator<'_> {
    /// Swaps one version after another until `most` have taken over or the run is over; returns how many did. `after` is
    /// told of each.
    pub(super) fn swap(&self, most: usize, mut after: impl FnMut(usize)) -> Result<usize> {
        for swaps in 0..most {
            if !self.swap_once(swaps)? {
                return Ok(swaps);
            }
            after(swaps + 1);
        }
        Ok(most)
    }

    /// False if the run is over.
    fn swap_once(&self, number: usize) -> Result<bool> {
        let builds = &self.company.counters;
        let (program, version) = self
            .cast
            .version(&builds[(number + 1) % builds.len()], &self.registry);
        let Some(changed) = self.ask(StrategyChange::DryRun(self.cast.id))? else {
            return Ok(false);
        };
        let ChangeResult::DryRun(rehearsal) = changed else {
            bail!("the engine answered something else");
        };
        rehearsal.run(&version)?;
        program.prepare()?;
        let swap = StrategyChange::Swap(self.cast.id, Box::new(version));
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
