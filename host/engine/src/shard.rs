//! A worker: the ring's consumer for its share of the strategies.
//!
//! It runs every event through its middlewares, gathers each strategy's next batch by the dispatch index, folds its own
//! replica of the store, and passes what strategies decide to the action ring. An event that changes a strategy's
//! portfolio first sends off what that strategy had waiting, so that what it reads from the store is exactly the state
//! as of the event that it handles.

use crate::action_ring::{Decision, Intent};
use crate::config::MiddlewareConfig;
use crate::dispatch::{Dispatch, Place};
use crate::middleware::{BarBuilder, BarSpec, Chain, ConflateQuotes, DropDuplicates, DropStale};
use crate::port::{Fault, Seat, StopReason, Strategy};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_model::{Action, Event, FeedRequest, Instrument, Kind, StrategyId, Timestamp};
use tickdeck_portfolio::Portfolio;
use tickdeck_ring::{Consumer, Producer};

/// One call in this many is timed: reading a clock costs as much as a small batch.
const SAMPLE_EVERY: u64 = 16;

/// Most actions of one call, as the contract says.
pub(crate) const MAX_ACTIONS: usize = 256;

/// What a worker counts for others to read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) events: AtomicU64,
    pub(crate) actions: AtomicU64,
    pub(crate) sampled_events: AtomicU64,
    pub(crate) sampled_ns: AtomicU64,
    /// The text of the fault that ended the strategy.
    pub(crate) fault: Mutex<Option<String>>,
}

impl Counters {
    fn add(counter: &AtomicU64, count: usize) {
        // One writer: a plain load and store is enough, and cheaper than a locked add.
        counter.store(
            counter.load(Ordering::Relaxed) + count as u64,
            Ordering::Relaxed,
        );
    }
}

/// Where random cuts of batches come from (xorshift64), to show that they change nothing.
#[derive(Debug, Clone)]
struct Splitter(u64);

impl Splitter {
    fn next(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + (self.0 % most as u64) as usize
    }
}

/// How a worker is set up.
pub(crate) struct ShardSetup {
    pub(crate) middleware: MiddlewareConfig,
    pub(crate) max_batch: usize,
    pub(crate) split_seed: Option<u64>,
    /// A change of feeds takes effect this long after its cause, so that it does not matter how events are batched.
    pub(crate) lookahead_ns: i64,
    /// By instrument id.
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
}

struct Slot {
    id: StrategyId,
    strategy: Option<Box<dyn Strategy>>,
    pending: Vec<Event>,
    counters: Arc<CachePadded<Counters>>,
    calls: u64,
    /// The cause of the last action and how many it caused, to number the next.
    last_cause: (u64, u32),
}

struct FeedChange {
    due: Timestamp,
    place: Place,
    request: FeedRequest,
    wanted: bool,
}

/// A worker.
pub(crate) struct Shard {
    events: Consumer<Event>,
    desk: Desk,
    dispatch: Dispatch,
    chain: Chain,
    changes: Vec<FeedChange>,
    setup: ShardSetup,
}

/// The part of a worker that calls strategies.
struct Desk {
    slots: Vec<Slot>,
    /// By strategy number: its place here.
    places: Vec<Option<Place>>,
    portfolio: Portfolio,
    outlet: Outlet,
    actions: Vec<Action>,
    batch: Vec<Intent>,
    splitter: Option<Splitter>,
    max_batch: usize,
    now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Feed changes asked for since the last look: cause's time, place, request, wanted.
    feed_changes: Vec<(Timestamp, Place, FeedRequest, bool)>,
    ended: Vec<Place>,
}

impl Shard {
    pub(crate) fn new(
        events: Consumer<Event>,
        outlet: Outlet,
        portfolio: Portfolio,
        seats: Vec<(Seat, Arc<CachePadded<Counters>>)>,
        setup: ShardSetup,
    ) -> Self {
        let mut desk = Desk {
            slots: Vec::new(),
            places: Vec::new(),
            portfolio,
            outlet,
            actions: Vec::with_capacity(MAX_ACTIONS),
            batch: Vec::with_capacity(MAX_ACTIONS),
            splitter: setup.split_seed.map(|seed| Splitter(seed | 1)),
            max_batch: setup.max_batch.max(1),
            now_ns: setup.now_ns.clone(),
            feed_changes: Vec::new(),
            ended: Vec::new(),
        };
        let mut dispatch = Dispatch::default();
        for (seat, counters) in seats {
            let place = dispatch.add(&seat.feeds, seat.accounts);
            desk.seat(place, seat, counters);
        }
        let mut shard = Self {
            events,
            desk,
            dispatch,
            chain: Chain::default(),
            changes: Vec::new(),
            setup,
        };
        shard.build_chain();
        shard
    }

    /// Handles everything that is on the ring; returns how many events that was.
    pub(crate) fn poll(&mut self) -> usize {
        let mut handled = 0;
        loop {
            let Self {
                events,
                desk,
                dispatch,
                chain,
                changes,
                setup,
            } = self;
            let slots = events.peek(usize::MAX);
            if slots.is_empty() {
                return handled;
            }
            // A due change of feeds starts a new stretch, because it rebuilds the index that the stretch borrows.
            let due = changes
                .iter()
                .map(|change| change.due)
                .min()
                .unwrap_or(Timestamp::MAX);
            let stretch = if due == Timestamp::MAX {
                slots.len()
            } else {
                slots.partition_point(|event| event.ts_host < due)
            };
            for event in &slots[..stretch] {
                chain.run(event, |event| desk.route(dispatch, event));
            }
            desk.flush_all();
            for (at, place, request, wanted) in desk.feed_changes.drain(..) {
                changes.push(FeedChange {
                    due: at.saturating_add(setup.lookahead_ns),
                    place,
                    request,
                    wanted,
                });
            }
            for place in desk.ended.drain(..) {
                dispatch.remove(place);
            }
            let reached = stretch < slots.len();
            events.release(stretch);
            handled += stretch;
            if reached {
                self.change_feeds(due);
            }
        }
    }

    /// Waits for something to poll or for `stop` to say so; false once the ring is closed and drained.
    pub(crate) fn wait(&mut self, stop: impl FnMut() -> bool) -> bool {
        !matches!(
            self.events.wait(stop),
            Err(_) | Ok(tickdeck_ring::Wake::Closed)
        )
    }

    /// Takes what the strategies decided, where the kernel and the worker share a thread.
    pub(crate) fn take_intents(&mut self, into: &mut Vec<Intent>) {
        if let Outlet::Local(intents) = &mut self.desk.outlet {
            into.append(intents);
        }
    }

    /// Stops every strategy. Their orders are the router's business.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        for slot in &mut self.desk.slots {
            if let Some(mut strategy) = slot.strategy.take()
                && let Err(fault) = strategy.stop(reason)
            {
                note_fault(slot, fault);
            }
        }
    }

    /// The worker's replica of the store.
    pub(crate) fn portfolio(&self) -> &Portfolio {
        &self.desk.portfolio
    }

    fn change_feeds(&mut self, due: Timestamp) {
        let (now, later) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| change.due <= due);
        self.changes = later;
        let now: Vec<FeedChange> = now;
        for change in now {
            self.dispatch
                .change(change.place, &change.request, change.wanted);
        }
        self.add_missing_bars();
    }

    fn build_chain(&mut self) {
        let config = &self.setup.middleware;
        if config.drop_duplicates {
            self.chain.push(Box::new(DropDuplicates::default()));
        }
        if let Some(max_age_ns) = config.max_age_ns {
            self.chain.push(Box::new(DropStale::new(max_age_ns)));
        }
        if let Some(interval_ns) = config.conflate_quotes_ns {
            self.chain.push(Box::new(ConflateQuotes::new(interval_ns)));
        }
        self.add_missing_bars();
    }

    fn add_missing_bars(&mut self) {
        let mut wanted: Vec<BarSpec> = self
            .dispatch
            .bar_specs()
            .filter(|spec| !self.chain.builds(*spec))
            .collect();
        wanted.sort_unstable();
        for spec in wanted {
            if let Some(instrument) = self.setup.instruments.get(spec.instrument.index()) {
                self.chain.push_bars(BarBuilder::new(spec, instrument.lot));
            }
        }
    }
}

impl Desk {
    fn seat(&mut self, place: Place, seat: Seat, counters: Arc<CachePadded<Counters>>) {
        if seat.id.index() >= self.places.len() {
            self.places.resize(seat.id.index() + 1, None);
        }
        self.places[seat.id.index()] = Some(place);
        self.portfolio
            .open_strategy(seat.id, &seat.allocation, seat.next_order);
        self.slots.push(Slot {
            id: seat.id,
            strategy: Some(seat.strategy),
            pending: Vec::with_capacity(self.max_batch),
            counters,
            calls: 0,
            last_cause: (0, 0),
        });
    }

    /// Puts an event where it belongs.
    fn route(&mut self, dispatch: &Dispatch, event: &Event) {
        if event.changes_portfolio() || event.kind() == Kind::Timer {
            self.route_own(dispatch, event);
            return;
        }
        for place in dispatch.subscribers(event) {
            self.slots[*place].pending.push(*event);
        }
    }

    /// Events that change the portfolio go first in a batch, after everything before them was handled.
    fn route_own(&mut self, dispatch: &Dispatch, event: &Event) {
        let owner = event
            .owner()
            .and_then(|id| self.places.get(id.index()).copied().flatten());
        match (owner, event.kind()) {
            (Some(place), Kind::Timer) => self.slots[place].pending.push(*event),
            (_, Kind::Timer) => {}
            (owner, _) => {
                let subscribers = dispatch.subscribers(event);
                owner
                    .iter()
                    .chain(subscribers)
                    .for_each(|place| self.flush(*place));
                // An impossible event is the router's to report, once; every replica treats it alike.
                let _ = self.portfolio.apply(event);
                for place in owner.iter().chain(subscribers) {
                    self.slots[*place].pending.push(*event);
                }
            }
        }
    }

    fn flush_all(&mut self) {
        for place in 0..self.slots.len() {
            self.flush(place);
        }
    }

    /// Offers a strategy what is waiting for it.
    fn flush(&mut self, place: Place) {
        if self.slots[place].pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.slots[place].pending);
        let mut at = 0;
        while at < pending.len() && self.slots[place].strategy.is_some() {
            let most = match &mut self.splitter {
                Some(splitter) => splitter.next(self.max_batch),
                None => self.max_batch,
            };
            let batch = &pending[at..pending.len().min(at + most)];
            match self.call(place, batch) {
                Ok(consumed) => at += consumed,
                Err(fault) => self.end(place, fault),
            }
        }
        let slot = &mut self.slots[place];
        slot.pending = pending;
        slot.pending.clear();
    }

    fn call(&mut self, place: Place, batch: &[Event]) -> Result<usize, Fault> {
        let slot = &mut self.slots[place];
        let (Some(strategy), Some(book)) = (&mut slot.strategy, self.portfolio.book_mut(slot.id))
        else {
            return Ok(batch.len());
        };
        self.actions.clear();
        let sampled = slot.calls.is_multiple_of(SAMPLE_EVERY);
        slot.calls += 1;
        let started = if sampled { (self.now_ns)() } else { 0 };
        let consumed = strategy.on_events(batch, book, &mut self.actions)?;
        if sampled {
            Counters::add(
                &slot.counters.sampled_ns,
                (self.now_ns)().saturating_sub(started) as usize,
            );
            Counters::add(&slot.counters.sampled_events, consumed);
        }
        if consumed == 0 || consumed > batch.len() {
            return Err(Fault(format!(
                "on-events consumed {consumed} of {} events: 1 to all is the rule",
                batch.len()
            )));
        }
        Counters::add(&slot.counters.events, consumed);
        if !self.actions.is_empty() {
            self.pass_on(place, &batch[consumed - 1])?;
        }
        Ok(consumed)
    }

    /// Puts what a strategy decided into its book and onto the action ring.
    fn pass_on(&mut self, place: Place, cause: &Event) -> Result<(), Fault> {
        let slot = &mut self.slots[place];
        Counters::add(&slot.counters.actions, self.actions.len());
        self.batch.clear();
        let mut refused = Ok(());
        for action in &self.actions {
            match action {
                Action::Submit(order) => {
                    if let Err(error) = self.portfolio.intend(slot.id, order) {
                        refused = Err(Fault(format!("order {}: {error}", order.order)));
                        break;
                    }
                }
                Action::Subscribe(request) => {
                    self.feed_changes
                        .push((cause.ts_host, place, *request, true))
                }
                Action::Unsubscribe(request) => {
                    self.feed_changes
                        .push((cause.ts_host, place, *request, false))
                }
                _ => {}
            }
            self.batch.push(slot.intent(cause, Decision::Act(*action)));
        }
        self.outlet.publish(&self.batch);
        refused
    }

    /// Ends a strategy. Which event of a batch made it trap is not known, so its end counts from the end of the
    /// window, wherever the batch was cut.
    fn end(&mut self, place: Place, fault: Fault) {
        let slot = &mut self.slots[place];
        slot.strategy = None;
        note_fault(slot, fault);
        let at = Timestamp::MAX;
        self.outlet.publish(&[Intent {
            cause: u64::MAX,
            at,
            strategy: slot.id,
            ordinal: 0,
            decision: Decision::Ended,
        }]);
        self.ended.push(place);
    }
}

impl Slot {
    fn intent(&mut self, cause: &Event, decision: Decision) -> Intent {
        let ordinal = if self.last_cause.0 == cause.sequence {
            self.last_cause.1 + 1
        } else {
            0
        };
        self.last_cause = (cause.sequence, ordinal);
        Intent {
            cause: cause.sequence,
            at: cause.ts_host,
            strategy: self.id,
            ordinal,
            decision,
        }
    }
}

fn note_fault(slot: &Slot, fault: Fault) {
    *slot
        .counters
        .fault
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(fault.0);
}

/// Where a worker's decisions go.
pub(crate) enum Outlet {
    /// Onto the action ring, which the kernel's thread empties.
    Ring(Producer<Intent>),
    /// Kept for the kernel, which shares the worker's thread and so could not empty a full ring.
    Local(Vec<Intent>),
}

impl Outlet {
    fn publish(&mut self, batch: &[Intent]) {
        match self {
            Self::Local(intents) => intents.extend_from_slice(batch),
            Self::Ring(producer) => {
                for chunk in batch.chunks(producer.max_batch().max(1)) {
                    // Closed means the engine is coming down: nobody reads intents any more.
                    let _ = producer.publish(chunk);
                }
            }
        }
    }
}
