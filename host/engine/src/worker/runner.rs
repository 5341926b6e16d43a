//! The part of a worker that calls strategies: it offers each its events, in order and none twice, and passes on what
//! they decide.
//!
//! A trap costs an instance, not the strategy: another is started from the same code and the last snapshot, is offered
//! the events since once more without what it decides being sent again, and goes on with the event at which the first
//! one trapped. Only a strategy that keeps trapping ends.

use crate::intent::{Decision, Intent, Outlet};
use crate::port::{Fault, StopReason, StrategyStart};
use crate::worker::actions::{FeedChange, MAX_ACTIONS, consumed, intend, wish};
use crate::worker::dispatch::{Dispatch, SlotIndex};
use crate::worker::quota::Quota;
use crate::worker::recorded_faults::{RecordedFaults, cut_before_fence, recorded};
use crate::worker::setup::WorkerSetup;
use crate::worker::slot::{
    Backlog, Counters, SAMPLE_EVERY, Slot, SnapshotPoint, StartFrom, snapshot_every,
};
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_model::{Action, Body, BookChange, Event, InstrumentId, Kind, StrategyId, Timestamp};
use tickdeck_portfolio::Portfolio;

/// A strategy that acts leaves the rest of its batch, which was then copied in vain: what it is offered follows what it took
/// before, from this many events on.
const LEAST_APPETITE: usize = 4;

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

/// The part of a worker that calls strategies.
pub(crate) struct StrategyRunner {
    pub(crate) slots: Vec<Slot>,
    /// By strategy number: its place here.
    places: Vec<Option<SlotIndex>>,
    pub(crate) portfolio: Portfolio,
    pub(crate) outlet: Outlet,
    pub(crate) actions: Vec<Action>,
    /// What a version that runs beside decided on the batch at hand.
    pub(crate) shadow: Vec<Action>,
    batch: Vec<Intent>,
    /// Where something waits, so that the others cost nothing; a place may stand here twice.
    touched: Vec<SlotIndex>,
    splitter: Option<Splitter>,
    pub(crate) max_batch: usize,
    pub(crate) now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Changes of feeds asked for since the last look.
    pub(crate) wishes: Vec<FeedChange>,
    /// Strategies that ended since the last look.
    pub(crate) ended: Vec<SlotIndex>,
    /// What must happen because a tape says that it did.
    pub(crate) recorded_faults: RecordedFaults,
    /// Books that wait for the snapshot of a subscription made at run time.
    awaiting: Vec<(SlotIndex, InstrumentId)>,
}

impl StrategyRunner {
    pub(crate) fn new(portfolio: Portfolio, outlet: Outlet, setup: &WorkerSetup) -> Self {
        Self {
            slots: Vec::new(),
            places: Vec::new(),
            portfolio,
            outlet,
            actions: Vec::with_capacity(MAX_ACTIONS),
            shadow: Vec::with_capacity(MAX_ACTIONS),
            batch: Vec::with_capacity(MAX_ACTIONS),
            touched: Vec::new(),
            splitter: setup.split_seed.map(|seed| Splitter(seed | 1)),
            max_batch: setup.max_batch.max(1),
            now_ns: Arc::clone(&setup.now_ns),
            wishes: Vec::new(),
            ended: Vec::new(),
            recorded_faults: RecordedFaults::default(),
            awaiting: Vec::new(),
        }
    }

    /// Where a strategy sits, if it ever sat here.
    pub(crate) fn place_of(&self, id: StrategyId) -> Option<SlotIndex> {
        self.places.get(id.index()).copied().flatten()
    }

    /// Seats a strategy at `place`: a new one, or that of its predecessor of the same name, which ended.
    pub(crate) fn seat(
        &mut self,
        place: SlotIndex,
        seat: StrategyStart,
        counters: Arc<CachePadded<Counters>>,
        setup: &WorkerSetup,
    ) {
        let id = seat.id;
        self.portfolio
            .open_strategy(id, &seat.allocation, seat.next_order);
        let book = self.portfolio.book_mut(id).cloned().unwrap_or_default();
        let base = SnapshotPoint {
            origin: StartFrom::Start,
            book,
        };
        let allowance = Quota::new(
            &setup.instruments,
            setup.max_actions_per_s,
            &seat.version.feeds,
            seat.last_order,
        );
        let slot = Slot {
            id,
            strategy: Some(seat.strategy),
            version: seat.version,
            previous: None,
            trial: None,
            shadow: None,
            tape: Backlog::new(base, self.max_batch, snapshot_every(self.slots.len() + 1)),
            counters,
            calls: 0,
            allowance,
            seated: true,
            traps: VecDeque::new(),
            last_at: 0,
            pause_from: None,
            last_call_ended: None,
            last_cause: (0, 0),
            at_ends: 0,
            batch_hint: self.max_batch,
        };
        if place == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[place] = slot;
        }
        if id.index() >= self.places.len() {
            self.places.resize(id.index() + 1, None);
        }
        self.places[id.index()] = Some(place);
    }

    /// Puts an event where it belongs; bars come with their audience.
    pub(crate) fn route(
        &mut self,
        dispatch: &Dispatch,
        event: &Event,
        audience: Option<&[SlotIndex]>,
    ) {
        if let Some(audience) = audience {
            for place in audience {
                self.push(*place, event);
            }
            return;
        }
        if event.changes_portfolio() || event.kind() == Kind::Timer {
            self.route_own(dispatch, event);
            return;
        }
        for place in dispatch.subscribers(event) {
            if self.awaiting.is_empty() || !self.is_awaited(*place, event) {
                self.push(*place, event);
            }
        }
    }

    /// From now on a strategy gets no update of a book before its snapshot.
    pub(crate) fn await_snapshot(&mut self, place: SlotIndex, instrument: u32) {
        self.awaiting.push((place, InstrumentId(instrument)));
    }

    /// A strategy waits for no book any more.
    pub(crate) fn forget_snapshots(&mut self, place: SlotIndex) {
        self.awaiting.retain(|(other, _)| *other != place);
    }

    /// Whether an update of a book comes before the snapshot that its new subscriber waits for.
    fn is_awaited(&mut self, place: SlotIndex, event: &Event) -> bool {
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
        let owner = event.owner().and_then(|id| self.place_of(id));
        match (owner, event.kind()) {
            (Some(place), Kind::Timer) => {
                // Whatever came before may still set or clear timers.
                self.flush(place);
                if let Body::Timer(timer) = event.body() {
                    self.slots[place].allowance.timer_fired(timer.id);
                }
                self.push(place, event);
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
                    self.push(*place, event);
                }
            }
        }
    }

    /// Events still come to a strategy that has just ended; nobody is there to handle them.
    #[inline]
    fn push(&mut self, place: SlotIndex, event: &Event) {
        let slot = &mut self.slots[place];
        if slot.seated {
            if !slot.tape.has_waiting() {
                self.touched.push(place);
            }
            slot.tape.push(event);
        }
    }

    /// Offers every strategy what is waiting for it.
    pub(crate) fn flush_all(&mut self) {
        // Who waits longest comes first. Nothing is touched meanwhile, and the room is used again.
        let mut touched = std::mem::take(&mut self.touched);
        touched.drain(..).for_each(|place| self.flush(place));
        self.touched = touched;
    }

    /// Another instance, or none, is at this place: what waits there is looked at again.
    pub(crate) fn touch(&mut self, place: SlotIndex) {
        self.touched.push(place);
    }

    /// Offers a strategy what is waiting for it.
    fn flush(&mut self, place: SlotIndex) {
        while self.slots[place].tape.has_waiting() && self.slots[place].strategy.is_some() {
            if let Err((at, offered, fault)) = self.offer(place) {
                self.fault(place, at, offered, fault);
            } else if self.slots[place].tape.is_due() {
                self.snapshot(place);
            }
        }
        self.slots[place].tape.tidy();
    }

    /// Offers a strategy one batch. A fault of its own comes with the first sequence of the batch; one of our bounds, which
    /// is met again where the same is done again, without.
    fn offer(&mut self, place: SlotIndex) -> Result<(), (Timestamp, Option<u64>, Fault)> {
        let most = match &mut self.splitter {
            Some(splitter) => splitter.next(self.max_batch),
            None => self.max_batch,
        };
        let slot = &mut self.slots[place];
        let fence = self.recorded_faults.fence(slot.id);
        let count = slot.next_batch(most.min(slot.batch_hint)).len();
        let count = cut_before_fence(&slot.tape, count, fence);
        let (Some(strategy), Some(book)) = (&mut slot.strategy, self.portfolio.book_mut(slot.id))
        else {
            slot.tape.consume(count);
            return Ok(());
        };
        let batch = slot.tape.waiting(count);
        let (at, first) = (batch[0].ts_host, batch[0].sequence);
        self.actions.clear();
        let expecting = slot.counters.expecting.load(Ordering::Relaxed);
        let timed = slot.calls.is_multiple_of(SAMPLE_EVERY) || expecting;
        slot.calls += 1;
        let started = if timed || slot.pause_from.is_some() {
            (self.now_ns)()
        } else {
            0
        };
        let faults = fence.is_some_and(|fence| fence.offered == first);
        if faults {
            strategy.restore_time_limit();
        }
        let handled = strategy
            .on_events(batch, book, &mut self.actions)
            .and_then(|handled| consumed(handled, batch))
            .map_err(|fault| (at, Some(first), fault));
        if faults {
            self.recorded_faults.take_fence(slot.id);
            return Err(handled.err().unwrap_or((at, Some(first), recorded())));
        }
        let handled = handled?;
        if timed {
            let ended = (self.now_ns)();
            slot.counters.time(ended.saturating_sub(started), handled);
            slot.last_call_ended = expecting.then_some(ended);
        }
        if let Some(from) = slot.pause_from.take() {
            let pause_ns = started.saturating_sub(from);
            let live = slot.at_end(Decision::Live { pause_ns });
            self.outlet.publish(&[live]);
        }
        let cause = slot.tape.waiting(count)[handled - 1];
        if slot.shadow.is_some() {
            self.run_shadow(place, handled);
        }
        let slot = &mut self.slots[place];
        slot.last_at = cause.ts_host;
        slot.tape.consume(handled);
        slot.batch_hint = match handled {
            handled if handled < count => (2 * handled).max(LEAST_APPETITE),
            _ => (2 * slot.batch_hint).min(self.max_batch),
        };
        slot.count_trial(handled);
        Counters::add(&slot.counters.events, handled);
        if self.actions.is_empty() {
            return Ok(());
        }
        self.pass_on(place, &cause)
            .map_err(|fault| (at, None, fault))
    }

    /// Puts what a strategy decided into its book and onto the action ring.
    fn pass_on(&mut self, place: SlotIndex, cause: &Event) -> Result<(), Fault> {
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
            self.wishes.extend(wish(cause.ts_host, place, action));
            self.batch.push(slot.intent(cause, Decision::Act(*action)));
        }
        self.outlet.publish(&self.batch);
        refused
    }

    /// Takes a snapshot, so that less has to be offered again.
    pub(crate) fn snapshot(&mut self, place: SlotIndex) {
        let every = snapshot_every(self.slots.len());
        let slot = &mut self.slots[place];
        slot.tape.space(every);
        let (Some(strategy), Some(book)) = (&mut slot.strategy, self.portfolio.book_mut(slot.id))
        else {
            return;
        };
        match strategy.save_into(slot.tape.spare()) {
            Ok(Ok(())) => slot.tape.move_base(slot.version.code.schema(), book),
            // It can't be brought back to here; after a trap it starts afresh.
            Ok(Err(_)) => slot.tape.rebase(None),
            Err(fault) => {
                let at = slot.last_at;
                self.fault(place, at, None, fault);
                self.slots[place].tape.rebase(None);
            }
        }
    }

    /// Stops every strategy. Their orders are the router's business.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        for slot in &mut self.slots {
            let Some(mut strategy) = slot.strategy.take() else {
                continue;
            };
            // What it recovered from is past; only what goes wrong now counts against its end.
            slot.counters.forget();
            strategy.restore_time_limit();
            if let Err(fault) = strategy.stop(reason) {
                slot.counters.note(&fault);
            }
        }
    }
}
