//! A worker: the ring's consumer for its share of the strategies.
//!
//! It runs every event through its middlewares, gathers each strategy's next batch by the dispatch index, folds its own
//! replica of the store, and passes what strategies decide to the action ring. An event that changes a strategy's
//! portfolio first sends off what that strategy had waiting, so that what it reads from the store is exactly the state
//! as of the event that it handles.

use crate::action_ring::{Decision, Intent};
use crate::allowance::Allowance;
use crate::config::MiddlewareConfig;
use crate::dispatch::{Dispatch, Place};
use crate::middleware::{BarBuilder, BarSpec, Chain, ConflateQuotes, DropDuplicates, DropStale};
use crate::port::{Fault, Seat, StopReason, Strategy};
use crossbeam_utils::CachePadded;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_model::{
    Action, Body, BookChange, Event, Feed, FeedRequest, Instrument, InstrumentId, Kind, StrategyId,
    Timestamp,
};
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
    pub(crate) max_actions_per_s: u32,
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
    allowance: Allowance,
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
    /// Books that wait for the snapshot of a subscription made at run time.
    awaiting: Vec<(Place, InstrumentId)>,
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
            awaiting: Vec::new(),
        };
        let mut dispatch = Dispatch::default();
        let mut bars: BTreeMap<BarSpec, Vec<Place>> = BTreeMap::new();
        for (seat, counters) in seats {
            let place = dispatch.add(&seat.feeds, seat.accounts);
            for request in seat.feeds.iter().filter(|feed| feed.feed == Feed::Bars) {
                bars.entry(bar_spec(request)).or_default().push(place);
            }
            desk.seat(place, seat, counters, &setup);
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
        shard.start_manifest_bars(bars);
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
                chain.run(event, |event, audience| {
                    desk.route(dispatch, event, audience);
                });
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
                chain.end_bars(place, None);
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
            self.change_feed(&change);
        }
    }

    fn change_feed(&mut self, change: &FeedChange) {
        let FeedChange { place, request, .. } = change;
        let changed = self.dispatch.change(*place, request, change.wanted);
        if !changed {
            return;
        }
        match (request.feed, change.wanted) {
            (Feed::Bars, true) => self.start_bars(bar_spec(request), vec![*place]),
            (Feed::Bars, false) => self.chain.end_bars(*place, Some(bar_spec(request))),
            // The book's first event is the snapshot that the router asked for; deltas before it would mislead.
            (Feed::Book, true) => self.desk.await_snapshot(*place, request.target),
            _ => {}
        }
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
    }

    /// Starts the bars that are wanted from the first event on, one builder for all who want the same.
    fn start_manifest_bars(&mut self, wanted: BTreeMap<BarSpec, Vec<Place>>) {
        for (spec, audience) in wanted {
            self.start_bars(spec, audience);
        }
    }

    fn start_bars(&mut self, spec: BarSpec, audience: Vec<Place>) {
        if let Some(instrument) = self.setup.instruments.get(spec.instrument.index()) {
            let builder = BarBuilder::new(spec, instrument.lot);
            self.chain.start_bars(builder, audience);
        }
    }
}

fn bar_spec(request: &FeedRequest) -> BarSpec {
    BarSpec {
        instrument: InstrumentId(request.target),
        basis: request.basis,
        step: request.step,
    }
}

impl Desk {
    fn seat(
        &mut self,
        place: Place,
        seat: Seat,
        counters: Arc<CachePadded<Counters>>,
        setup: &ShardSetup,
    ) {
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
            allowance: Allowance::new(
                &setup.instruments,
                setup.max_actions_per_s,
                &seat.feeds,
                seat.next_order,
            ),
            last_cause: (0, 0),
        });
    }

    /// Puts an event where it belongs; bars come with their audience.
    fn route(&mut self, dispatch: &Dispatch, event: &Event, audience: Option<&[Place]>) {
        if let Some(audience) = audience {
            for place in audience {
                self.slots[*place].pending.push(*event);
            }
            return;
        }
        if event.changes_portfolio() || event.kind() == Kind::Timer {
            self.route_own(dispatch, event);
            return;
        }
        for place in dispatch.subscribers(event) {
            if self.awaiting.is_empty() || !self.is_awaited(*place, event) {
                self.slots[*place].pending.push(*event);
            }
        }
    }

    fn await_snapshot(&mut self, place: Place, instrument: u32) {
        self.awaiting.push((place, InstrumentId(instrument)));
    }

    /// Whether an update of a book comes before the snapshot that its new subscriber waits for.
    fn is_awaited(&mut self, place: Place, event: &Event) -> bool {
        let Body::Book(update) = event.body() else {
            return false;
        };
        let waits = (place, update.instrument);
        if update.change == BookChange::Clear {
            self.awaiting.retain(|other| *other != waits);
        }
        self.awaiting.contains(&waits)
    }

    /// Events that change the portfolio go first in a batch, after everything before them was handled.
    fn route_own(&mut self, dispatch: &Dispatch, event: &Event) {
        let owner = event
            .owner()
            .and_then(|id| self.places.get(id.index()).copied().flatten());
        match (owner, event.kind()) {
            (Some(place), Kind::Timer) => {
                // Whatever came before may still set or clear timers.
                self.flush(place);
                if let Body::Timer(timer) = event.body() {
                    self.slots[place].allowance.timer_fired(timer.id);
                }
                self.slots[place].pending.push(*event);
            }
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
            let admitted = slot.allowance.admit(cause.ts_host, action);
            if let Err(fault) = admitted.and_then(|()| intend(&mut self.portfolio, slot.id, action))
            {
                refused = Err(fault);
                break;
            }
            let feed = match action {
                Action::Subscribe(request) => Some((request, true)),
                Action::Unsubscribe(request) => Some((request, false)),
                _ => None,
            };
            if let Some((request, wanted)) = feed {
                self.feed_changes
                    .push((cause.ts_host, place, *request, wanted));
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

/// Puts a new order into its strategy's book at once.
fn intend(portfolio: &mut Portfolio, strategy: StrategyId, action: &Action) -> Result<(), Fault> {
    let Action::Submit(order) = action else {
        return Ok(());
    };
    let intended = portfolio.intend(strategy, order);
    intended.map_err(|error| Fault(format!("order {}: {error}", order.order)))
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
