//! What the engine asks of the world: venues behind [`Gateway`], strategies behind [`Strategy`], time behind [`Clock`].
//!
//! Adapters implement these and never see each other. Every method returns at once; answers are events.

use crate::config::OrderLimits;
use std::sync::Arc;
use tickdeck_model::{
    Action, Amount, ClientOrderId, Currency, CurrencyId, Event, FeedRequest, InstrumentId,
    OrderNumber, Price, Registry, RegistryError, Size, StrategyId, Submit, TextId, Timestamp,
    VenueId,
};
use tickdeck_portfolio::{Portfolio, StrategyBook};

pub use crate::waker::Waker;

/// A venue: takes commands, gives events.
///
/// Time is event time. A simulated venue is driven by it alone, so the same calls give the same events, however
/// the kernel cuts time into polls:
/// - a command sent at `t` never causes an event with `ts_host` below `t + lookahead_ns`;
/// - [`Gateway::poll`] gives every event with `ts_host` below its bound, in order, and `ts_host` never falls.
pub trait Gateway: Send {
    /// Puts the venue, its currencies and instruments into the registry. Called once, before anything else.
    ///
    /// # Errors
    /// The data folder knows them with other terms, or the source can't be read.
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError>;

    /// Takes a handle that wakes the kernel. Called once, after [`Gateway::register`] and before everything else. A gateway
    /// with a thread of its own keeps it and wakes the kernel whenever that thread has put something in; one that only
    /// works when it is called needs none.
    fn set_waker(&mut self, _waker: Waker) {}

    /// Sends a command at host time `at`. Whatever becomes of it comes back as events.
    fn send(&mut self, at: Timestamp, command: Command);

    /// When the next event is due, as far as is known now.
    fn next_due(&mut self) -> Due;

    /// Appends every event with `ts_host` below `until`; sequences are not stamped yet.
    ///
    /// # Errors
    /// The source broke (a damaged capture, say). What was appended before stands; the venue is over.
    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError>;
}

/// What the kernel must know of a venue.
#[derive(Debug, Clone)]
pub struct VenueTerms {
    /// The venue.
    pub venue: VenueId,
    /// What trades there.
    pub instruments: Vec<InstrumentId>,
    /// The account's balances at the start.
    pub balances: Vec<(CurrencyId, Amount)>,
    /// The least time between a command and the first event it can cause; at least 1.
    pub lookahead_ns: u64,
    /// Whether it gives its events once more.
    pub continuity: Continuity,
}

/// Whether a venue gives the same events once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Continuity {
    /// It does, for the same commands: it is simulated, or a recorded market. An interrupted run is resumed by playing it
    /// again.
    #[default]
    Repeats,
    /// It goes on while the host is away. After an interruption, orders, positions and balances have to be reconciled
    /// with it.
    LivesOn,
}

/// When a venue's next event is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At this host time.
    At(Timestamp),
    /// Nothing is under way; only a command can change that.
    Idle,
    /// The feed has ended: no market data will come any more.
    Over,
}

/// What a venue can be asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// A new order, already checked against the instrument's form.
    Submit {
        /// Our name for it.
        id: ClientOrderId,
        /// The order.
        order: Submit,
    },
    /// A change of a working order.
    Modify {
        /// Our name for it.
        id: ClientOrderId,
        /// What it is about.
        instrument: InstrumentId,
        /// The new limit price.
        price: Price,
        /// The new whole size, fills included.
        size: Size,
    },
    /// Take an order off the book.
    Cancel {
        /// Our name for it.
        id: ClientOrderId,
        /// What it is about.
        instrument: InstrumentId,
    },
    /// Send the instrument's book again, as `clear` and `snapshot` updates.
    Snapshot {
        /// Whose book.
        instrument: InstrumentId,
    },
}

/// Why a venue cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The registry refuses the venue's terms.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The source cannot be read; the text names the thing, the place and the fix.
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
    /// Handles `batch` from its start, appends what the strategy wants to `actions`, and returns how many events it
    /// consumed (at least one). `book` is the strategy's own view, as of the batch's first event.
    ///
    /// # Errors
    /// The instance trapped or broke the contract; it must not be called again.
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault>;

    /// The strategy's state as bytes, under a time limit of its own. The inner error: it says why it can't, and lives on.
    ///
    /// # Errors
    /// The instance trapped; it must not be called again.
    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault>;

    /// As [`Strategy::save`], into memory that is there already; what was in `state` is lost.
    ///
    /// # Errors
    /// As [`Strategy::save`].
    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        Ok(self.save()?.map(|bytes| *state = bytes))
    }

    /// Whatever it does from now on, nothing depends on how long it takes: where limits in time are stretched because a run
    /// is done again, this instance gets no more than it would have had.
    fn restore_time_limit(&mut self) {}

    /// Says goodbye. The instance is dropped after.
    ///
    /// # Errors
    /// The instance trapped; it is dropped all the same.
    fn stop(&mut self, reason: StopReason) -> Result<(), Fault>;
}

/// Why an instance can't go on. The text is for people: what happened, where, the limit if it was one.
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

/// What becomes of working orders when their strategy ends, in the order of `wit/lifecycle.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderPolicy {
    /// They are canceled.
    Cancel,
    /// They stay.
    Hold,
}

/// Order numbers that a strategy has for one run: more than any sends between two starts, and few enough that a run can
/// set them aside on disk before the first is used.
pub const ORDERS_PER_RUN: OrderNumber = 1_000_000_000;

/// What `save` gave, and what `restore` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The schema that the bytes are in.
    pub schema: u32,
    /// The strategy's own bytes.
    pub bytes: Vec<u8>,
}

/// The code of a strategy with its parameters: what instances are made from.
///
/// An instance may read `book`, the strategy's view of the store as of now, while it starts; the first order number
/// that is free stands in it.
pub trait Code: Send + Sync {
    /// Starts an instance afresh, by `init`.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault>;

    /// Starts an instance from a saved state, by `restore`.
    ///
    /// # Errors
    /// The strategy refuses, or traps; the text says why.
    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault>;

    /// The schema that `save` writes.
    fn schema(&self) -> u32;

    /// The schemas that `restore` reads.
    fn restores(&self) -> &[u32];
}

/// What a new version starts from if the old one can't save its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveFailed {
    /// The last periodic snapshot, and the events since, whose decisions come too late to be sent; if there is no
    /// snapshot, afresh.
    #[default]
    Snapshot,
    /// Afresh.
    Fresh,
}

/// What becomes of a new version that does not read the old one's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherSchema {
    /// It is refused, the old one stays.
    #[default]
    Refuse,
    /// It starts afresh.
    Fresh,
}

/// How a version takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapPolicy {
    /// It runs beside the old one, its actions compared and not sent, until it is promoted.
    pub shadow: bool,
    /// What it starts from if the old one can't save.
    pub save_failed: SaveFailed,
    /// Whether it may start afresh if it does not read the old state.
    pub other_schema: OtherSchema,
    /// A trap within this many events of its first rolls it back ...
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
    /// Its version, for people.
    pub label: String,
    /// Which code it is: the hash of its module, in hexadecimal digits.
    pub hash: String,
    /// What it wants from the first event on.
    pub feeds: Vec<FeedRequest>,
    /// Whether it wants the account's balances.
    pub accounts: bool,
    /// The texts behind `notify`.
    pub messages: Vec<(TextId, String)>,
    /// What becomes of its orders when it ends.
    pub order_policy: OrderPolicy,
    /// What it may send; `None`: the deck's defaults.
    pub limits: Option<OrderLimits>,
    /// How it takes over from the version before.
    pub swap: SwapPolicy,
    /// What it takes to make it again, in the words of whoever made it: kept in reels, not read here.
    pub spec: Arc<str>,
    /// What its instances are made from.
    pub code: Arc<dyn Code>,
}

/// A strategy ready to run.
pub struct StrategyStart {
    /// Its number, by name.
    pub id: StrategyId,
    /// Its name in this deck.
    pub name: String,
    /// Its money, which its view starts with.
    pub allocation: Vec<(CurrencyId, Amount)>,
    /// The first order number it may use.
    pub next_order: OrderNumber,
    /// The last one that was set aside for this run.
    pub last_order: OrderNumber,
    /// The version it starts with.
    pub version: Version,
    /// An instance of that version.
    pub strategy: Box<dyn Strategy>,
}

impl StrategyStart {
    /// Starts a version with the view of the store that the strategy will have when it is seated.
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

/// The last order number of a run whose first is `first_order`.
pub const fn last_order(first_order: OrderNumber) -> OrderNumber {
    first_order.saturating_add(ORDERS_PER_RUN - 1)
}

/// Wall time, which the engine itself never reads.
pub trait Clock: Send {
    /// Waits until event time `due` may be played; returns at once when playing flat out.
    fn wait_until(&mut self, due: Timestamp);
    /// Whether `wait_until` ever waits.
    fn paces(&self) -> bool;
    /// How far event time has come: what is due then may be played. It begins with the first `wait_until`, and has no end
    /// when playing flat out.
    fn reached(&self) -> Timestamp;
    /// Nanoseconds of a monotonic clock, for measuring only.
    fn now_ns(&self) -> u64;
}
