//! A strategy on its worker: its instance, its versions, and its events since the last snapshot.

use crate::batches::{BatchNotes, BatchPlace, RecordedBatches};
use crate::intent::{AT_END, Decision, Intent};
use crate::port::{Code, Fault, State, Strategy, SwapPolicy, Version};
use crate::worker::budget::Budget;
use crate::worker::catching_up::CatchingUp;
use crate::worker::quota::Quota;
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::{Action, Event, StrategyId, Timestamp};
use tickdeck_portfolio::StrategyBook;

/// On average, one call in half this many is timed: reading a clock costs as much as a small batch.
const SAMPLE_WITHIN: u64 = 32;

/// Events between two snapshots of a small state.
const SNAPSHOT_EVERY: usize = 1_024;

/// Events between two snapshots if there are many strategies: a snapshot costs as much as a few dozen events.
const SNAPSHOT_WITH_MANY: usize = 128;

/// Events between two snapshots, summed over all strategies of a worker: their backlogs then stay in a core's cache.
const ALL_BACKLOGS: usize = 16_384;

/// Events between two snapshots of a small state on a worker with this many strategies.
pub(crate) fn snapshot_every(strategies: usize) -> usize {
    (ALL_BACKLOGS / strategies.max(1)).clamp(SNAPSHOT_WITH_MANY, SNAPSHOT_EVERY)
}

/// Events between two snapshots of the largest state: what may have to be offered again.
const SNAPSHOT_AT_LEAST: usize = 65_536;

/// Size of a state up to which snapshots are that frequent; a larger state is saved less often.
const SMALL_STATE: usize = 16 << 10;

/// Events that are kept for a suspended strategy: as many as are ever offered again.
pub(crate) const MAX_WAITING: usize = SNAPSHOT_AT_LEAST;

/// This many traps ...
pub(crate) const MAX_TRAPS: usize = 3;

/// ... within this much event time end a strategy.
pub(crate) const TRAP_WINDOW_NS: i64 = 60_000_000_000;

/// Buckets of the histogram of time per event; bucket `n` counts events below `2^n` nanoseconds.
pub const TIME_BUCKETS: usize = 32;

/// Maximum number of recorded differences of a shadow version.
const DIFFERENCES_KEPT: usize = 32;

/// Differing decisions of a version and its shadow on one event.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowDifference {
    /// Host time of the event.
    pub at: Timestamp,
    /// Its sequence.
    pub sequence: u64,
    /// What was sent.
    pub sent: Vec<Action>,
    /// What the shadow version would have sent.
    pub shadow: Vec<Action>,
}

/// A worker's counters of a strategy, for other threads to read.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) events: AtomicU64,
    pub(crate) actions: AtomicU64,
    pub(crate) sampled_events: AtomicU64,
    pub(crate) sampled_ns: AtomicU64,
    /// Sampled calls by time per event.
    pub(crate) times: [AtomicU64; TIME_BUCKETS],
    pub(crate) traps: AtomicU64,
    /// Number of decisions of the shadow version that were the same, and of those that were not.
    pub(crate) agreed: AtomicU64,
    pub(crate) differed: AtomicU64,
    /// The last differences.
    pub(crate) differences: Mutex<VecDeque<Arc<ShadowDifference>>>,
    /// A version is about to take over: the end of every call is timed, so that the pause is exact.
    pub(crate) expecting: AtomicBool,
    /// The text of the last fault.
    pub(crate) fault: Mutex<Option<String>>,
    /// How long it kept the others waiting beyond its turns and share, in total, and the part not credited yet.
    pub(crate) charged_ns: AtomicU64,
    pub(crate) debt_ns: AtomicU64,
    /// The code of the instance that a suspended strategy waits for.
    awaited: Mutex<Option<Arc<dyn Code>>>,
    /// Minimum time for which a suspended strategy is not called, so that the others come first.
    rest_ns: AtomicU64,
    /// Bytes that the host keeps for it besides its instances.
    pub(crate) held: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        // Single writer: a plain load and store suffice, and are cheaper than a locked add.
        counter.store(
            counter.load(Ordering::Relaxed) + count as u64,
            Ordering::Relaxed,
        );
    }

    /// Records how long a call with `events` events took.
    pub(crate) fn time(&self, took_ns: u64, events: usize) {
        Self::add(&self.sampled_ns, took_ns as usize);
        Self::add(&self.sampled_events, events);
        let each = took_ns / events.max(1) as u64;
        let bucket = (u64::BITS - each.leading_zeros()) as usize;
        Self::add(&self.times[bucket.min(TIME_BUCKETS - 1)], 1);
    }

    /// Records a difference.
    pub(crate) fn record(&self, difference: ShadowDifference) {
        // Shared, so that a reader holds the lock for as long as it takes to copy pointers.
        let difference = Arc::new(difference);
        let differences = &mut self.differences();
        if differences.len() == DIFFERENCES_KEPT {
            differences.pop_front();
        }
        differences.push_back(difference);
    }

    pub(crate) fn differences(&self) -> MutexGuard<'_, VecDeque<Arc<ShadowDifference>>> {
        self.differences
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the code of the instance that the strategy waits for, if any.
    pub(crate) fn await_instance(&self, code: Option<Arc<dyn Code>>) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }

    /// Sets the minimum time for which the suspended strategy is not called.
    pub(crate) fn rest(&self, rest_ns: u64) {
        self.rest_ns.store(rest_ns, Ordering::Relaxed);
    }

    /// Whether a strategy that has been suspended for `waited_ns` has rested enough.
    pub(crate) fn has_rested(&self, waited_ns: u64) -> bool {
        waited_ns >= self.rest_ns.load(Ordering::Relaxed)
    }

    /// Whether the instance that the strategy waits for can be started.
    pub(crate) fn is_awaited_ready(&self) -> bool {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.as_ref().is_none_or(|code| code.is_ready())
    }

    /// Resets the counters for another shadow version.
    pub(crate) fn begin_shadow(&self) {
        self.agreed.store(0, Ordering::Relaxed);
        self.differed.store(0, Ordering::Relaxed);
        self.differences().clear();
    }

    pub(crate) fn forget(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The text of the last fault.
    pub(crate) fn last(&self) -> String {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone().unwrap_or_default()
    }

    pub(crate) fn note(&self, fault: &Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.0.clone());
    }
}

/// What a strategy starts from.
#[derive(Debug, Clone)]
pub(crate) enum StartFrom {
    /// `init`.
    Start,
    /// `restore`.
    State(Arc<State>),
}

impl StartFrom {
    /// Bytes of the state.
    fn bytes(&self) -> usize {
        match self {
            Self::Start => 0,
            Self::State(state) => state.bytes.capacity(),
        }
    }

    /// Starts an instance from it.
    pub(crate) fn begin(
        &self,
        code: &dyn Code,
        book: &mut Box<StrategyBook>,
    ) -> Result<Box<dyn Strategy>, Fault> {
        match self {
            Self::Start => code.start_in_place(book),
            Self::State(state) => code.restore(book, state),
        }
    }
}

/// A point from which a strategy can be brought back to its current state.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotPoint {
    pub(crate) origin: StartFrom,
    /// Its view of the store at that point.
    pub(crate) book: Box<StrategyBook>,
}

impl SnapshotPoint {
    /// Moves to another state and book; swaps `bytes` with the state's buffer, unless the state is shared.
    fn move_to(&mut self, schema: u32, bytes: &mut Vec<u8>, book: &StrategyBook) {
        (*self.book).clone_from(book);
        if let StartFrom::State(state) = &mut self.origin
            && let Some(state) = Arc::get_mut(state)
        {
            state.schema = schema;
            std::mem::swap(&mut state.bytes, bytes);
            return;
        }
        let bytes = std::mem::take(bytes);
        self.origin = StartFrom::State(Arc::new(State { schema, bytes }));
    }
}

/// A strategy's events since its base: those that it handled, followed by those that wait for it.
pub(crate) struct Backlog {
    pub(crate) base: Option<SnapshotPoint>,
    events: Vec<Event>,
    handled: usize,
    /// Events after which the next snapshot is due.
    due: usize,
    /// Events between two snapshots of a small state.
    every: usize,
    /// The buffer for the next snapshot's state; the two are swapped, so that taking a snapshot does not allocate.
    spare: Vec<u8>,
}

impl Backlog {
    pub(crate) fn new(base: SnapshotPoint, waiting: usize, every: usize) -> Self {
        Self {
            base: Some(base),
            // The events handled up to the next snapshot, followed by those that wait.
            events: Vec::with_capacity(every + waiting),
            handled: 0,
            due: every,
            every,
            spare: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, event: &Event) {
        self.events.push(*event);
    }

    pub(crate) fn handled(&self) -> &[Event] {
        &self.events[..self.handled]
    }

    pub(crate) fn all(&self) -> &[Event] {
        &self.events
    }

    /// All events that wait.
    pub(crate) fn all_waiting(&self) -> &[Event] {
        &self.events[self.handled..]
    }

    /// Bytes that it holds: events and states, by their capacity.
    pub(crate) fn bytes(&self) -> usize {
        let state = self.base.as_ref().map_or(0, |base| base.origin.bytes());
        size_of::<Event>() * self.events.capacity() + self.spare.capacity() + state
    }

    /// The next events to offer, cut where a snapshot is due.
    pub(crate) fn waiting(&self, most: usize) -> &[Event] {
        let until_due = match self.base {
            Some(_) => self.due.saturating_sub(self.handled).max(1),
            None => usize::MAX,
        };
        let end = self.events.len().min(self.handled + most.min(until_due));
        &self.events[self.handled..end]
    }

    pub(crate) fn has_waiting(&self) -> bool {
        self.handled < self.events.len()
    }

    /// The number of events that wait.
    pub(crate) fn count_waiting(&self) -> usize {
        self.events.len() - self.handled
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.handled += count;
    }

    pub(crate) fn is_due(&self) -> bool {
        self.base.is_some() && self.handled >= self.due
    }

    /// Forgets the handled events: `base` is the state after them. Without a base, nothing is kept from now on.
    pub(crate) fn rebase(&mut self, base: Option<SnapshotPoint>) {
        self.base = base;
        self.begin_again();
    }

    /// Sets the number of events between two snapshots, from the next one on.
    pub(crate) fn space(&mut self, every: usize) {
        self.every = every;
    }

    /// The buffer into which to save the state that [`Backlog::move_base`] then takes.
    pub(crate) fn spare(&mut self) -> &mut Vec<u8> {
        &mut self.spare
    }

    /// Like [`Backlog::rebase`], with the spare buffer as the state, reusing the memory of the previous base.
    pub(crate) fn move_base(&mut self, schema: u32, book: &StrategyBook) {
        let mut bytes = std::mem::take(&mut self.spare);
        match &mut self.base {
            Some(base) => base.move_to(schema, &mut bytes, book),
            None => {
                let bytes = std::mem::take(&mut bytes);
                let origin = StartFrom::State(Arc::new(State { schema, bytes }));
                let book = Box::new(book.clone());
                self.base = Some(SnapshotPoint { origin, book });
            }
        }
        // A large state is saved rarely; a second buffer is not worth its memory.
        if bytes.capacity() <= SMALL_STATE {
            self.spare = bytes;
        }
        self.begin_again();
    }

    /// Starts over with a base after the last handled event.
    fn begin_again(&mut self) {
        self.events.drain(..self.handled);
        self.handled = 0;
        let bytes = match &self.base {
            Some(SnapshotPoint {
                origin: StartFrom::State(state),
                ..
            }) => state.bytes.len(),
            _ => 0,
        };
        let every = self
            .every
            .saturating_mul(bytes.div_ceil(SMALL_STATE).max(1));
        self.due = every.min(SNAPSHOT_AT_LEAST);
    }

    /// Keeps everything from here on: the base must not move.
    pub(crate) fn hold(&mut self) {
        self.due = usize::MAX;
    }

    /// Makes a snapshot due as soon as possible.
    pub(crate) fn release(&mut self) {
        self.due = self.handled;
    }

    /// Forgets events that are no longer needed.
    pub(crate) fn tidy(&mut self) {
        if self.base.is_none() {
            self.events.drain(..self.handled);
            self.handled = 0;
        }
    }

    /// Forgets the waiting events: they will never be handled, and a later instance must not take them for new ones.
    pub(crate) fn drop_waiting(&mut self) {
        self.events.truncate(self.handled);
    }

    /// Forgets everything: no instance is there to handle it.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.handled = 0;
    }
}

/// A new version's probation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probation {
    pub(crate) events_left: u64,
    pub(crate) length_ns: i64,
    /// When it ends; known from its first event on.
    pub(crate) until: Option<Timestamp>,
}

impl Probation {
    pub(crate) fn new(policy: &SwapPolicy) -> Self {
        Self {
            events_left: policy.trial_events.max(1),
            length_ns: policy.trial_ns,
            until: None,
        }
    }
}

/// The previous version and its state.
pub(crate) struct Previous {
    pub(crate) version: Version,
    /// Dropped when the probation is over: by then it is outdated.
    pub(crate) state: Option<StartFrom>,
    /// The events that it had handled since that state.
    pub(crate) since: Vec<Event>,
}

impl Previous {
    /// Bytes that it holds.
    fn bytes(&self) -> usize {
        let state = self.state.as_ref().map_or(0, StartFrom::bytes);
        state + size_of::<Event>() * self.since.capacity()
    }
}

/// A shadow version: it handles the same events, but nothing it decides is sent.
pub(crate) struct Shadow {
    pub(crate) version: Version,
    pub(crate) strategy: Box<dyn Strategy>,
    /// How long it kept the others waiting.
    pub(crate) budget: Budget,
}

/// A strategy on its worker.
pub(crate) struct Slot {
    pub(crate) id: StrategyId,
    /// None if it ended or is suspended.
    pub(crate) strategy: Option<Box<dyn Strategy>>,
    /// How far it has come, if it is suspended and has begun to catch up.
    pub(crate) catching_up: Option<Box<CatchingUp>>,
    pub(crate) version: Version,
    pub(crate) previous: Option<Previous>,
    pub(crate) probation: Option<Probation>,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) backlog: Backlog,
    pub(crate) counters: Arc<CachePadded<Counters>>,
    /// Calls until the next one that is timed.
    pub(crate) untimed: u64,
    pub(crate) quota: Quota,
    /// How long it kept the others waiting.
    pub(crate) budget: Budget,
    /// Whether it still gets events: false once it has ended.
    pub(crate) active: bool,
    pub(crate) traps: VecDeque<Timestamp>,
    /// Time of the last event that it handled.
    pub(crate) last_at: Timestamp,
    /// When the last call before a swap ended, until the first one after it.
    pub(crate) pause_from: Option<u64>,
    pub(crate) last_call_ended: Option<u64>,
    /// The cause of the last action and how many actions it caused, to number the next.
    pub(crate) last_cause: (u64, u32),
    /// Numbers the intents that take effect at the end of a window.
    pub(crate) settled: u32,
    /// Maximum number of events that it is offered next.
    pub(crate) batch_hint: usize,
    /// The place of the last event that it handled.
    pub(crate) last_place: Option<BatchPlace>,
    /// Batches that it was offered but that are not recorded yet.
    pub(crate) batch_notes: BatchNotes,
    /// Numbers those that were handed over.
    pub(crate) handed_over: u32,
    /// The batches that it has to be offered in a replay.
    pub(crate) batches: Option<RecordedBatches>,
}

impl Slot {
    /// Whether it still gets events.
    pub(super) const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether it waits for another instance: of its own version, or of the one before.
    pub(crate) fn is_suspended(&self) -> bool {
        self.active && self.strategy.is_none()
    }

    /// Whether more events wait for a suspended strategy than are kept. It is then ended instead of being brought back.
    pub(crate) fn is_overfull(&self) -> bool {
        self.strategy.is_none() && self.backlog.all_waiting().len() >= MAX_WAITING
    }

    /// Whether a fault of the live version brings the previous one back.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.probation.is_some() && self.previous.is_some()
    }

    /// Updates the count of bytes that the host keeps for it besides its instances.
    pub(crate) fn note_held(&self) {
        let previous = self.previous.as_ref().map_or(0, Previous::bytes);
        let late = self
            .catching_up
            .as_ref()
            .map_or(0, |progress| progress.late.bytes());
        let held = (self.backlog.bytes() + previous + late + self.quota.bytes()) as u64;
        self.counters.held.store(held, Ordering::Relaxed);
    }

    /// Suspends it until an instance can be started in its place.
    pub(crate) fn suspend(&self) {
        let version = match &self.previous {
            Some(previous) if self.is_on_probation() => &previous.version,
            _ => &self.version,
        };
        self.counters
            .await_instance(Some(Arc::clone(&version.code)));
    }

    /// The next batch: at most `most` events, cut where a snapshot is due or a probation ends.
    pub(crate) fn next_batch(&mut self, most: usize) -> &[Event] {
        let Some(probation) = &mut self.probation else {
            return self.backlog.waiting(most);
        };
        let most = most.min(usize::try_from(probation.events_left).unwrap_or(usize::MAX));
        let batch = self.backlog.waiting(most);
        let first = batch.first().map_or(0, |event| event.ts_host);
        let until = *probation
            .until
            .get_or_insert(first.saturating_add(probation.length_ns));
        let within = batch.partition_point(|event| event.ts_host < until);
        if within > 0 {
            return &self.backlog.waiting(most)[..within];
        }
        self.end_probation();
        self.backlog.waiting(most.max(1))
    }

    /// The CPU time of the last call, if it was long and the instance is still there.
    pub(crate) fn long_call_ns(&self) -> Option<u64> {
        self.strategy.as_ref()?.long_call_ns()
    }

    /// The CPU time of this thread, if the instance can tell.
    pub(crate) fn thread_time_ns(&self) -> Option<u64> {
        self.strategy.as_ref()?.thread_time_ns()
    }

    /// Counts down to the next timed call; returns whether this is it.
    #[inline]
    pub(crate) fn is_sampled(&mut self) -> bool {
        self.untimed = self.untimed.saturating_sub(1);
        self.untimed == 0
    }

    /// Chooses the next timed call in a way that cannot be predicted without a clock.
    pub(crate) fn choose_sample(&mut self, now_ns: u64) {
        let random = now_ns.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.untimed = 1 + random % SAMPLE_WITHIN;
    }

    /// Counts events of a probation that were handled without a fault.
    pub(crate) fn count_probation(&mut self, consumed: usize) {
        if let Some(probation) = &mut self.probation {
            probation.events_left = probation.events_left.saturating_sub(consumed as u64);
            if probation.events_left == 0 {
                self.end_probation();
            }
        }
    }

    pub(crate) fn end_probation(&mut self) {
        if self.probation.take().is_some() {
            self.backlog.release();
            if let Some(previous) = &mut self.previous {
                (previous.state, previous.since) = (None, Vec::new());
            }
        }
    }

    /// Notes a fault; returns whether it was one too many.
    pub(crate) fn trapped(&mut self, at: Timestamp) -> bool {
        Counters::add(&self.counters.traps, 1);
        self.traps.push_back(at);
        while self
            .traps
            .front()
            .is_some_and(|first| at.saturating_sub(*first) >= TRAP_WINDOW_NS)
        {
            self.traps.pop_front();
        }
        self.traps.len() >= MAX_TRAPS
    }

    pub(crate) fn intent(&mut self, cause: &Event, decision: Decision) -> Intent {
        let (cause, at) = (cause.sequence, cause.ts_host);
        let ordinal = if self.last_cause.0 == cause {
            self.last_cause.1 + 1
        } else {
            0
        };
        self.last_cause = (cause, ordinal);
        Intent {
            cause,
            at,
            strategy: self.id,
            ordinal,
            decision,
        }
    }

    /// Creates an intent that takes effect at the end of the window, because its place within the window depends on how batches
    /// were cut.
    pub(crate) fn settled_intent(&mut self, decision: Decision) -> Intent {
        self.settled = self.settled.wrapping_add(1);
        Intent {
            cause: AT_END,
            at: Timestamp::MAX,
            strategy: self.id,
            ordinal: self.settled,
            decision,
        }
    }
}
