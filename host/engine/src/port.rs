//! The engine's ports: venues behind [`Gateway`], strategies behind [`Strategy`], time behind [`Clock`].
//!
//! Adapters implement these and never see each other. No method blocks; answers are events.

use crate::config::OrderLimits;
use std::sync::Arc;
use tickdeck_model::{
    Action, Amount, ClientOrderId, Currency, CurrencyId, Event, FeedRequest, InstrumentId,
    OrderNumber, Price, Registry, RegistryError, Size, StrategyId, Submit, TextId, Timestamp,
    VenueId,
};
use tickdeck_portfolio::Portfolio;

pub use crate::waker::Waker;
pub use tickdeck_portfolio::StrategyBook;

/// A venue: takes commands, produces events.
///
/// Time is event time. A simulated venue is driven by it alone, so the same calls give the same events, however the
/// kernel divides time into polls:
/// - a command sent at `t` never causes an event with `ts_host` below `t + lookahead_ns`;
/// - [`Gateway::poll`] returns every event with `ts_host` below its bound, in order, and `ts_host` never decreases.
pub trait Gateway: Send {
    /// Registers the venue, its currencies and its instruments. Called once, before anything else.
    ///
    /// # Errors
    /// The data folder has them with other terms, or the source can't be read.
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError>;

    /// Takes a handle that wakes the kernel. Called once, after [`Gateway::register`] and before everything else. A gateway
    /// with a thread of its own keeps it and wakes the kernel whenever that thread has new events; one that only works when
    /// called does not need it.
    fn set_waker(&mut self, _waker: Waker) {}

    /// Sends a command at host time `at`. Its outcome comes back as events.
    fn send(&mut self, at: Timestamp, command: Command);

    /// Returns when the next event is due, as far as is known.
    fn next_due(&mut self) -> Due;

    /// Returns a handle on what is known of the quality of the venue's data. Called once, before the venue moves to the kernel.
    fn data_monitor(&self) -> Option<Arc<dyn DataMonitor>> {
        None
    }

    /// Appends every event with `ts_host` below `until`; sequences are not stamped yet.
    ///
    /// # Errors
    /// The source failed (a damaged capture, say). Events appended before remain valid; the venue's feed is over.
    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError>;
}

/// Reports the quality of a venue's data, from any thread, while the kernel owns the venue.
pub trait DataMonitor: Send + Sync + std::fmt::Debug {
    /// What was found so far.
    fn quality(&self) -> DataQuality;
}

/// What was found in a venue's data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataQuality {
    /// Messages read.
    pub messages: u64,
    /// Messages that could not be read, and were skipped.
    pub damaged: u64,
    /// Messages of kinds or symbols that are not used.
    pub ignored: u64,
    /// Gaps in numbered messages.
    pub gaps: u64,
    /// Times a book contradicted itself or the venue's own quotes.
    pub contradictions: u64,
    /// Messages whose time is before that of the previous one.
    pub time_went_back: u64,
    /// Messages that repeated known ones, and were skipped.
    pub duplicates: u64,
    /// Sizes that were finer than the instrument's scale, and cut down to it.
    pub cut_sizes: u64,
    /// The first faults, each with its place.
    pub problems: Vec<String>,
}

impl DataQuality {
    /// Faults: something is missing, damaged or contradictory. Repetitions and cut sizes are none.
    pub fn faults(&self) -> u64 {
        self.damaged + self.gaps + self.contradictions + self.time_went_back
    }
}

/// The terms of a venue.
#[derive(Debug, Clone)]
pub struct VenueTerms {
    /// The venue.
    pub venue: VenueId,
    /// The instruments that it lists; their orders go to it.
    pub instruments: Vec<InstrumentId>,
    /// The account's balances at the start.
    pub balances: Vec<(CurrencyId, Amount)>,
    /// The minimum time between a command and the first event it can cause; at least 1.
    pub lookahead_ns: u64,
    /// Whether it can repeat its events.
    pub continuity: Continuity,
}

/// Whether a venue can repeat its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Continuity {
    /// It can, given the same commands: it is simulated, or a recorded market. An interrupted run is resumed by replaying
    /// it.
    #[default]
    Repeats,
    /// It continues while the host is away. After an interruption, orders, positions and balances have to be reconciled with
    /// it.
    LivesOn,
}

/// When a venue's next event is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At this host time.
    At(Timestamp),
    /// Nothing is pending, as far as is known: a command may change that, or the venue's own thread, which then wakes the
    /// kernel through its [`Waker`].
    Idle,
    /// The feed has ended: no more market data will come.
    Over,
}

/// The terms of a working order after a modify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTerms {
    /// The limit price, 0 where the type has none.
    pub price: Price,
    /// The new stop price; 0 leaves it as it is, met or not.
    pub stop_price: Price,
    /// The total size, fills included.
    pub size: Size,
}

/// A command to a venue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// A new order, already checked against the instrument's terms.
    Submit {
        /// Our id for the order.
        id: ClientOrderId,
        /// The order.
        order: Submit,
    },
    /// A change of a working order.
    Modify {
        /// Our id for the order.
        id: ClientOrderId,
        /// The order's instrument.
        instrument: InstrumentId,
        /// Its terms from now on.
        terms: NewTerms,
    },
    /// A cancel of a working order.
    Cancel {
        /// Our id for the order.
        id: ClientOrderId,
        /// The order's instrument.
        instrument: InstrumentId,
    },
    /// A request for the instrument's book, delivered as `clear` and `snapshot` updates.
    Snapshot {
        /// The instrument.
        instrument: InstrumentId,
    },
}

/// Why a venue cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The registry refuses the venue's terms.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The source cannot be read; the text names the problem, its place and the fix.
    #[error("{source_name}: {problem}")]
    Source {
        /// The file or address.
        source_name: String,
        /// What is wrong, where, and what to do.
        problem: String,
    },
}

/// A running instance of a strategy.
pub trait Strategy: Send {
    /// Handles `batch` from its start, appends the strategy's actions to `actions`, and returns how many events it
    /// consumed (at least one). `book` is the strategy's own view, as of the batch's first event.
    ///
    /// # Errors
    /// The instance trapped or violated the contract; it must not be called again.
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault>;

    /// Saves the strategy's state as bytes, under a time limit of its own. The inner error says why the strategy cannot save;
    /// the strategy keeps running.
    ///
    /// # Errors
    /// The instance trapped; it must not be called again.
    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault>;

    /// Like [`Strategy::save`], but into existing memory; the old content of `state` is lost.
    ///
    /// # Errors
    /// As [`Strategy::save`].
    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        Ok(self.save()?.map(|bytes| *state = bytes))
    }

    /// Returns the CPU time of the last call in nanoseconds, if that call took a millisecond or more. An instance that would
    /// have to measure every call to know returns none.
    fn long_call_ns(&self) -> Option<u64> {
        None
    }

    /// Returns the CPU time of the calling thread in nanoseconds, if the instance can tell. Costs a system call.
    fn thread_time_ns(&self) -> Option<u64> {
        None
    }

    /// Restores the ordinary time limits, if they were stretched for a replay.
    fn restore_time_limit(&mut self) {}

    /// Stops the instance, which is dropped afterwards.
    ///
    /// # Errors
    /// The instance trapped; it is dropped anyway.
    fn stop(&mut self, reason: StopReason) -> Result<(), Fault>;
}

/// Why an instance cannot continue. The text is for people: what happened, where, and the limit if there was one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Why a strategy is stopped, in the order of `wit/lifecycle.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The host shuts down.
    Shutdown,
    /// It was removed.
    Removed,
    /// Another version takes over.
    Replaced,
}

/// How working orders are handled when their strategy ends, in the order of `wit/lifecycle.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderPolicy {
    /// They are canceled.
    Cancel,
    /// They stay.
    Hold,
}

/// Order numbers that a strategy gets for one run: more than any strategy uses between two starts. A run reserves the whole
/// range on disk before the first is used.
pub const ORDERS_PER_RUN: OrderNumber = 1_000_000_000;

/// A saved state: the result of `save`, and the input of `restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The schema of the bytes.
    pub schema: u32,
    /// The strategy's own bytes.
    pub bytes: Vec<u8>,
}

/// The code of a strategy with its parameters, from which instances are made.
///
/// While it starts, an instance may read `book`, the strategy's current view of the store, which also holds the first free
/// order number.
pub trait Code: Send + Sync {
    /// Starts a fresh instance, by `init`.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault>;

    /// Like [`Code::start`], but on a trading thread, in place of another instance: others wait, so the time limit is that of
    /// a handover.
    ///
    /// # Errors
    /// As [`Code::start`].
    fn start_in_place(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.start(book)
    }

    /// Returns whether an instance can be started immediately; if not, triggers the creation of one on another thread.
    fn is_ready(&self) -> bool {
        true
    }

    /// Starts an instance from a saved state, by `restore`, while others wait.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault>;

    /// Returns the schema that `save` writes.
    fn schema(&self) -> u32;

    /// Returns the schemas that `restore` reads.
    fn restores(&self) -> &[u32];
}

/// What a new version starts from if the old one cannot save its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveFailed {
    /// The last periodic snapshot and the events since, whose decisions come too late to be sent; without a snapshot, it
    /// starts afresh.
    #[default]
    Snapshot,
    /// It starts afresh.
    Fresh,
}

/// How a new version that cannot read the old one's state is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherSchema {
    /// It is refused, and the old one stays.
    #[default]
    Refuse,
    /// It starts afresh.
    Fresh,
}

/// How a version takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapPolicy {
    /// Whether it runs as a shadow of the old one, its actions compared but not sent, until it is promoted.
    pub shadow: bool,
    /// What it starts from if the old one cannot save.
    pub save_failed: SaveFailed,
    /// How it is handled if it cannot read the old state.
    pub other_schema: OtherSchema,
    /// A fault within this many events after its first rolls it back ...
    pub trial_events: u64,
    /// ... or within this much event time, whichever ends first.
    pub trial_ns: i64,
}

impl Default for SwapPolicy {
    fn default() -> Self {
        Self {
            shadow: false,
            save_failed: SaveFailed::default(),
            other_schema: OtherSchema::default(),
            trial_events: 10_000,
            trial_ns: 60_000_000_000,
        }
    }
}

/// A version of a strategy: its code, and its manifest resolved against the registry.
#[derive(Clone)]
pub struct Version {
    /// The label, for people.
    pub label: String,
    /// The hash of its module, in hex.
    pub hash: String,
    /// The feeds that it gets from the first event on.
    pub feeds: Vec<FeedRequest>,
    /// Whether it gets the account's balances.
    pub accounts: bool,
    /// The texts behind `notify`.
    pub messages: Vec<(TextId, String)>,
    /// How its orders are handled when it ends.
    pub order_policy: OrderPolicy,
    /// Its order limits; `None`: the deck's defaults.
    pub limits: Option<OrderLimits>,
    /// How it takes over from the previous version.
    pub swap: SwapPolicy,
    /// What is needed to make the version again, in its maker's own format: recorded in reels, not read here.
    pub spec: Arc<str>,
    /// The code that its instances are made from.
    pub code: Arc<dyn Code>,
}

/// A strategy ready to run.
pub struct StrategyStart {
    /// Its interned id.
    pub id: StrategyId,
    /// Its name in this deck.
    pub name: String,
    /// The capital that its view starts with.
    pub allocation: Vec<(CurrencyId, Amount)>,
    /// The first order number that it may use.
    pub next_order: OrderNumber,
    /// The last order number reserved for this run.
    pub last_order: OrderNumber,
    /// The version that it starts with.
    pub version: Version,
    /// An instance of that version.
    pub strategy: Box<dyn Strategy>,
}

impl StrategyStart {
    /// Starts a version with the view of the store that the strategy will have when the engine starts it.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    pub fn start(
        registry: &Registry,
        (id, name): (StrategyId, String),
        allocation: Vec<(CurrencyId, Amount)>,
        next_order: OrderNumber,
        version: Version,
    ) -> Result<Self, Fault> {
        let currencies: Vec<Currency> = (0..)
            .map_while(|id| registry.currency(CurrencyId(id)))
            .collect();
        let mut portfolio = Portfolio::new(registry.instruments(), &currencies);
        portfolio.open_strategy(id, &allocation, next_order);
        let mut book = portfolio.close_strategy(id).unwrap_or_default();
        let strategy = version.code.start(&mut book)?;
        Ok(Self {
            id,
            name,
            allocation,
            next_order,
            last_order: last_order(next_order),
            version,
            strategy,
        })
    }
}

/// Returns the last order number of a run whose first is `first_order`.
pub const fn last_order(first_order: OrderNumber) -> OrderNumber {
    first_order.saturating_add(ORDERS_PER_RUN - 1)
}

/// Wall time, which the engine itself never reads.
pub trait Clock: Send {
    /// Waits until event time `due` may be played; returns at once when playing flat out.
    fn wait_until(&mut self, due: Timestamp);
    /// Like [`Clock::wait_until`], but waits a few milliseconds at most and returns whether the wait is over. Operators are
    /// served in between.
    fn wait_a_while(&mut self, due: Timestamp) -> bool {
        self.wait_until(due);
        true
    }
    /// Returns whether `wait_until` ever waits.
    fn paces(&self) -> bool;
    /// Returns how far event time has advanced: events due by then may be played. It starts with the first `wait_until`, and
    /// is unbounded when playing flat out.
    fn reached(&self) -> Timestamp;
    /// Returns the nanoseconds of a monotonic clock, for measuring only.
    fn now_ns(&self) -> u64;
}
