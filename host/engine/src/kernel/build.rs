//! How an engine is put together.

use crate::config::{EngineConfig, Stepping};
use crate::effect::{Recording, STATES_EVERY};
use crate::handle::{EngineHandle, Hearing};
use crate::intent::Outlet;
use crate::kernel::entry::StrategyEntry;
use crate::kernel::{Engine, EngineError, Venue};
use crate::port::{Clock, Gateway, StrategyStart, VenueTerms};
use crate::router::Router;
use crate::worker::pool::WorkerPool;
use crate::worker::slot::Counters;
use crate::worker::{Worker, WorkerSetup};
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use tickdeck_model::{Currency, CurrencyId, Event, Registry};
use tickdeck_portfolio::Portfolio;
use tickdeck_ring::{Config, Consumer, Ring, SlowPolicy};
use xxhash_rust::xxh3::Xxh3;

/// Intents that the action ring holds.
const INTENT_CAPACITY: usize = 1 << 12;

impl Engine {
    /// Puts an engine together: venues that are registered, strategies that are started.
    ///
    /// `now_ns` is a monotonic clock for measuring only.
    ///
    /// # Errors
    /// A setting cannot be, or a thread not be started.
    pub fn new(
        config: EngineConfig,
        registry: Arc<Registry>,
        venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
        seats: Vec<StrategyStart>,
        clock: Box<dyn Clock>,
        now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Result<Self, EngineError> {
        check_stepping(config.stepping, &*clock)?;
        let lookahead_ns = lookahead(&venues)?;
        let currencies: Vec<Currency> = (0..)
            .map_while(|id| registry.currency(CurrencyId(id)))
            .collect();
        let ring = Ring::new(Config {
            capacity: config.ring_capacity,
            wait: config.wait,
        })?;
        // Sequences are stamped before they are claimed, so nobody else may claim any.
        let producer = ring.sole_producer()?;
        let portfolio = || open_portfolio(&registry, &currencies, &venues);
        let hands = config.workers.clamp(1, seats.len().max(1));
        let card = |(at, seat)| StrategyEntry::new(seat, at % hands);
        let cards: Vec<StrategyEntry> = seats.iter().enumerate().map(card).collect();
        let router = route(&config, &registry, portfolio(), &seats, lookahead_ns);
        let setup = || shard_setup(&config, &registry, lookahead_ns, &now_ns);
        let pool = hire(
            &config,
            &ring,
            shares(seats, &cards, hands),
            |events, outlet, seats| Worker::new(events, outlet, portfolio(), seats, setup()),
        )?;
        Ok(Self {
            venues: venues.into_iter().map(Venue::open).collect(),
            router,
            pool,
            next_sequence: ring.published(),
            producer,
            hearing: Hearing(EngineHandle::default()),
            clock,
            cards,
            registry,
            currencies,
            stepping: config.stepping,
            lookahead_ns,
            max_market_events: config.max_market_events.unwrap_or(u64::MAX),
            now: 0,
            events: 0,
            next_status_ns: 0,
            tape_hash: Xxh3::new(),
            actions_hash: Xxh3::new(),
            window: Vec::new(),
            intents: Vec::new(),
            decided: Vec::new(),
            expected: Vec::new(),
            origin: None,
            answers: Vec::new(),
            failed_trials: Vec::new(),
            first_action_at: None,
            keeping: Recording::default(),
            stopped: false,
            guided: false,
            carried: Vec::new(),
            broken_off: None,
            next_states: STATES_EVERY,
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

impl Venue {
    fn open((gateway, terms): (Box<dyn Gateway>, VenueTerms)) -> Self {
        Self {
            gateway,
            terms,
            open: true,
            broken: false,
        }
    }
}

/// The router with the strategies of the start.
fn route(
    config: &EngineConfig,
    registry: &Registry,
    portfolio: Portfolio,
    seats: &[StrategyStart],
    lookahead_ns: i64,
) -> Router {
    let instruments = registry.instruments().to_vec();
    let mut router = Router::new(instruments, config.risk.clone(), portfolio, lookahead_ns);
    router.killed = config.killed;
    for seat in seats {
        router.seat(seat);
    }
    router
}

/// A strategy with the counters that its worker keeps.
type CountedSeat = (StrategyStart, Arc<CachePadded<Counters>>);

fn shard_setup(
    config: &EngineConfig,
    registry: &Registry,
    lookahead_ns: i64,
    now_ns: &Arc<dyn Fn() -> u64 + Send + Sync>,
) -> WorkerSetup {
    WorkerSetup {
        middleware: config.middleware.clone(),
        max_batch: config.max_batch,
        split_seed: config.split_seed,
        max_actions_per_s: config.max_actions_per_s,
        lookahead_ns,
        instruments: registry.instruments().to_vec(),
        now_ns: Arc::clone(now_ns),
    }
}

/// One strategy after another to one worker after another.
fn shares(
    seats: Vec<StrategyStart>,
    cards: &[StrategyEntry],
    hands: usize,
) -> Vec<Vec<CountedSeat>> {
    let mut shares: Vec<Vec<CountedSeat>> = (0..hands).map(|_| Vec::new()).collect();
    for (at, seat) in seats.into_iter().enumerate() {
        shares[at % hands].push((seat, Arc::clone(&cards[at].counters)));
    }
    shares
}

/// Puts the workers to work: one share of the seats on this thread, several on a thread each.
fn hire(
    config: &EngineConfig,
    ring: &Ring<Event>,
    mut shares: Vec<Vec<CountedSeat>>,
    shard: impl Fn(Consumer<Event>, Outlet, Vec<CountedSeat>) -> Worker,
) -> Result<WorkerPool, EngineError> {
    // A kernel that runs freely is never held up by a strategy, so it shares its thread with none.
    if shares.len() == 1 && config.stepping == Stepping::Lockstep {
        let seats = shares.pop().unwrap_or_default();
        let outlet = Outlet::Local(Vec::new());
        let shard = shard(ring.attach(SlowPolicy::Wait), outlet, seats);
        return Ok(WorkerPool::Inline(Box::new(shard)));
    }
    let intents_ring = Ring::new(Config {
        capacity: INTENT_CAPACITY,
        wait: config.wait,
    })?;
    let intents = intents_ring.attach(SlowPolicy::Wait);
    let start = |seats| {
        let outlet = Outlet::Ring(intents_ring.producer());
        shard(ring.attach(SlowPolicy::Wait), outlet, seats)
    };
    let shards = shares.into_iter().map(start).collect();
    Ok(WorkerPool::start_threads(
        shards,
        &config.pin,
        ring.clone(),
        intents_ring,
        intents,
    )?)
}

/// The least of the venues' lookaheads.
fn lookahead(venues: &[(Box<dyn Gateway>, VenueTerms)]) -> Result<i64, EngineError> {
    let least = venues
        .iter()
        .map(|(_, terms)| terms.lookahead_ns)
        .min()
        .ok_or(EngineError::NoVenue)?;
    if least == 0 {
        let problem = "a venue answers in no time at all; give it at least 1 ns".to_owned();
        return Err(EngineError::Setting {
            name: "latency",
            problem,
        });
    }
    Ok(i64::try_from(least).unwrap_or(i64::MAX))
}

fn open_portfolio(
    registry: &Registry,
    currencies: &[Currency],
    venues: &[(Box<dyn Gateway>, VenueTerms)],
) -> Portfolio {
    let mut portfolio = Portfolio::new(registry.instruments(), currencies);
    for (_, terms) in venues {
        for (currency, balance) in &terms.balances {
            portfolio.open_account(terms.venue, *currency, *balance);
        }
    }
    portfolio
}
