//! The part of a worker that calls strategies: it offers each its events, in order and exactly once, and passes on their
//! decisions.
//!
//! A fault costs an instance, not the strategy: another is started from the same code and the last snapshot, is offered the
//! events since then again without its decisions being sent again, and continues with the event at which the first one
//! faulted. Only a strategy that keeps faulting is ended.

use crate::batches::{BatchNotes, BatchPlace};
use crate::intent::{Decision, Intent, Outlet};
use crate::port::{Fault, StopReason, StrategyStart};
use crate::worker::actions::{MAX_ACTIONS, consumed, feed_change, intend};
use crate::worker::batch_size::BatchSize;
use crate::worker::budget::Budget;
use crate::worker::delivery::Delivery;
use crate::worker::dispatch::{Dispatch, SlotIndex};
use crate::worker::meter::Meter;
use crate::worker::output::Output;
use crate::worker::quota::Quota;
use crate::worker::recorded_faults::{RecordedFaults, cut_before_fault, recorded};
use crate::worker::setup::WorkerSetup;
use crate::worker::slot::{Backlog, Counters, Slot, SnapshotPoint, StartFrom, snapshot_every};
use crate::worker::slots::Slots;
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tickdeck_model::{Action, Body, Event, Kind, Timestamp};
use tickdeck_portfolio::Portfolio;

/// The part of a worker that calls strategies.
pub(super) struct StrategyRunner {
    pub(super) slots: Slots,
    /// The worker's replica of the store.
    pub(super) portfolio: Portfolio,
    pub(super) output: Output,
    pub(super) delivery: Delivery,
    pub(super) batch_size: BatchSize,
    /// The decisions of the strategy and its shadow on the current batch.
    pub(super) actions: Vec<Action>,
    pub(super) shadow_actions: Vec<Action>,
    intents: Vec<Intent>,
    /// Strategies that wait for the rest of a batch.
    pub(super) deferred: Vec<SlotIndex>,
    /// The host time of the first event of theirs.
    pub(super) waits_since: Option<Timestamp>,
    /// Strategies whose batches are not recorded yet; some may have handed them over since.
    pub(super) noted: Vec<SlotIndex>,
    /// Something was decided since the last call.
    has_acted: bool,
    /// There are other workers, whose strategies decide too.
    is_one_of_many: bool,
    /// What must happen because it is on a tape.
    pub(super) recorded_faults: RecordedFaults,
    pub(super) meter: Meter,
    pub(super) now_ns: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Whether batches are noted.
    notes_batches: Arc<AtomicBool>,
}

impl StrategyRunner {
    pub(super) fn new(portfolio: Portfolio, outlet: Outlet, setup: &WorkerSetup) -> Self {
        Self {
            slots: Slots::default(),
            portfolio,
            output: Output::new(outlet),
            delivery: Delivery::default(),
            batch_size: BatchSize::new(setup.max_batch, setup.split_seed),
            actions: Vec::with_capacity(MAX_ACTIONS),
            shadow_actions: Vec::with_capacity(MAX_ACTIONS),
            intents: Vec::with_capacity(MAX_ACTIONS),
            deferred: Vec::new(),
            waits_since: None,
            noted: Vec::new(),
            has_acted: false,
            is_one_of_many: setup.is_one_of_many,
            recorded_faults: RecordedFaults::default(),
            meter: setup.meter(),
            now_ns: Arc::clone(&setup.now_ns),
            notes_batches: Arc::clone(&setup.notes_batches),
        }
    }

    /// Starts a strategy at `place`: a new one, or that of its predecessor of the same name, which has ended.
    pub(crate) fn start(
        &mut self,
        place: SlotIndex,
        start: StrategyStart,
        counters: Arc<CachePadded<Counters>>,
        setup: &WorkerSetup,
    ) {
        let id = start.id;
        self.portfolio
            .open_strategy(id, &start.allocation, start.next_order);
        let book = self.portfolio.book_mut(id).cloned().unwrap_or_default();
        let base = SnapshotPoint {
            origin: StartFrom::Start,
            book,
        };
        let quota = Quota::new(
            &setup.instruments,
            setup.max_actions_per_s,
            &start.version.feeds,
            start.last_order,
        );
        let slot = Slot {
            id,
            strategy: Some(start.strategy),
            catching_up: None,
            version: start.version,
            previous: None,
            probation: None,
            shadow: None,
            backlog: Backlog::new(
                base,
                self.batch_size.most(),
                snapshot_every(self.slots.len() + 1),
            ),
            counters,
            untimed: 1,
            quota,
            budget: Budget::default(),
            active: true,
            traps: VecDeque::new(),
            last_at: 0,
            pause_from: None,
            last_call_ended: None,
            last_cause: (0, 0),
            settled: 0,
            batch_hint: self.batch_size.most(),
            last_place: None,
            batch_notes: BatchNotes::default(),
            handed_over: 0,
            batches: None,
        };
        slot.note_held();
        self.slots.put(place, slot);
    }

    /// Routes an event to its subscribers; bars come with their audience.
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
            if !self.delivery.is_too_early(*place, event) {
                self.push(*place, event);
            }
        }
    }

    /// Withholds updates of a book from a strategy until its snapshot.
    pub(super) fn await_snapshot(&mut self, place: SlotIndex, instrument: u32) {
        self.delivery.await_snapshot(place, instrument);
    }

    /// Forgets the snapshots that a strategy waits for.
    pub(super) fn forget_snapshots(&mut self, place: SlotIndex) {
        self.delivery.forget_snapshots(place);
    }

    /// Routes an event that changes the portfolio: it comes first in a batch, after everything before it was handled.
    fn route_own(&mut self, dispatch: &Dispatch, event: &Event) {
        let owner = event.owner().and_then(|id| self.slots.place_of(id));
        match (owner, event.kind()) {
            (Some(place), Kind::Timer) => {
                // Whatever came before may still set or clear timers.
                self.flush(place);
                if let Body::Timer(timer) = event.body()
                    && self.slots[place].quota.take_timer(&timer)
                {
                    self.push(place, event);
                }
            }
            (_, Kind::Timer) => {}
            (owner, _) => {
                let subscribers = dispatch.subscribers(event);
                owner
                    .iter()
                    .chain(subscribers)
                    .for_each(|place| self.flush(*place));
                // The router reports an impossible event, once; every replica treats it alike.
                let _ = self.portfolio.apply(event);
                for place in owner.iter().chain(subscribers) {
                    self.push(*place, event);
                }
            }
        }
    }

    /// Queues an event, unless the strategy has just ended.
    #[inline]
    fn push(&mut self, place: SlotIndex, event: &Event) {
        let slot = &mut self.slots[place];
        if slot.active && !slot.is_overfull() {
            if !slot.backlog.has_waiting() {
                self.delivery.touch(place);
            }
            slot.backlog.push(event);
        }
    }

    /// Offers every strategy what is waiting for it.
    pub(crate) fn flush_all(&mut self) {
        // The strategy that has waited longest comes first. Nothing is touched in the meantime, and the allocation is reused.
        let mut touched = self.delivery.take_touched();
        touched.drain(..).for_each(|place| self.flush_whole(place));
        self.delivery.return_memory(touched);
        self.keep_deferred();
        // The absence of a decision depends on batches too: if anything of one strategy is recorded, so are the others' batches.
        if std::mem::take(&mut self.has_acted) || self.is_one_of_many {
            self.hand_over_notes();
        }
    }

    /// Marks a place to be looked at again: its instance changed or is gone.
    pub(crate) fn touch(&mut self, place: SlotIndex) {
        self.delivery.touch(place);
    }

    /// Offers a strategy what is waiting for it.
    pub(super) fn flush(&mut self, place: SlotIndex) {
        while self.offers_next(place) {
            self.offer_next(place);
        }
        self.slots[place].backlog.tidy();
    }

    pub(super) fn offers_next(&self, place: SlotIndex) -> bool {
        self.slots[place].backlog.has_waiting() && self.slots[place].strategy.is_some()
    }

    pub(super) fn offer_next(&mut self, place: SlotIndex) {
        if let Some(fault) = self.verdict(place) {
            self.end_overloaded(place, fault);
        } else if let Err((at, offered, fault)) = self.offer(place) {
            self.fault(place, at, offered, fault);
        } else if self.slots[place].backlog.is_due() {
            self.snapshot(place);
        }
    }

    /// Offers a strategy one batch. A fault of its own comes with the place of the batch; the breach of a quota, which a
    /// replay reproduces by itself, comes without.
    fn offer(&mut self, place: SlotIndex) -> Result<(), (Timestamp, Option<BatchPlace>, Fault)> {
        let most = self.batch_size.next();
        let slot = &mut self.slots[place];
        let fault_at = self.recorded_faults.next_of(slot.id);
        let most = slot.next_size().unwrap_or(most.min(slot.batch_hint));
        let count = slot.next_batch(most).len();
        let count = cut_before_fault(slot, count, fault_at);
        if count > 1 && self.notes_batches.load(Ordering::Relaxed) {
            if slot.batch_notes.is_empty() {
                self.noted.push(place);
            }
            if let Some(full) = slot.note_batch(count) {
                self.output.publish(&[slot.offered(full)]);
            }
        }
        let clock = self.meter.start(slot, &*self.now_ns);
        let (Some(strategy), Some(book)) = (&mut slot.strategy, self.portfolio.book_mut(slot.id))
        else {
            slot.backlog.consume(count);
            return Ok(());
        };
        let batch = slot.backlog.waiting(count);
        let (at, first) = (batch[0].ts_host, BatchPlace::of(&batch[0], slot.last_place));
        self.actions.clear();
        let faults = fault_at.is_some_and(|fault_at| fault_at.offered == first);
        if faults {
            strategy.restore_time_limit();
        }
        let handled = strategy
            .on_events(batch, book, &mut self.actions)
            .and_then(|handled| consumed(handled, batch))
            .map_err(|fault| (at, Some(first), fault));
        if faults {
            self.recorded_faults.take(slot.id);
            return Err(handled.err().unwrap_or((at, Some(first), recorded())));
        }
        self.measure(place, clock, handled.as_ref().ok().copied());
        let handled = handled?;
        let slot = &mut self.slots[place];
        if let Some(from) = slot.pause_from.take() {
            let pause_ns = clock.started_ns.saturating_sub(from);
            let live = slot.settled_intent(Decision::Live { pause_ns });
            self.output.publish(&[live]);
        }
        let handled_events = &slot.backlog.waiting(count)[..handled];
        let cause = handled_events[handled - 1];
        let last_place = first.of_last(handled_events);
        if slot.shadow.is_some() {
            self.run_shadow(place, handled);
        }
        let slot = &mut self.slots[place];
        slot.last_at = cause.ts_host;
        slot.last_place = Some(last_place);
        slot.backlog.consume(handled);
        slot.batch_hint = self.batch_size.hint_after(slot.batch_hint, handled, count);
        slot.count_probation(handled);
        Counters::add(&slot.counters.events, handled);
        if self.actions.is_empty() {
            return Ok(());
        }
        self.pass_on(place, &cause)
            .map_err(|fault| (at, None, fault))
    }

    /// Puts the decisions of a strategy into its book and onto the action ring.
    fn pass_on(&mut self, place: SlotIndex, cause: &Event) -> Result<(), Fault> {
        let slot = &mut self.slots[place];
        Counters::add(&slot.counters.actions, self.actions.len());
        self.intents.clear();
        self.has_acted = true;
        if let Some(batches) = slot.batch_notes.take() {
            self.intents.push(slot.offered(batches));
        }
        let mut refused = Ok(());
        for action in &self.actions {
            let admitted = slot.quota.admit(cause.ts_host, action);
            if let Err(fault) = admitted.and_then(|()| intend(&mut self.portfolio, slot.id, action))
            {
                refused = Err(fault);
                break;
            }
            let change = feed_change(cause.ts_host, place, action);
            self.output.request_feed_change(change);
            self.intents
                .push(slot.intent(cause, Decision::Act(*action)));
        }
        self.output.publish(&self.intents);
        refused
    }

    /// Takes a snapshot, so that fewer events have to be offered again.
    pub(crate) fn snapshot(&mut self, place: SlotIndex) {
        let every = snapshot_every(self.slots.len());
        let clock = self.start_clock(place);
        let slot = &mut self.slots[place];
        slot.backlog.space(every);
        let Some(strategy) = &mut slot.strategy else {
            return;
        };
        let saved = strategy.save_into(slot.backlog.spare());
        self.measure_other(place, clock);
        let slot = &mut self.slots[place];
        let Some(book) = self.portfolio.book_mut(slot.id) else {
            return;
        };
        match saved {
            Ok(Ok(())) => slot.backlog.move_base(slot.version.code.schema(), book),
            // It cannot be recovered to this point; after a fault it starts afresh.
            Ok(Err(_)) => slot.backlog.rebase(None),
            Err(fault) => {
                let at = slot.last_at;
                self.fault(place, at, None, fault);
                self.slots[place].backlog.rebase(None);
            }
        }
        self.slots[place].note_held();
    }

    /// Stops every strategy. The router handles their orders.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        for slot in self.slots.iter_mut() {
            let Some(mut strategy) = slot.strategy.take() else {
                continue;
            };
            // Faults that it recovered from are history; only a new one is reported with its end.
            slot.counters.forget();
            strategy.restore_time_limit();
            if let Err(fault) = strategy.stop(reason) {
                slot.counters.note(&fault);
            }
        }
    }
}
