//! The kernel: takes event time forward, window by window.
//!
//! A window starts at the next thing that is due and is one *lookahead* long: the least time between a command and the
//! first event it can cause. Nothing that is decided within a window can thus change the window itself, so all of it
//! can go through the ring at once, on any number of workers, before what was decided is merged by cause and carried
//! out. That is why the same tape gives the same actions with any batching and any number of threads.

use crate::action_ring::Intent;
use crate::config::EngineConfig;
use crate::control::Controls;
use crate::crew::{Crew, CrewError};
use crate::middleware::OrderMiddleware;
use crate::port::{Clock, Due, Gateway, Seat, StopReason, VenueTerms};
use crate::report::{Ending, Notice, Observer, Report, STATUS_INTERVAL_NS, Status};
use crate::router::{Party, Router};
use crate::shard::{Counters, Outlet, Shard, ShardSetup};
use crate::status::StrategyCard;
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use tickdeck_model::{Currency, CurrencyId, Event, Registry, Timestamp};
use tickdeck_portfolio::Portfolio;
use tickdeck_ring::{Config, Consumer, Producer, Ring, RingError, SlowPolicy};
use xxhash_rust::xxh3::Xxh3;
use zerocopy::IntoBytes;

/// How often the clock is looked at for a status, in windows.
const WINDOWS_PER_LOOK: u64 = 64;

/// Event time that the venues get at the end to confirm cancels.
const GRACE_NS: i64 = 5_000_000_000;

/// Intents that the action ring holds.
const INTENT_CAPACITY: usize = 1 << 12;

/// Why an engine cannot start or go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is nothing to take events from; configure a venue.
    #[error("there is no venue: an engine needs at least one")]
    NoVenue,
    /// A setting cannot be; the text names it.
    #[error("setting `{name}`: {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The ring cannot be made that way.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A worker failed.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// Two replicas of the store came to different results: a bug in Tickdeck.
    #[error(
        "the store's replicas differ: worker {worker} and the router disagree on strategy `{strategy}`"
    )]
    Replicas {
        /// Which worker.
        worker: usize,
        /// Whose book.
        strategy: String,
    },
}

struct Venue {
    gateway: Box<dyn Gateway>,
    terms: VenueTerms,
    /// Still to be asked.
    open: bool,
    broken: bool,
}

/// The engine.
pub struct Engine {
    venues: Vec<Venue>,
    router: Router,
    crew: Crew,
    producer: Producer<Event>,
    controls: Controls,
    clock: Box<dyn Clock>,
    cards: Vec<StrategyCard>,
    registry: Arc<Registry>,
    currencies: Vec<Currency>,
    lookahead_ns: i64,
    max_market_events: u64,
    now: Timestamp,
    next_sequence: u64,
    events: u64,
    tape_hash: Xxh3,
    actions_hash: Xxh3,
    window: Vec<Event>,
    intents: Vec<Intent>,
}

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
        seats: Vec<Seat>,
        clock: Box<dyn Clock>,
        now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Result<Self, EngineError> {
        let lookahead_ns = lookahead(&venues)?;
        let currencies: Vec<Currency> = (0..)
            .map_while(|id| registry.currency(CurrencyId(id)))
            .collect();
        let ring = Ring::new(Config {
            capacity: config.ring_capacity,
            wait: config.wait,
        })?;
        let producer = ring.producer();
        let mut router_portfolio = open_portfolio(&registry, &currencies, &venues);
        let (mut parties, mut cards) = (Vec::new(), Vec::new());
        for seat in &seats {
            router_portfolio.open_strategy(seat.id, &seat.allocation, seat.next_order);
            let texts = seat
                .messages
                .iter()
                .map(|id| (*id, registry.text(*id).unwrap_or_default().to_owned()));
            parties.push(Party::new(
                seat.id,
                seat.order_policy,
                texts.collect(),
                &seat.feeds,
            ));
            cards.push(StrategyCard::new(seat));
        }
        let setup = || ShardSetup {
            middleware: config.middleware.clone(),
            max_batch: config.max_batch,
            split_seed: config.split_seed,
            max_actions_per_s: config.max_actions_per_s,
            lookahead_ns,
            instruments: registry.instruments().to_vec(),
            now_ns: Arc::clone(&now_ns),
        };
        let hands = config.workers.clamp(1, seats.len().max(1));
        let mut shares: Vec<Vec<CountedSeat>> = (0..hands).map(|_| Vec::new()).collect();
        for (at, seat) in seats.into_iter().enumerate() {
            shares[at % hands].push((seat, Arc::clone(&cards[at].counters)));
        }
        let portfolio = || open_portfolio(&registry, &currencies, &venues);
        let crew = hire(&config, &ring, shares, |events, outlet, seats| {
            Shard::new(events, outlet, portfolio(), seats, setup())
        })?;
        let mut router = Router::new(
            registry.instruments().to_vec(),
            config.risk,
            router_portfolio,
            parties,
            lookahead_ns,
        );
        router.killed = config.killed;
        Ok(Self {
            venues: venues
                .into_iter()
                .map(|(gateway, terms)| Venue {
                    gateway,
                    terms,
                    open: true,
                    broken: false,
                })
                .collect(),
            router,
            crew,
            next_sequence: ring.published(),
            producer,
            controls: Controls::default(),
            clock,
            cards,
            registry,
            currencies,
            lookahead_ns,
            max_market_events: config.max_market_events.unwrap_or(u64::MAX),
            now: 0,
            events: 0,
            tape_hash: Xxh3::new(),
            actions_hash: Xxh3::new(),
            window: Vec::new(),
            intents: Vec::new(),
        })
    }

    /// A handle for operators.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Adds a check between the strategies and the venues, behind risk and those added before.
    pub fn push_order_middleware(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.router.push_middleware(middleware);
    }

    /// Plays until the tape is over, the limit is reached or someone asks to stop; then stops the strategies and
    /// handles their orders by policy.
    ///
    /// # Errors
    /// A worker panicked, or the replicas of the store disagree: bugs in Tickdeck.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Report, EngineError> {
        let started = self.clock.now_ns();
        let mut next_status = started;
        let mut windows: u64 = 0;
        let ending = loop {
            if let Some(ending) = self.ending() {
                break ending;
            }
            let Some(start) = self.next_due() else {
                break self.tape_over();
            };
            self.clock.wait_until(start);
            if self.controls.stopping() {
                break Ending::Asked;
            }
            self.play(start, observer)?;
            windows += 1;
            if windows.is_multiple_of(WINDOWS_PER_LOOK) || self.clock.paces() {
                let now_ns = self.clock.now_ns();
                if now_ns >= next_status {
                    next_status = now_ns + STATUS_INTERVAL_NS;
                    observer.status(&self.status());
                }
            }
        };
        let elapsed_ns = self.clock.now_ns().saturating_sub(started);
        self.wind_down(observer)?;
        self.finish(ending, elapsed_ns, observer)
    }

    fn ending(&self) -> Option<Ending> {
        if self.router.tally.market_events >= self.max_market_events {
            return Some(Ending::Limit);
        }
        if self.controls.stopping() {
            return Some(Ending::Asked);
        }
        let over = self.venues.iter().all(|venue| !venue.open);
        over.then(|| self.tape_over())
    }

    fn tape_over(&self) -> Ending {
        if self.venues.iter().all(|venue| venue.broken) {
            Ending::Broken
        } else {
            Ending::TapeOver
        }
    }

    /// When the next event of any source is due.
    fn next_due(&mut self) -> Option<Timestamp> {
        let mut next = self.router.next_due();
        for venue in self.venues.iter_mut().filter(|venue| venue.open) {
            match venue.gateway.next_due() {
                Due::At(due) => next = Some(next.map_or(due, |next| next.min(due))),
                Due::Idle => {}
                Due::Over => venue.open = false,
            }
        }
        if self.venues.iter().all(|venue| !venue.open) {
            None
        } else {
            next
        }
    }

    /// Plays one window: gather, publish, let the strategies decide, carry out.
    fn play(&mut self, start: Timestamp, observer: &mut dyn Observer) -> Result<(), EngineError> {
        let end = start.saturating_add(self.lookahead_ns);
        self.gather(end);
        self.crew
            .publish(&mut self.producer, &mut self.window, &mut self.intents)?;
        if let (Some(first), Some(last)) = (self.window.first(), self.window.last()) {
            assert!(
                first.ts_host >= self.now,
                "host time never falls: a gateway broke its contract"
            );
            self.now = last.ts_host;
            self.next_sequence = last.sequence + 1;
        }
        self.events += self.window.len() as u64;
        self.tape_hash.update(self.window.as_bytes());
        self.crew.catch_up(self.next_sequence, &mut self.intents)?;
        self.carry_out(end);
        self.dispatch(observer);
        Ok(())
    }

    /// Gathers every event before `end`, in the order of host time; at the same time our own answers come before the
    /// venues' events, and the venues keep the order they were given in.
    fn gather(&mut self, end: Timestamp) {
        self.window.clear();
        self.router.poll(end, &mut self.window);
        for venue in self.venues.iter_mut().filter(|venue| !venue.broken) {
            if let Err(error) = venue.gateway.poll(end, &mut self.window) {
                venue.open = false;
                venue.broken = true;
                self.router.outbox.notices.push((
                    self.now,
                    Notice::Broken {
                        problem: error.to_string(),
                    },
                ));
            }
        }
        // A stable sort: at the same time the order of the sources stands.
        if !self.window.is_sorted_by_key(|event| event.ts_host) {
            self.window.sort_by_key(|event| event.ts_host);
        }
    }

    /// Merges what was decided with what caused it, and carries it out.
    fn carry_out(&mut self, end: Timestamp) {
        self.intents.sort_unstable_by_key(Intent::key);
        let mut intents = self.intents.iter_mut().peekable();
        for event in &self.window {
            self.router.on_event(event);
            while let Some(intent) = intents.next_if(|intent| intent.cause <= event.sequence) {
                hash_intent(&mut self.actions_hash, intent);
                self.router.on_intent(intent);
            }
        }
        for intent in intents {
            // Ends count from the end of the window.
            intent.at = end.saturating_sub(1);
            self.router.on_intent(intent);
            let fault = self
                .cards
                .iter()
                .find(|card| card.id == intent.strategy)
                .map(StrategyCard::fault);
            let notice = Notice::Ended {
                strategy: intent.strategy,
                problem: fault.unwrap_or_default(),
            };
            self.router.outbox.notices.push((intent.at, notice));
        }
        self.intents.clear();
        for order in self.controls.take() {
            self.router.operate(end.saturating_sub(1), order);
        }
    }

    /// Sends commands to the venues and notices to the observer.
    fn dispatch(&mut self, observer: &mut dyn Observer) {
        for (venue, at, command) in self.router.outbox.commands.drain(..) {
            if let Some(venue) = self
                .venues
                .iter_mut()
                .find(|other| other.terms.venue == venue && !other.broken)
            {
                venue.gateway.send(at, command);
            }
        }
        for (at, notice) in self.router.outbox.notices.drain(..) {
            observer.notice(at, notice);
        }
    }

    /// Stops the strategies, cancels what is to be canceled, and gives the venues time to confirm it.
    fn wind_down(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.crew.stop(StopReason::Shutdown)?;
        let at = self.now;
        for place in 0..self.cards.len() {
            if self.router.parties[place].ended {
                continue;
            }
            self.router.end(place, at);
            let (strategy, problem) = (self.cards[place].id, self.cards[place].fault());
            self.cards[place].stopped = problem.is_empty();
            if !problem.is_empty() {
                let notice = Notice::Ended { strategy, problem };
                self.router.outbox.notices.push((at, notice));
            }
        }
        self.dispatch(observer);
        let until = at.saturating_add(GRACE_NS);
        while self.router.has_orders_to_cancel() || self.router.next_due().is_some() {
            let venues = self.venues.iter_mut().filter(|venue| !venue.broken);
            let due = venues.filter_map(|venue| match venue.gateway.next_due() {
                Due::At(due) => Some(due),
                Due::Idle | Due::Over => None,
            });
            match due.chain(self.router.next_due()).min() {
                Some(start) if start <= until => self.play(start, observer)?,
                _ => break,
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        ending: Ending,
        elapsed_ns: u64,
        observer: &mut dyn Observer,
    ) -> Result<Report, EngineError> {
        self.dispatch(observer);
        let status = self.status();
        observer.status(&status);
        for (worker, shard) in self.crew.join()?.iter().enumerate() {
            for (strategy, book) in shard.portfolio().strategies() {
                if self
                    .router
                    .portfolio
                    .book(strategy)
                    .map(|ours| ours.digest())
                    != Some(book.digest())
                {
                    let strategy = self
                        .registry
                        .strategy(strategy)
                        .unwrap_or_default()
                        .to_owned();
                    return Err(EngineError::Replicas { worker, strategy });
                }
            }
        }
        Ok(Report {
            status,
            tape_hash: self.tape_hash.digest128(),
            actions_hash: self.actions_hash.digest128(),
            ending,
            elapsed_ns,
        })
    }

    fn status(&self) -> Status {
        let router = &self.router;
        let balances = self.currencies.iter().filter_map(|currency| {
            let balance = router.portfolio.account().balance(currency.id).ok()?;
            (balance != tickdeck_model::Money::ZERO).then_some((currency.id, balance))
        });
        Status {
            now: self.now,
            events: self.events,
            actions: router.tally.actions,
            orders: router.tally.orders,
            denied: router.tally.denied.clone(),
            fills: router.tally.fills,
            instruments: router
                .markets
                .iter()
                .filter(|(_, market)| market.events > 0)
                .map(|(id, market)| market.status(id))
                .collect(),
            strategies: self
                .cards
                .iter()
                .zip(&router.parties)
                .map(|(card, party)| card.status(router, party, self.registry.instruments()))
                .collect(),
            working: crate::status::working_orders(router),
            capital: balances.collect(),
            killed: router.killed,
        }
    }
}

/// A strategy with the counters that its worker keeps.
type CountedSeat = (Seat, Arc<CachePadded<Counters>>);

/// Puts the workers to work: one share of the seats on this thread, several on a thread each.
fn hire(
    config: &EngineConfig,
    ring: &Ring<Event>,
    mut shares: Vec<Vec<CountedSeat>>,
    shard: impl Fn(Consumer<Event>, Outlet, Vec<CountedSeat>) -> Shard,
) -> Result<Crew, EngineError> {
    if shares.len() == 1 {
        let seats = shares.pop().unwrap_or_default();
        let outlet = Outlet::Local(Vec::new());
        let shard = shard(ring.attach(SlowPolicy::Wait), outlet, seats);
        return Ok(Crew::Inline(Box::new(shard)));
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
    Ok(Crew::start_threads(
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

fn hash_intent(hash: &mut Xxh3, intent: &Intent) {
    if let crate::action_ring::Decision::Act(action) = intent.decision {
        hash.update(&intent.cause.to_le_bytes());
        hash.update(&intent.strategy.0.to_le_bytes());
        hash.update(&intent.ordinal.to_le_bytes());
        hash.update(&action.to_bytes());
    }
}
