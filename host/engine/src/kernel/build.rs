//! Assembling an engine.

use crate::config::{EngineConfig, Stepping};
use crate::error::EngineError;
use crate::intent::Outlet;
use crate::kernel::Engine;
use crate::kernel::decisions::Decisions;
use crate::kernel::event_time::EventTime;
use crate::kernel::inbox::{OperatorInbox, PendingChanges};
use crate::kernel::overload_alerts::OverloadAlerts;
use crate::kernel::publisher::EventPublisher;
use crate::kernel::recording::Recording;
use crate::kernel::resume_point::ResumePoint;
use crate::kernel::safety_path::RouterPlace;
use crate::kernel::status_timer::StatusTimer;
use crate::kernel::strategies::{StrategyEntries, StrategyEntry};
use crate::kernel::venues::Venues;
use crate::port::{Clock, Gateway, StrategyStart, VenueTerms};
use crate::router::Router;
use crate::worker::Worker;
use crate::worker::load::DeckLoad;
use crate::worker::pool::WorkerPool;
use crate::worker::setup::{CountedStart, WorkerSetup};
use std::sync::Arc;
use tickdeck_model::{Currency, CurrencyId, Event, Registry};
use tickdeck_portfolio::Portfolio;
use tickdeck_ring::{Consumer, Ring, RingConfig, SlowPolicy};

/// Capacity of the action ring in intents.
const INTENT_CAPACITY: usize = 1 << 12;

/// The longest lookahead, one day: all events within a lookahead are in memory at once.
const MAX_LOOKAHEAD_NS: u64 = 86_400_000_000_000;

impl Engine {
    /// Assembles an engine from registered venues and started strategies.
    ///
    /// `now_ns` is a monotonic clock for measuring only.
    ///
    /// # Errors
    /// A setting is not valid, or a thread cannot be started.
    pub fn new(
        config: EngineConfig,
        registry: Arc<Registry>,
        venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
        strategies: Vec<StrategyStart>,
        clock: Box<dyn Clock>,
        now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Result<Self, EngineError> {
        check_stepping(config.stepping, &*clock)?;
        let lookahead_ns = lookahead(&venues)?;
        let ring = Ring::new(RingConfig {
            capacity: config.ring_capacity,
            wait: config.wait,
        })?;
        // Sequences are stamped before they are claimed, so there must be no other producer.
        let producer = ring.sole_producer()?;
        let portfolio = || open_portfolio(&registry, &venues);
        let workers = config.workers.clamp(1, strategies.len().max(1));
        let mut entries = StrategyEntries::default();
        for (at, start) in strategies.iter().enumerate() {
            entries.push(StrategyEntry::new(start, at % workers));
        }
        let router = new_router(&config, &registry, portfolio(), &strategies, lookahead_ns);
        let load = Arc::new(DeckLoad::of(workers));
        // Without real time, nobody is late.
        let config = EngineConfig {
            budget: config.budget.filter(|_| clock.paces()),
            ..config
        };
        let notes_batches = Arc::default();
        let mut numbers = 0..workers;
        let mut setup = || {
            let worker = numbers.next().unwrap_or_default();
            let load = Arc::clone(&load);
            let setup = worker_setup(&config, &registry, lookahead_ns, &now_ns, (worker, load));
            let notes_batches = Arc::clone(&notes_batches);
            WorkerSetup {
                notes_batches,
                is_one_of_many: workers > 1,
                ..setup
            }
        };
        let pool = start_workers(
            &config,
            clock.paces(),
            &ring,
            shares(strategies, &entries, workers),
            |events, outlet, share| Worker::new(events, outlet, portfolio(), share, setup()),
        )?;
        let mut venues = Venues::new(venues, &registry);
        venues.set_waker(&pool.waker());
        Ok(Self {
            time: EventTime::new(clock, config.stepping, lookahead_ns),
            events: EventPublisher::new(producer, ring.published()),
            venues,
            router,
            pool,
            strategies: entries,
            decisions: Decisions::default(),
            recording: Recording::of(Arc::clone(&notes_batches)),
            inbox: OperatorInbox::default(),
            pending_changes: PendingChanges::default(),
            resume_point: ResumePoint::default(),
            place: RouterPlace::default(),
            is_stopping: false,
            is_left_behind: false,
            status_timer: StatusTimer::default(),
            max_market_events: config.max_market_events.unwrap_or(u64::MAX),
            is_replaying: false,
            alerts: OverloadAlerts::of(config.budget),
            load,
            registry,
        })
    }
}

fn check_stepping(stepping: Stepping, clock: &dyn Clock) -> Result<(), EngineError> {
    if stepping == Stepping::Free && !clock.paces() {
        return Err(EngineError::Setting {
            name: "stepping",
            problem: "\"free\" needs time that goes by and does not go with a pace of \"max\"; \
                      give another pace, or set \"lockstep\""
                .to_owned(),
        });
    }
    Ok(())
}

/// Creates the router with the initial strategies.
fn new_router(
    config: &EngineConfig,
    registry: &Registry,
    portfolio: Portfolio,
    strategies: &[StrategyStart],
    lookahead_ns: i64,
) -> Router {
    let instruments = registry.instruments().to_vec();
    let mut router = Router::new(instruments, config.risk.clone(), portfolio, lookahead_ns);
    if config.killed {
        router.gate.kill();
    }
    for start in strategies {
        router.start(start);
    }
    router
}

fn worker_setup(
    config: &EngineConfig,
    registry: &Registry,
    lookahead_ns: i64,
    now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>,
    (worker, load): (usize, Arc<DeckLoad>),
) -> WorkerSetup {
    WorkerSetup {
        notes_batches: Arc::default(),
        is_one_of_many: false,
        middleware: config.middleware.clone(),
        max_batch: config.max_batch,
        split_seed: config.split_seed,
        max_actions_per_s: config.max_actions_per_s,
        lookahead_ns,
        instruments: registry.instruments().to_vec(),
        now_ns: Arc::clone(now_ns),
        budget: config.budget,
        stepping: config.stepping,
        load,
        worker,
    }
}

/// Distributes the strategies over the workers round-robin.
fn shares(
    strategies: Vec<StrategyStart>,
    entries: &StrategyEntries,
    workers: usize,
) -> Vec<Vec<CountedStart>> {
    let mut shares: Vec<Vec<CountedStart>> = (0..workers).map(|_| Vec::new()).collect();
    for (start, entry) in strategies.into_iter().zip(entries.iter()) {
        shares[entry.worker()].push((start, entry.counters()));
    }
    shares
}

/// Starts the workers: a single share of the strategies on this thread if the run is not paced, otherwise each on a thread
/// of its own.
fn start_workers(
    config: &EngineConfig,
    is_paced: bool,
    ring: &Ring<Event>,
    mut shares: Vec<Vec<CountedStart>>,
    mut worker: impl FnMut(Consumer<Event>, Outlet, Vec<CountedStart>) -> Worker,
) -> Result<WorkerPool, EngineError> {
    // A strategy must never block a kernel that operators watch, so that kernel shares its thread with none.
    if shares.len() == 1 && config.stepping == Stepping::Lockstep && !is_paced {
        let share = shares.pop().unwrap_or_default();
        let outlet = Outlet::Local(Vec::new());
        let worker = worker(ring.attach(SlowPolicy::Wait), outlet, share);
        return Ok(WorkerPool::Inline(Box::new(worker)));
    }
    let intents_ring = Ring::new(RingConfig {
        capacity: INTENT_CAPACITY,
        wait: config.wait,
    })?;
    let intents = intents_ring.attach(SlowPolicy::Wait);
    let start = |share| {
        let outlet = Outlet::Ring(intents_ring.producer());
        worker(ring.attach(SlowPolicy::Wait), outlet, share)
    };
    let workers = shares.into_iter().map(start).collect();
    Ok(WorkerPool::start_threads(
        workers,
        &config.pin,
        ring.clone(),
        intents_ring,
        intents,
    )?)
}

/// The shortest of the venues' lookaheads.
fn lookahead(venues: &[(Box<dyn Gateway>, VenueTerms)]) -> Result<i64, EngineError> {
    let least = venues
        .iter()
        .map(|(_, terms)| terms.lookahead_ns)
        .min()
        .ok_or(EngineError::NoVenue)?;
    if least == 0 {
        let problem = "a venue has zero latency; set at least 1 ns".to_owned();
        return Err(EngineError::Setting {
            name: "latency",
            problem,
        });
    }
    let bounded = i64::try_from(least)
        .ok()
        .filter(|_| least <= MAX_LOOKAHEAD_NS);
    bounded.ok_or_else(|| EngineError::Setting {
        name: "latency",
        problem: format!(
            "every venue has a latency of at least {least} ns; the maximum is one day, {MAX_LOOKAHEAD_NS} ns"
        ),
    })
}

fn open_portfolio(registry: &Registry, venues: &[(Box<dyn Gateway>, VenueTerms)]) -> Portfolio {
    let currencies: Vec<Currency> = (0..)
        .map_while(|id| registry.currency(CurrencyId(id)))
        .collect();
    let mut portfolio = Portfolio::new(registry.instruments(), &currencies);
    for (_, terms) in venues {
        for (currency, balance) in &terms.balances {
            portfolio.open_account(terms.venue, *currency, *balance);
        }
    }
    portfolio
}
