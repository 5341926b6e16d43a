//! Puts a deck together: settings and modules in, an engine that is ready to run out.
//!
//! The order matters: names are interned first, then kept by the data folder, and only then does the first strategy
//! start, so that no state ever refers to a number that a crash could take away.

use crate::board::Board;
use crate::clock::{Pace, Stop, since};
use crate::config::Config;
use crate::limits::risk;
use crate::names::Names;
use crate::seats::{Candidate, Skipped, candidates};
use crate::venue::{Venue, venue};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::{Seat, VenueTerms};
use tickdeck_engine::{Engine, EngineConfig, MiddlewareConfig, Wait};
use tickdeck_model::{Currency, OrderNumber, Registry};
use tickdeck_strategy::{Host, HostConfig};

const NS_PER_MS: u64 = 1_000_000;

/// What only the command line can say.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Stops after this many market events.
    pub events: Option<u64>,
    /// Cuts batches at random places from this seed.
    pub split_seed: Option<u64>,
}

/// What a deck is made of.
pub struct Parts {
    /// Its settings.
    pub config: Config,
    /// The modules of its plugins folder.
    pub modules: Vec<PathBuf>,
    /// Names known from earlier runs.
    pub registry: Registry,
    /// Where compiled code is kept.
    pub cache: Option<PathBuf>,
    /// How fast it plays.
    pub pace: Pace,
    /// The wish to stop.
    pub stop: Stop,
    /// What only the command line says.
    pub overrides: Overrides,
    /// The first order number that was never used.
    pub first_order: OrderNumber,
    /// Starts with the kill switch on.
    pub killed: bool,
}

/// A deck that is ready to run.
pub struct Wired {
    /// The engine.
    pub engine: Engine,
    /// What its observer writes on.
    pub board: Board,
    /// The words behind its numbers.
    pub names: Names,
    /// What it trades on.
    pub title: String,
    /// The seed of what is random.
    pub seed: u64,
    /// Its worker threads.
    pub workers: usize,
    /// Strategies that do not run, with why.
    pub skipped: Skipped,
}

impl Parts {
    /// Puts the deck together. `keep` is given the registry before the first strategy starts.
    ///
    /// # Errors
    /// The settings do not fit the deck, the venue can't start, or no strategy can run.
    pub fn wire(mut self, keep: impl FnOnce(&Registry) -> Result<()>) -> Result<Wired> {
        let Venue {
            mut gateway,
            title,
            seed,
        } = venue(&self.config)?;
        let mut registry = std::mem::take(&mut self.registry);
        let terms = gateway.register(&mut registry)?;
        let money = account_currency(&terms, &registry)?;
        let host = Host::new(HostConfig {
            cache: self.cache.clone(),
            nan_canonicalisation: self.config.wasm.nan_canonicalisation.unwrap_or(true),
        })?;
        let (candidates, mut skipped) =
            candidates(&self.config, &self.modules, &host, &mut registry)?;
        keep(&registry)?;
        let engine_config = self.engine_config(&registry, &candidates)?;
        let (registry, board) = (Arc::new(registry), Board::default());
        let seats = self.seats(candidates, &money, &registry, &board, &mut skipped)?;
        let workers = engine_config.workers;
        let (clock, epoch) = (self.pace.clock(self.stop.clone()), Instant::now());
        let now_ns = Arc::new(move || since(epoch));
        let engine = Engine::new(
            engine_config,
            Arc::clone(&registry),
            vec![(gateway, terms)],
            seats,
            clock,
            now_ns,
        )?;
        Ok(Wired {
            engine,
            board,
            names: Names::new(registry, Some(money.id)),
            title,
            seed,
            workers,
            skipped,
        })
    }

    fn engine_config(&self, registry: &Registry, candidates: &[Candidate]) -> Result<EngineConfig> {
        let (settings, default) = (&self.config.engine, EngineConfig::default());
        let middleware = &self.config.middleware;
        let own: Vec<_> = candidates
            .iter()
            .map(|candidate| (candidate.id, candidate.settings.risk.clone()))
            .collect();
        Ok(EngineConfig {
            workers: settings.workers.unwrap_or(default.workers),
            pin: settings.pin.clone(),
            ring_capacity: settings.ring_capacity.unwrap_or(default.ring_capacity),
            max_actions_per_s: settings
                .max_actions_per_s
                .unwrap_or(default.max_actions_per_s),
            wait: if settings.spin {
                Wait::Spin
            } else {
                default.wait
            },
            max_batch: settings.batch.unwrap_or(default.max_batch),
            split_seed: self.overrides.split_seed,
            max_market_events: self.overrides.events,
            middleware: MiddlewareConfig {
                drop_duplicates: middleware
                    .drop_duplicates
                    .unwrap_or(default.middleware.drop_duplicates),
                max_age_ns: middleware.max_age_ms.map(|ms| ms * NS_PER_MS),
                conflate_quotes_ns: middleware.conflate_quotes_ms.map(|ms| ms * NS_PER_MS),
            },
            risk: risk(&self.config, registry, &own)?,
            killed: self.killed,
        })
    }

    fn seats(
        &self,
        candidates: Vec<Candidate>,
        money: &Currency,
        registry: &Arc<Registry>,
        board: &Board,
        skipped: &mut Skipped,
    ) -> Result<Vec<Seat>> {
        let mut seats = Vec::new();
        for candidate in candidates {
            let name = candidate.name.clone();
            match candidate.seat(&self.config, money, registry, board, self.first_order)? {
                Ok(seat) => seats.push(seat),
                Err(why) => drop(skipped.insert(name, why)),
            }
        }
        if seats.is_empty() {
            let reasons: Vec<String> = skipped
                .iter()
                .map(|(name, why)| format!("\n  {name}: {why}"))
                .collect();
            let found = if reasons.is_empty() {
                ": the plugins folder is empty".to_owned()
            } else {
                reasons.concat()
            };
            bail!("no strategy can run{found}");
        }
        Ok(seats)
    }
}

/// The currency that results are shown in: the one that the venue's first instrument is paid in.
fn account_currency(terms: &VenueTerms, registry: &Registry) -> Result<Currency> {
    let first = terms
        .instruments
        .first()
        .and_then(|id| registry.instrument(*id));
    first
        .and_then(|first| registry.currency(first.quote))
        .context("the venue has no instrument")
}
