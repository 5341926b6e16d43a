//! What the engine reports while it runs and at the end.

use crate::change_origin::ChangeOrigin;
use crate::worker::handover::StateSource;
use crate::worker::slot::{ShadowDifference, TIME_BUCKETS};
use std::collections::BTreeMap;
use std::sync::Arc;
use tickdeck_model::{
    ClientOrderId, CurrencyId, InstrumentId, Money, OrderState, Price, Reason, Severity, Side,
    Size, StrategyId, Timestamp, VenueId, VenueState,
};

/// Observes a running engine. Called on the kernel's thread, so every method must be quick.
pub trait Observer {
    /// Takes a notice of something that happened at event time `at`.
    fn notice(&mut self, at: Timestamp, notice: Notice);

    /// Takes the status, about every [`STATUS_INTERVAL_NS`] of the clock, and once at the end.
    fn status(&mut self, status: &Status);
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullObserver;

impl Observer for NullObserver {
    fn notice(&mut self, _: Timestamp, _: Notice) {}

    fn status(&mut self, _: &Status) {}
}

/// Time between two calls of [`Observer::status`], as the clock measures it.
pub const STATUS_INTERVAL_NS: u64 = 100_000_000;

/// What is wrong with an order that protects a position: a reduce-only order, or a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitProblem {
    /// It ended before it was filled, its strategy did not ask for that, and the position stands.
    Ended {
        /// The reason.
        reason: Reason,
    },
    /// The host holds it, and can't watch its price: the data is stale, or the venue down.
    Unwatched,
    /// Its price was reached, and the venue does not cancel what has the room that it needs.
    Stuck,
    /// It opened a position: the venue filled more than was left to close.
    Overfilled,
}

/// A notice of something worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// An order or a change of one was denied by one of the host's checks.
    Denied {
        /// The order.
        order: ClientOrderId,
        /// The deny code.
        reason: Reason,
        /// `notional=31000.00, limit=25000`
        values: String,
    },
    /// A venue refused something.
    Refused {
        /// The order.
        order: ClientOrderId,
        /// The reason.
        reason: Reason,
    },
    /// Something is wrong with an order that protects a position.
    Exit {
        /// The order.
        order: ClientOrderId,
        /// What is wrong.
        problem: ExitProblem,
    },
    /// A strategy notifies the operator.
    Notified {
        /// The strategy.
        strategy: StrategyId,
        /// The severity.
        severity: Severity,
        /// The message of its manifest.
        message: String,
        /// The value that goes with it.
        value: f64,
    },
    /// The versions of a strategy changed.
    Version {
        /// The strategy.
        strategy: StrategyId,
        /// What happened.
        change: VersionChange,
        /// The origin that came with the request; `None` if there was none, or if the engine acted by itself.
        origin: Option<ChangeOrigin>,
    },
    /// A strategy's instance faulted, and another took its place.
    Recovered {
        /// The strategy.
        strategy: StrategyId,
        /// What happened, with limits.
        problem: String,
        /// Number of events that were offered to the new instance again.
        events: u32,
        /// Time from the fault until the new instance had caught up with the first.
        took_ns: u64,
    },
    /// A strategy keeps the others waiting, or is behind itself.
    Overloaded {
        /// The strategy.
        strategy: StrategyId,
        /// How long it kept the others waiting beyond its turns and its share; 0 if it is only behind.
        debt_ns: u64,
        /// The limit of that; none if it is not enforced.
        limit_ns: Option<u64>,
        /// Events that wait for it.
        lag_events: u64,
        /// How far it is behind.
        lag_ns: u64,
    },
    /// A strategy faulted too often or kept the others waiting too long, and was ended; its orders are handled by its policy,
    /// and the host and the other strategies continue.
    Ended {
        /// The strategy.
        strategy: StrategyId,
        /// What happened, with limits.
        problem: String,
    },
    /// A venue, or its data for an instrument, changed state.
    Venue {
        /// The venue.
        venue: VenueId,
        /// The instrument, if it concerns one.
        instrument: Option<InstrumentId>,
        /// Its state.
        state: VenueState,
    },
    /// The run cannot be recorded: new orders are denied until it can, cancels pass.
    NotKept {
        /// What is wrong, where, and what to do.
        problem: String,
    },
    /// The run ended without a strategy that did not return from its call: decisions that were not carried out never left.
    LeftBehind {
        /// The number of events that were processed before.
        position: u64,
    },
    /// Everything is recorded again.
    Kept,
    /// A venue's source failed; nothing more comes from it.
    Broken {
        /// What is wrong, where, and what to do.
        problem: String,
    },
    /// Something impossible happened: an illegal order transition, a fill of an unknown order.
    Anomaly {
        /// What happened.
        problem: String,
    },
}

/// A change of a strategy's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionChange {
    /// The strategy started.
    Started {
        /// The label of its version.
        to: String,
        /// The hash of its module.
        hash: String,
        /// Counts versions from here on.
        generation: u32,
    },
    /// Another version took over.
    Swapped {
        /// The label of the previous version.
        from: String,
        /// The label of the version that is live now.
        to: String,
        /// The hash of its module.
        hash: String,
        /// Number of versions so far, this one included.
        generation: u32,
        /// The state that it started from.
        inherited: StateSource,
        /// Why the previous version could not save, if it could not.
        lost: Option<String>,
        /// Time from `save` until the new instance was ready.
        took_ns: u64,
    },
    /// A new version was offered its first event.
    Live {
        /// Time since the old version handled its last event.
        pause_ns: u64,
    },
    /// A version runs as a shadow of the live one, its actions compared but not sent.
    Shadow {
        /// Its label.
        version: String,
    },
    /// The shadow ended.
    ShadowEnded {
        /// What went wrong, if something did.
        problem: String,
    },
    /// A new version faulted during its probation, and the previous one took over again.
    RolledBack {
        /// The label of the previous version.
        from: String,
        /// The label of the version that is live now.
        to: String,
        /// The hash of its module.
        hash: String,
        /// Number of versions so far, this one included; the failed one is the last before it.
        generation: u32,
        /// What happened, with limits.
        problem: String,
    },
    /// The strategy was removed.
    Removed,
}

/// The status of the engine.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Event time.
    pub now: Timestamp,
    /// Events on the ring so far.
    pub events: u64,
    /// Actions so far.
    pub actions: u64,
    /// Orders so far, denied ones included.
    pub orders: u64,
    /// Denied orders and changes, by code.
    pub denied: BTreeMap<Reason, u64>,
    /// Fills so far.
    pub fills: u64,
    /// The instruments that have had a quote.
    pub instruments: Vec<InstrumentStatus>,
    /// The strategies, in the order in which they were first started.
    pub strategies: Vec<StrategyStatus>,
    /// Working orders.
    pub working: Vec<WorkingOrder>,
    /// The account's balances at cost: opening, plus realised, less fees.
    pub capital: Vec<(CurrencyId, Money)>,
    /// Whether the kill switch is on.
    pub killed: bool,
}

/// An instrument's last prices.
#[derive(Debug, Clone, PartialEq)]
pub struct InstrumentStatus {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Best bid and its size, if there is one.
    pub bid: Option<(Price, Size)>,
    /// Best ask and its size, if there is one.
    pub ask: Option<(Price, Size)>,
    /// The last public trade.
    pub last: Option<Price>,
    /// Quotes, trades and book updates so far.
    pub events: u64,
    /// Whether its data is known to be outdated or wrong.
    pub stale: bool,
}

/// The status of a strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyStatus {
    /// The strategy.
    pub id: StrategyId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The hash of its module, in hex.
    pub hash: String,
    /// Counts its versions in this run, from 1.
    pub generation: u32,
    /// Time between the last event of the previous version and the first of this one.
    pub pause_ns: Option<u64>,
    /// Bytes that the host keeps for it besides its instances: the events and states for recovery.
    pub held_bytes: u64,
    /// Faults of its instances in this run.
    pub traps: u64,
    /// Sampled calls by time per event: bucket `n` counts those below `2^n` nanoseconds.
    pub times: [u64; TIME_BUCKETS],
    /// Its shadow version.
    pub shadow: Option<ShadowStatus>,
    /// Its state.
    pub state: StrategyState,
    /// Events it handled.
    pub events: u64,
    /// Actions it returned.
    pub actions: u64,
    /// Wall time per handled event, sampled; `None` before the first sample.
    pub ns_per_event: Option<f64>,
    /// Events that wait for its worker.
    pub lag_events: u64,
    /// How old the first of them was when the worker got to it; in lockstep, how late the deck is.
    pub lag_ns: u64,
    /// Total time that it kept the others waiting beyond its turns and its share.
    pub held_up_ns: u64,
    /// The part of it that counts against its budget.
    pub debt_ns: u64,
    /// Results by currency: profit of closed positions before fees, of open ones at the last mid, and fees.
    pub results: Vec<StrategyResult>,
    /// Positions by instrument, including those that it no longer holds.
    pub positions: Vec<(InstrumentId, Size)>,
}

/// The status of a shadow version.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowStatus {
    /// Its version.
    pub version: String,
    /// The hash of its module, in hex.
    pub hash: String,
    /// Decisions that were the same.
    pub agreed: u64,
    /// Decisions that only one of the two made.
    pub differed: u64,
    /// The last events after which they differed, oldest first.
    pub differences: Vec<Arc<ShadowDifference>>,
}

/// A strategy's result in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrategyResult {
    /// The currency.
    pub currency: CurrencyId,
    /// Profit of closed positions before fees.
    pub realised: Money,
    /// Profit of open positions at the last mid.
    pub unrealised: Money,
    /// Fees paid less rebates.
    pub fees: Money,
}

/// The state of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyState {
    /// It gets events and may trade.
    Running,
    /// It gets events; new orders are denied.
    Paused,
    /// It may only reduce positions.
    Reducing,
    /// It faulted too often and gets no more events, until another version takes over.
    Quarantined,
    /// It was stopped cleanly.
    Stopped,
}

impl StrategyState {
    /// Returns the state as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Reducing => "reducing",
            Self::Quarantined => "quarantined",
            Self::Stopped => "stopped",
        }
    }
}

/// A working order.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkingOrder {
    /// Our id for it.
    pub id: ClientOrderId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Its limit price, 0 where the type has none.
    pub price: Price,
    /// The stop price that it waits for, 0 where it waits for none.
    pub stop_price: Price,
    /// Its size.
    pub size: Size,
    /// Filled so far.
    pub filled: Size,
    /// Its state.
    pub state: OrderState,
    /// Whether the host holds it: it has not left.
    pub is_held: bool,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The status at the end.
    pub status: Status,
    /// Hash of every event of the tape, in order.
    pub tape_hash: u128,
    /// Hash of every action with its cause, in order.
    pub actions_hash: u128,
    /// Why it ended.
    pub ending: Ending,
    /// Clock time from the first event to the last, without start and stop.
    pub elapsed_ns: u64,
    /// Clock time from the start of the run to the first action carried out; none if there was none.
    pub first_action_ns: Option<u64>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every venue's feed is over.
    TapeOver,
    /// The event limit was reached.
    Limit,
    /// A stop was requested.
    Asked,
    /// Every venue's source failed; the notices say why.
    Broken,
}
