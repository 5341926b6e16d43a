//! A run as a command requests it, and the parts that it needs.

use crate::assemble::{DeckParts, Journaling};
use crate::call_marks::CallMarks;
use crate::clock::Pace;
use crate::compiling::Compiling;
use crate::folder::scan;
use crate::lifecycle::SaveNames;
use crate::loading::known_modules;
use crate::open_venues::override_venues;
use crate::safety::KillLatch;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use tickdeck_engine::CancelToken;
use tickdeck_model::{OrderNumber, Registry};
use tickdeck_recording::{DataReels, Quarantine, RunOverrides};
use tickdeck_settings::config::Config;
use tickdeck_settings::grants::Grants;

/// A run as `run`, `demo` or `dev` requests it.
pub struct RunRequest {
    /// The command, for display: `demo`, `run` or `dev NAME`.
    pub command: String,
    /// The settings.
    pub config: Config,
    /// The command line's overrides.
    pub overrides: Overrides,
    /// The plugins folder.
    pub plugins: PathBuf,
    /// The operator's approvals.
    pub grants: Grants,
    /// The names known from earlier runs.
    pub registry: Registry,
    /// Saves names before anything runs that refers to them.
    pub save_names: SaveNames,
    /// The first order number that was never used.
    pub first_order: OrderNumber,
    /// Starts with the kill switch on.
    pub killed: bool,
    /// Makes a kill outlast the host, if it is to.
    pub latch: Option<KillLatch>,
    /// Ends the run; it may do so before anything runs.
    pub stop: CancelToken,
    /// Starts even if no strategy can run yet.
    pub idle: bool,
    /// The data folder that the run is recorded in, if it is.
    pub data: Option<PathBuf>,
    /// Whether to abandon an interrupted run instead of resuming it.
    pub fresh: bool,
}

/// The command line's overrides of the settings.
#[derive(Debug, Clone)]
pub struct Overrides {
    /// The random seed.
    pub seed: Option<u64>,
    /// Captures to play instead of the venue.
    pub capture: Vec<PathBuf>,
    /// Worker threads.
    pub workers: Option<usize>,
    /// Maximum number of events per call of a strategy.
    pub batch: Option<usize>,
    /// Market events after which the run stops.
    pub events: Option<u64>,
    /// Cuts batches at random points from this seed.
    pub split_seed: Option<u64>,
    /// The speed of event time.
    pub pace: Pace,
    /// Whether the plugins folder is watched.
    pub watch: bool,
}

impl Overrides {
    /// Returns the settings with the overrides applied.
    pub fn apply(&self, mut config: Config) -> Result<Config> {
        override_venues(&mut config, &self.recorded())?;
        config.engine.workers = self.workers.or(config.engine.workers);
        config.engine.batch = self.batch.or(config.engine.batch);
        Ok(config)
    }

    /// Returns the overrides that are recorded with a run.
    fn recorded(&self) -> RunOverrides {
        RunOverrides {
            seed: self.seed,
            events: self.events,
            capture: self.capture.clone(),
        }
    }
}

impl RunRequest {
    /// Returns the parts of the deck that runs it.
    ///
    /// # Errors
    /// The plugins folder can't be read, or an interrupted run would be abandoned silently.
    pub fn parts(self) -> Result<DeckParts> {
        let overrides = self.overrides;
        let config = overrides.apply(self.config)?;
        let journal = match self.data {
            Some(data) if config.journal.off => {
                refuse_to_forget(&data, self.fresh)?;
                None
            }
            Some(data) => Some(Journaling {
                reels: DataReels::in_folder(&data),
                played: overrides.recorded(),
                fresh: self.fresh,
            }),
            None => None,
        };
        Ok(DeckParts {
            command: self.command,
            compiling: Compiling::of_host(&config.wasm),
            scan: scan(&self.plugins, &known_modules(&config, &self.registry))?,
            config,
            folder: overrides.watch.then_some(self.plugins),
            grants: self.grants,
            registry: self.registry,
            save_names: self.save_names,
            pace: overrides.pace,
            stop: self.stop,
            events: overrides.events,
            split_seed: overrides.split_seed,
            idle: self.idle,
            first_order: self.first_order,
            killed: self.killed,
            latch: self.latch,
            journal,
            marks: CallMarks::default(),
            quarantine: Quarantine::default(),
        })
    }
}

/// Refuses to start a deck that records nothing while it has an interrupted run, which would not be resumed.
fn refuse_to_forget(data: &Path, fresh: bool) -> Result<()> {
    if fresh {
        return Ok(());
    }
    if let Some(run) = DataReels::in_folder(data).interrupted()? {
        bail!(
            "run {} was interrupted, and with `[journal] enabled = false` it and its positions would be left behind: remove \
             that setting to resume it, or leave it behind with --fresh ({})",
            run.number,
            run.folder.display()
        );
    }
    Ok(())
}
