//! A toy venue and toy strategies for the engine's own tests.

#![allow(clippy::unwrap_used, reason = "tests")]

pub(crate) mod counting;
pub(crate) mod numbered;
pub(crate) mod reel;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tickdeck_engine::port::{
    Clock, Code, Command, Continuity, Due, Fault, Gateway, GatewayError, OrderPolicy, State,
    StopReason, Strategy, StrategyStart, SwapPolicy, VenueTerms, Version,
};
use tickdeck_engine::{Engine, EngineConfig, EngineError, Notice, Observer, Report, Status};
use tickdeck_model::*;
use tickdeck_portfolio::StrategyBook;

pub(crate) const ORDER_LATENCY_NS: i64 = 40;
pub(crate) const FEED_LATENCY_NS: i64 = 60;

/// Quotes and trades from a seeded walk; fills market orders at the quote, keeps limit orders until they are canceled.
pub(crate) struct ToyVenue {
    state: u64,
    name: &'static str,
    venue: VenueId,
    instrument: InstrumentId,
    continuity: Continuity,
    usd: CurrencyId,
    left: u64,
    /// By host time and order of creation.
    due: BTreeMap<(Timestamp, u64), Event>,
    made: u64,
    /// Counted separately, or its events would depend on when it is polled.
    sent: u64,
    arrivals: BTreeMap<(Timestamp, u64), Command>,
    clock: Timestamp,
    price: i64,
    resting: BTreeMap<ClientOrderId, Submit>,
    /// Nanoseconds between two of its events at most.
    gap: u64,
}

impl ToyVenue {
    pub(crate) fn new(seed: u64, market_events: u64) -> Self {
        Self {
            state: seed | 1,
            name: "TOY",
            venue: VenueId(0),
            instrument: InstrumentId(0),
            continuity: Continuity::Repeats,
            usd: CurrencyId(0),
            left: market_events,
            due: BTreeMap::new(),
            made: 0,
            sent: 0,
            arrivals: BTreeMap::new(),
            clock: 1_000,
            price: 10_000,
            resting: BTreeMap::new(),
            gap: 50,
        }
    }

    /// The same with few events.
    pub(crate) fn sparse(self, gap: u64) -> Self {
        Self { gap, ..self }
    }

    /// The same by another name, with an instrument of its own.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same as a venue that goes on while the host is away.
    pub(crate) fn living_on(self) -> Self {
        Self {
            continuity: Continuity::LivesOn,
            ..self
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn emit(&mut self, at: Timestamp, body: impl Into<Body>) {
        self.made += 1;
        self.due.insert(
            (at + FEED_LATENCY_NS, self.made),
            Event::new(at, at + FEED_LATENCY_NS, body),
        );
    }

    /// The venue's next moment: a market event, or an arrival before it.
    fn step(&mut self) {
        if let Some(((at, _), command)) = self
            .arrivals
            .first_key_value()
            .map(|(key, command)| (*key, *command))
            && (at <= self.clock || self.left == 0)
        {
            self.arrivals.pop_first();
            self.execute(at, command);
            return;
        }
        self.left -= 1;
        let at = self.clock;
        self.clock += self.random(self.gap) as i64;
        self.price += self.random(5) as i64 - 2;
        let (instrument, price) = (self.instrument, Price(self.price));
        if self.random(2) == 0 {
            let (bid_size, ask_size) = (Size(1_000), Size(1_000));
            self.emit(
                at,
                Quote {
                    reserved: Pad::ZERO,
                    instrument,
                    pad: Pad::ZERO,
                    bid: price,
                    bid_size,
                    ask: Price(price.0 + 1),
                    ask_size,
                },
            );
        } else {
            let (aggressor, trade_id) = (Aggressor::Buyer, self.left);
            let trade_id = u64::MAX - trade_id;
            self.emit(
                at,
                Trade {
                    reserved: Pad::ZERO,
                    instrument,
                    aggressor,
                    pad: Pad::ZERO,
                    price,
                    size: Size(1),
                    trade_id,
                },
            );
        }
    }

    fn execute(&mut self, at: Timestamp, command: Command) {
        match command {
            Command::Submit { id, order } => {
                assert_eq!(order.instrument, self.instrument, "of another venue");
                self.emit(at, update(id, &order, OrderStatus::Accepted));
                if order.kind == OrderType::Market {
                    self.emit(at, self.fill(id, &order));
                } else {
                    self.resting.insert(id, order);
                }
            }
            Command::Cancel { id, .. } => {
                if let Some(order) = self.resting.remove(&id) {
                    self.emit(at, update(id, &order, OrderStatus::Canceled));
                }
            }
            Command::Modify { id, terms, .. } => {
                if let Some(order) = self.resting.get_mut(&id) {
                    (order.price, order.size) = (terms.price, terms.size);
                    let order = *order;
                    self.emit(at, update(id, &order, OrderStatus::Replaced));
                }
            }
            Command::Snapshot { instrument } => {
                let (change, side) = (BookChange::Clear, Side::Buy);
                let (price, size) = (Price(0), Size(0));
                let clear = BookUpdate {
                    reserved: Pad::ZERO,
                    instrument,
                    change,
                    side,
                    last: true,
                    pad: Pad::ZERO,
                    price,
                    size,
                    update_id: 1,
                };
                self.emit(at, clear);
            }
        }
    }

    fn fill(&self, id: ClientOrderId, order: &Submit) -> Fill {
        Fill {
            account: AccountId(0),
            reserved: Pad::ZERO,
            instrument: order.instrument,
            strategy: id.strategy,
            order: id.number,
            trade_id: self.made,
            price: Price(self.price),
            size: order.size,
            fee: Amount(3),
            fee_currency: self.usd,
            side: order.side,
            liquidity: Liquidity::Taker,
            pad: Pad::ZERO,
        }
    }
}

pub(crate) fn update(id: ClientOrderId, order: &Submit, status: OrderStatus) -> OrderUpdate {
    OrderUpdate {
        account: AccountId(0),
        reserved: Pad::ZERO,
        stop_price: Price::ZERO,
        instrument: order.instrument,
        strategy: id.strategy,
        order: id.number,
        price: order.price,
        size: order.size,
        filled: Size(0),
        status,
        reason: Reason::Normal,
        side: order.side,
        pad: Pad::ZERO,
    }
}

impl Gateway for ToyVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.venue = registry.add_venue(self.name);
        self.usd = registry.add_currency("USD", 2)?;
        let base = registry.add_currency("XYZ", 0)?;
        let terms = Instrument {
            id: InstrumentId(0),
            venue: self.venue,
            symbol: format!("XYZUSD.{}", self.name),
            base,
            quote: self.usd,
            price_scale: 2,
            size_scale: 0,
            quote_scale: 2,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(0),
        };
        self.instrument = registry.add_instrument(terms)?;
        let instruments = vec![self.instrument];
        let balances = vec![(self.usd, Amount(100_000_000))];
        let lookahead_ns = (ORDER_LATENCY_NS + FEED_LATENCY_NS) as u64;
        Ok(VenueTerms {
            venue: self.venue,
            instruments,
            balances,
            lookahead_ns,
            continuity: self.continuity,
        })
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        self.sent += 1;
        self.arrivals
            .insert((at + ORDER_LATENCY_NS, self.sent), command);
    }

    fn next_due(&mut self) -> Due {
        let event = self.due.first_key_value().map(|((at, _), _)| *at);
        let arrival = self
            .arrivals
            .first_key_value()
            .map(|((at, _), _)| at + FEED_LATENCY_NS);
        let market = (self.left > 0).then_some(self.clock + FEED_LATENCY_NS);
        match event.into_iter().chain(arrival).chain(market).min() {
            Some(at) => Due::At(at),
            None => Due::Over,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        loop {
            let arrival = self.arrivals.first_key_value().map(|((at, _), _)| *at);
            let market = (self.left > 0).then_some(self.clock);
            match arrival.into_iter().chain(market).min() {
                Some(at) if at + FEED_LATENCY_NS < until => self.step(),
                _ => break,
            }
        }
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 < until) {
            out.push(entry.remove());
        }
        Ok(())
    }
}

/// Flat out.
pub(crate) struct NoClock;

impl Clock for NoClock {
    fn wait_until(&mut self, _: Timestamp) {}
    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }
    fn now_ns(&self) -> u64 {
        0
    }
}

/// Keeps the notices.
#[derive(Default)]
pub(crate) struct Notices(pub(crate) Vec<Notice>);

impl Observer for Notices {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        self.0.push(notice);
    }
    fn status(&mut self, _: &Status) {}
}

/// Does something at the n-th notice or status.
pub(crate) struct At<F>(pub(crate) u32, pub(crate) F);

impl<F: FnMut()> Observer for At<F> {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, _: &Status) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            (self.1)();
        }
    }
}

/// Code whose instances are another's, each inside of one more.
struct Wrapped<F> {
    code: Arc<dyn Code>,
    wrap: F,
}

/// The version with its instances inside of what `wrap` makes of each, which is told whether that one takes the place of
/// another.
pub(crate) fn wrapped(
    version: Version,
    wrap: impl Fn(Box<dyn Strategy>, bool) -> Box<dyn Strategy> + Send + Sync + 'static,
) -> Version {
    let code = Arc::clone(&version.code);
    Version {
        code: Arc::new(Wrapped { code, wrap }),
        ..version
    }
}

impl<F: Fn(Box<dyn Strategy>, bool) -> Box<dyn Strategy> + Send + Sync> Code for Wrapped<F> {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok((self.wrap)(self.code.start(book)?, false))
    }

    fn start_in_place(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok((self.wrap)(self.code.start_in_place(book)?, true))
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        Ok((self.wrap)(self.code.restore(book, state)?, true))
    }

    fn schema(&self) -> u32 {
        self.code.schema()
    }

    fn restores(&self) -> &[u32] {
        self.code.restores()
    }
}

/// A strategy made of a function that answers one event.
pub(crate) struct Toy<F>(pub(crate) F);

impl<F: FnMut(&Event, &StrategyBook, &mut Vec<Action>) -> Result<(), Fault> + Send> Strategy
    for Toy<F>
{
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            (self.0)(event, book, actions)?;
            if !actions.is_empty() {
                return Ok(at + 1);
            }
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Err("a toy keeps no state".to_owned()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

/// The code of strategies that are started once, by hand.
pub(crate) struct Once;

impl Code for Once {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Err(Fault("a toy is started once".to_owned()))
    }

    fn restore(&self, _: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        Err(Fault("a toy is started once".to_owned()))
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[]
    }
}

/// A version of some code that takes everything from the toy venue's market.
pub(crate) fn version(label: &str, feeds: Vec<FeedRequest>, code: Arc<dyn Code>) -> Version {
    Version {
        label: label.to_owned(),
        hash: label.to_owned(),
        feeds,
        accounts: false,
        messages: Vec::new(),
        order_policy: OrderPolicy::Cancel,
        limits: None,
        swap: SwapPolicy::default(),
        spec: label.into(),
        code,
    }
}

pub(crate) fn order(number: u64, kind: OrderType, side: Side, price: i64, size: i64) -> Submit {
    Submit {
        order: number,
        instrument: InstrumentId(0),
        side,
        kind,
        time_in_force: TimeInForce::Gtc,
        size: Size(size),
        price: Price(price),
        stop_price: Price(0),
        ..Submit::EMPTY
    }
}

pub(crate) fn feed(feed: Feed, step: u32, basis: BarBasis) -> FeedRequest {
    FeedRequest {
        target: 0,
        step,
        feed,
        basis,
        pad: Pad::ZERO,
    }
}

/// An engine with strategies, given by name, feeds and instance, on a toy venue.
pub(crate) fn engine(
    seed: u64,
    market_events: u64,
    config: EngineConfig,
    strategies: Vec<(&str, Vec<FeedRequest>, Box<dyn Strategy>)>,
) -> Engine {
    engine_with(OrderPolicy::Cancel, seed, market_events, config, strategies)
}

/// The same with another order policy.
pub(crate) fn engine_with(
    order_policy: OrderPolicy,
    seed: u64,
    market_events: u64,
    config: EngineConfig,
    strategies: Vec<(&str, Vec<FeedRequest>, Box<dyn Strategy>)>,
) -> Engine {
    let with_policy = |(name, feeds, strategy)| {
        let version = Version {
            order_policy,
            ..version("1.0.0", feeds, Arc::new(Once))
        };
        (name, version, strategy)
    };
    let strategies = strategies.into_iter().map(with_policy).collect();
    engine_of(ToyVenue::new(seed, market_events), config, strategies)
}

/// The same with given versions and a given venue.
pub(crate) fn engine_of(
    venue: ToyVenue,
    config: EngineConfig,
    strategies: Vec<(&str, Version, Box<dyn Strategy>)>,
) -> Engine {
    engine_at(venue, Box::new(NoClock), config, strategies)
}

/// The same with a given clock.
pub(crate) fn engine_at(
    venue: impl Gateway + 'static,
    clock: Box<dyn Clock>,
    config: EngineConfig,
    strategies: Vec<(&str, Version, Box<dyn Strategy>)>,
) -> Engine {
    try_engine_at(venue, clock, config, strategies).unwrap()
}

/// The same, but fallible.
pub(crate) fn try_engine_at(
    venue: impl Gateway + 'static,
    clock: Box<dyn Clock>,
    config: EngineConfig,
    strategies: Vec<(&str, Version, Box<dyn Strategy>)>,
) -> Result<Engine, EngineError> {
    try_engine_on(vec![Box::new(venue)], clock, config, strategies)
}

/// The same on several venues.
pub(crate) fn try_engine_on(
    venues: Vec<Box<dyn Gateway>>,
    clock: Box<dyn Clock>,
    config: EngineConfig,
    strategies: Vec<(&str, Version, Box<dyn Strategy>)>,
) -> Result<Engine, EngineError> {
    try_engine_measuring(venues, (clock, Arc::new(|| 0)), config, strategies)
}

/// What the workers measure time by.
pub(crate) type NowNs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The same whose workers measure time.
pub(crate) fn try_engine_measuring(
    venues: Vec<Box<dyn Gateway>>,
    (clock, now_ns): (Box<dyn Clock>, NowNs),
    config: EngineConfig,
    strategies: Vec<(&str, Version, Box<dyn Strategy>)>,
) -> Result<Engine, EngineError> {
    let mut registry = Registry::new();
    let venues = venues.into_iter().map(|mut venue| {
        let terms = venue.register(&mut registry).unwrap();
        (venue, terms)
    });
    let venues: Vec<(Box<dyn Gateway>, VenueTerms)> = venues.collect();
    let message = (registry.add_text("ping"), "ping".to_owned());
    let seats = strategies
        .into_iter()
        .map(|(name, version, strategy)| StrategyStart {
            id: registry.add_strategy(name),
            name: name.to_owned(),
            allocation: vec![(CurrencyId(0), Amount(1_000_000))],
            next_order: 1,
            last_order: 1_000_000_000,
            version: Version {
                messages: vec![message.clone()],
                ..version
            },
            strategy,
        })
        .collect();
    Engine::new(config, Arc::new(registry), venues, seats, clock, now_ns)
}

/// Runs it to the end.
pub(crate) fn run(
    seed: u64,
    market_events: u64,
    config: EngineConfig,
    strategies: Vec<(&str, Vec<FeedRequest>, Box<dyn Strategy>)>,
) -> (Report, Vec<Notice>) {
    let mut notices = Notices::default();
    let report = engine(seed, market_events, config, strategies)
        .run(&mut notices)
        .unwrap();
    (report, notices.0)
}

/// Event time advances with every read, from the first wait on, and so does measured time.
pub(crate) struct Ticking {
    event: Arc<AtomicI64>,
    measured: AtomicU64,
    step: i64,
    measured_step: u64,
}

impl Ticking {
    pub(crate) fn new(step: i64) -> (Box<Self>, Arc<AtomicI64>) {
        let event = Arc::new(AtomicI64::new(Timestamp::MIN));
        let clock = Self {
            event: Arc::clone(&event),
            measured: AtomicU64::new(0),
            step,
            // A second per read, so that a status is due at each.
            measured_step: 1_000_000_000,
        };
        (Box::new(clock), event)
    }

    /// The same with this much measured time per read.
    pub(crate) fn measuring(mut self: Box<Self>, step_ns: u64) -> Box<Self> {
        self.measured_step = step_ns;
        self
    }
}

impl Clock for Ticking {
    fn wait_until(&mut self, due: Timestamp) {
        self.event.fetch_max(due, Ordering::Relaxed);
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        match self.event.load(Ordering::Relaxed) {
            Timestamp::MIN => Timestamp::MIN,
            _ => self.event.fetch_add(self.step, Ordering::Relaxed),
        }
    }

    fn now_ns(&self) -> u64 {
        self.measured
            .fetch_add(self.measured_step, Ordering::Relaxed)
    }
}
