//! A worker: the ring's consumer for its share of the strategies.
//!
//! It runs every event through its middleware, gathers each strategy's next batch by the dispatch index, folds its own
//! replica of the store, and passes decisions to the action ring. Before an event that changes a strategy's portfolio, the
//! strategy's waiting events are flushed, so that it reads the store exactly as of the event that it handles.

pub(crate) mod actions;
mod batch_size;
mod batching;
mod budget;
mod catch_up;
mod catching_up;
mod delivery;
mod dispatch;
pub(crate) mod dry_run;
mod force;
pub(crate) mod handover;
mod late_events;
pub(crate) mod load;
mod mailbox;
pub(crate) mod meanwhile;
mod meter;
mod output;
mod overload;
pub(crate) mod pool;
mod quota;
pub(crate) mod recorded_faults;
pub(crate) mod recovery;
mod recovery_budget;
mod refeed;
pub(crate) mod rejoin;
mod runner;
pub(crate) mod setup;
mod shadow;
pub(crate) mod slot;
mod slots;
mod start;

use crate::config::Stepping;
use crate::intent::{Intent, Outlet};
use crate::middleware::{BarBuilder, BarSpec, Chain, ConflateQuotes, DropDuplicates, DropStale};
use crate::port::{State, StopReason, Strategy, StrategyStart, Version};
use crate::worker::actions::FeedChange;
use crate::worker::dispatch::{Dispatch, SlotIndex};
use crate::worker::dry_run::DryRun;
use crate::worker::handover::Handover;
use crate::worker::recorded_faults::RecordedFault;
use crate::worker::rejoin::Rejoined;
use crate::worker::runner::StrategyRunner;
use crate::worker::setup::{CountedStart, WorkerSetup};
use crate::worker::slot::Counters;
use crossbeam_utils::CachePadded;
use std::collections::BTreeMap;
use std::sync::Arc;
use tickdeck_model::{Event, Feed, FeedRequest, InstrumentId, StrategyId, Timestamp};
use tickdeck_portfolio::Portfolio;
use tickdeck_ring::Consumer;

struct DueFeedChange {
    due: Timestamp,
    place: SlotIndex,
    request: FeedRequest,
    wanted: bool,
}

/// A request of the kernel to a worker between two windows.
pub(crate) enum Task {
    Stop(StopReason),
    Start(Box<StrategyStart>, Arc<CachePadded<Counters>>),
    Swap(StrategyId, Box<Version>),
    Promote(StrategyId),
    RollBack(StrategyId),
    /// Brings a suspended strategy back: in its version, or in the previous one if it failed its probation.
    BringBack(StrategyId),
    Remove(StrategyId),
    DryRun(StrategyId),
    Offer,
    /// Saves the state of a strategy, or of all.
    States(Option<StrategyId>),
    ApplyRecordedFault(RecordedFault),
}

/// The result of a task.
pub(crate) enum Done {
    Stopped,
    Offered,
    Started,
    FaultRecorded,
    /// Another version is live.
    Swapped(Box<Handover>),
    /// A version runs as a shadow of the live one.
    Shadow(Box<Handover>),
    /// The shadow ended.
    ShadowEnded(Box<Version>),
    /// A suspended strategy is back, in its version.
    Rejoined(Rejoined),
    /// It is not back yet: it goes on when the others have had their turns.
    CatchesUp {
        /// It has only just begun.
        begins: bool,
    },
    Removed(Option<Box<dyn Strategy>>),
    DryRun(Box<DryRun>),
    States(Vec<(StrategyId, State)>),
}

/// A worker.
pub(crate) struct Worker {
    events: Consumer<Event>,
    runner: StrategyRunner,
    dispatch: Dispatch,
    chain: Chain,
    changes: Vec<DueFeedChange>,
    setup: WorkerSetup,
}

impl Worker {
    pub(crate) fn new(
        events: Consumer<Event>,
        outlet: Outlet,
        portfolio: Portfolio,
        strategies: Vec<CountedStart>,
        setup: WorkerSetup,
    ) -> Self {
        let mut runner = StrategyRunner::new(portfolio, outlet, &setup);
        let mut dispatch = Dispatch::default();
        let mut bars: BTreeMap<BarSpec, Vec<SlotIndex>> = BTreeMap::new();
        for (start, counters) in strategies {
            let place = dispatch.add(&start.version.feeds, start.version.accounts);
            for request in bars_of(&start.version.feeds) {
                bars.entry(bar_spec(request)).or_default().push(place);
            }
            runner.start(place, start, counters, &setup);
        }
        let mut worker = Self {
            events,
            runner,
            dispatch,
            chain: Chain::default(),
            changes: Vec::new(),
            setup,
        };
        worker.build_chain();
        worker.start_manifest_bars(bars);
        worker.runner.count_running();
        worker
    }

    /// Handles everything on the ring; returns the number of events.
    pub(crate) fn poll(&mut self) -> usize {
        let mut handled = 0;
        loop {
            let Self {
                events,
                runner,
                dispatch,
                chain,
                changes,
                setup,
            } = self;
            let slots = events.peek(usize::MAX);
            let Some(first) = slots.first() else {
                return handled;
            };
            let lag_ns = span_ns(slots);
            runner.meter.begin_stretch(lag_ns, first.ts_host);
            // A due change of feeds starts a new stretch, because it rebuilds the index that the stretch borrows.
            let due = changes
                .iter()
                .map(|change| change.due)
                .min()
                .unwrap_or(Timestamp::MAX);
            // What is decided on a stretch changes feeds one lookahead after its cause, which may have waited longer. Freely
            // running, nobody else keeps a stretch from reaching beyond that: the change would take effect wherever the stretch
            // happens to end.
            let waits_since = runner.waits_since.unwrap_or(first.ts_host);
            let first_cause = first.ts_host.min(waits_since);
            let changed_at = match setup.stepping {
                Stepping::Free => first_cause
                    .saturating_add(setup.lookahead_ns)
                    .max(first.ts_host.saturating_add(1)),
                Stepping::Lockstep => Timestamp::MAX,
            };
            let end = due.min(changed_at);
            let within = if end == Timestamp::MAX {
                slots.len()
            } else {
                slots.partition_point(|event| event.ts_host < end)
            };
            let stretch = within.min(runner.meter.most_events());
            for event in &slots[..stretch] {
                chain.run(event, |event, audience| {
                    runner.route(dispatch, event, audience);
                });
            }
            runner.flush_all();
            take_feed_changes(runner, changes, setup.lookahead_ns);
            end_all_feeds(runner, dispatch, chain, changes);
            let next = slots.get(stretch).map(|event| event.ts_host);
            let reached = next.is_some_and(|next| next >= due);
            // Must come first: whoever sees that this worker has caught up must also see that it is not behind.
            let taken = events.position() + stretch as u64;
            runner.meter.end_stretch(stretch, taken);
            events.release(stretch);
            handled += stretch;
            if reached {
                self.change_feeds(due);
            }
        }
    }

    /// Waits for something to poll or until `stop` returns true; false once the ring is closed and drained.
    pub(crate) fn wait(&mut self, stop: impl FnMut() -> bool) -> bool {
        !matches!(
            self.events.wait(stop),
            Err(_) | Ok(tickdeck_ring::Wake::Closed)
        )
    }

    /// Takes the decisions, if the kernel and the worker share a thread.
    pub(crate) fn take_intents(&mut self, into: &mut Vec<Intent>) {
        self.runner.output.take_intents(into);
    }

    /// Performs a task between two windows.
    pub(crate) fn perform(&mut self, task: Task) -> Result<Done, String> {
        let is_recorded_fault = matches!(task, Task::ApplyRecordedFault(_));
        if !is_recorded_fault {
            self.runner.flush_deferred();
        }
        let done = match task {
            Task::Stop(reason) => {
                self.runner.stop(reason);
                Ok(Done::Stopped)
            }
            Task::Start(start, counters) => {
                self.start(*start, counters);
                Ok(Done::Started)
            }
            Task::Swap(id, to) => {
                let place = self.place_of(id)?;
                let shadow = to.swap.shadow;
                let change = |runner: &mut StrategyRunner| runner.swap(place, *to);
                self.change_version(place, shadow, change)
            }
            Task::Promote(id) => {
                let place = self.place_of(id)?;
                self.change_version(place, false, |runner| runner.promote(place))
            }
            Task::RollBack(id) => {
                let place = self.place_of(id)?;
                if let Some(version) = self.runner.end_shadow(place) {
                    return Ok(Done::ShadowEnded(Box::new(version)));
                }
                self.change_version(place, false, |runner| runner.roll_back_on_request(place))
            }
            Task::BringBack(id) => {
                let place = self.place_of(id)?;
                self.bring_back(place)
            }
            Task::Remove(id) => {
                let place = self.place_of(id)?;
                let instance = self.runner.remove(place);
                self.runner.output.note_end(place);
                Ok(Done::Removed(instance))
            }
            Task::Offer => {
                self.runner.flush_all();
                Ok(Done::Offered)
            }
            Task::ApplyRecordedFault(fault) => {
                self.runner.apply_recorded_fault(fault);
                Ok(Done::FaultRecorded)
            }
            Task::States(strategy) => Ok(Done::States(self.runner.states(strategy))),
            Task::DryRun(id) => {
                let place = self.place_of(id)?;
                Ok(Done::DryRun(Box::new(self.runner.dry_run(place))))
            }
        };
        if !is_recorded_fault {
            self.runner.recorded_faults.forget_change();
        }
        take_feed_changes(&mut self.runner, &mut self.changes, self.setup.lookahead_ns);
        let (dispatch, chain) = (&mut self.dispatch, &mut self.chain);
        end_all_feeds(&mut self.runner, dispatch, chain, &mut self.changes);
        self.runner.count_running();
        done
    }

    fn place_of(&self, id: StrategyId) -> Result<SlotIndex, String> {
        let place = self.runner.slots.place_of(id);
        place.ok_or_else(|| format!("no strategy {id} runs on this worker"))
    }

    /// Starts a strategy while others trade, in the place of its predecessor of the same name if there was one.
    fn start(&mut self, start: StrategyStart, counters: Arc<CachePadded<Counters>>) {
        let (feeds, accounts) = (start.version.feeds.clone(), start.version.accounts);
        let place = match self.runner.slots.place_of(start.id) {
            Some(place) => {
                self.dispatch.add_again(place, &feeds, accounts);
                place
            }
            None => self.dispatch.add(&feeds, accounts),
        };
        self.runner.start(place, start, counters, &self.setup);
        for request in &feeds {
            self.begin_feed(place, request);
        }
    }

    /// Brings a suspended strategy back, if that takes no more than this slice.
    fn bring_back(&mut self, place: SlotIndex) -> Result<Done, String> {
        let begins = self.runner.slots[place].catching_up.is_none();
        match self.runner.catch_up_further(place)? {
            None => Ok(Done::CatchesUp { begins }),
            Some(caught_up) if self.runner.slots[place].is_on_probation() => {
                let change =
                    |runner: &mut StrategyRunner| runner.reinstate_previous(place, caught_up);
                self.change_version(place, false, change)
            }
            Some(caught_up) => Ok(Done::Rejoined(self.runner.rejoin(place, caught_up))),
        }
    }

    /// Lets another version count from now on, unless it only runs as a shadow: feeds that only the old manifest named end,
    /// those that only the new one names begin, and what was changed at run time stays.
    fn change_version(
        &mut self,
        place: SlotIndex,
        shadow: bool,
        change: impl FnOnce(&mut StrategyRunner) -> Result<Handover, String>,
    ) -> Result<Done, String> {
        let slot = &self.runner.slots[place];
        let before = slot.active.then(|| slot.version.feeds.clone());
        let changed = change(&mut self.runner);
        self.runner.touch(place);
        self.runner.slots[place].note_held();
        let handover = Box::new(changed?);
        if shadow {
            return Ok(Done::Shadow(handover));
        }
        let (feeds, accounts) = (&handover.version.feeds, handover.version.accounts);
        match before {
            None => self.dispatch.add_again(place, &[], accounts),
            Some(_) => self.dispatch.set_accounts(place, accounts),
        }
        let before = before.unwrap_or_default();
        let slot = &mut self.runner.slots[place];
        slot.quota.change_feeds(&before, feeds);
        for request in before.iter().filter(|old| !feeds.contains(old)) {
            if self.dispatch.change(place, request, false) && request.feed == Feed::Bars {
                self.chain.end_bars(place, Some(bar_spec(request)));
            }
        }
        for request in feeds.iter().filter(|new| !before.contains(new)) {
            if self.dispatch.change(place, request, true) {
                self.begin_feed(place, request);
            }
        }
        Ok(Done::Swapped(handover))
    }

    /// Sets up what a feed needs besides its place in the index.
    fn begin_feed(&mut self, place: SlotIndex, request: &FeedRequest) {
        match request.feed {
            Feed::Bars => self.start_bars(bar_spec(request), vec![place]),
            // The book's first event must be the snapshot that the router requests; deltas before it would be misleading.
            Feed::Book => self.runner.await_snapshot(place, request.target),
            _ => {}
        }
    }

    /// The worker's replica of the store.
    pub(crate) fn portfolio(&self) -> &Portfolio {
        &self.runner.portfolio
    }

    fn change_feeds(&mut self, due: Timestamp) {
        let (now, later) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| change.due <= due);
        self.changes = later;
        let now: Vec<DueFeedChange> = now;
        for change in now {
            self.change_feed(&change);
        }
    }

    fn change_feed(&mut self, change: &DueFeedChange) {
        let DueFeedChange { place, request, .. } = change;
        let changed = self.dispatch.change(*place, request, change.wanted);
        if !changed {
            return;
        }
        if change.wanted {
            self.begin_feed(*place, request);
        } else if request.feed == Feed::Bars {
            self.chain.end_bars(*place, Some(bar_spec(request)));
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

    /// Starts the bars that are wanted from the first event on, one builder per specification.
    fn start_manifest_bars(&mut self, wanted: BTreeMap<BarSpec, Vec<SlotIndex>>) {
        for (spec, audience) in wanted {
            self.start_bars(spec, audience);
        }
    }

    fn start_bars(&mut self, spec: BarSpec, audience: Vec<SlotIndex>) {
        if let Some(instrument) = self.setup.instruments.get(spec.instrument.index()) {
            let builder = BarBuilder::new(spec, instrument.lot);
            self.chain.start_bars(builder, audience);
        }
    }
}

/// The event time between the first and the last of some events, in nanoseconds.
fn span_ns(events: &[Event]) -> u64 {
    let ends = events.first().zip(events.last());
    ends.map_or(0, |(first, last)| last.ts_host.abs_diff(first.ts_host))
}

/// Ends the feeds of the strategies that ended since the last call.
fn end_all_feeds(
    runner: &mut StrategyRunner,
    dispatch: &mut Dispatch,
    chain: &mut Chain,
    changes: &mut Vec<DueFeedChange>,
) {
    if !runner.output.has_ended() {
        return;
    }
    for place in runner.output.take_ended() {
        end_feeds(place, runner, dispatch, chain, changes);
    }
    runner.count_running();
}

/// Ends the feeds of a strategy that ended, including those that it had only just requested.
fn end_feeds(
    place: SlotIndex,
    runner: &mut StrategyRunner,
    dispatch: &mut Dispatch,
    chain: &mut Chain,
    changes: &mut Vec<DueFeedChange>,
) {
    dispatch.remove(place);
    chain.end_bars(place, None);
    changes.retain(|change| change.place != place);
    runner.forget_snapshots(place);
}

/// Queues the changes of feeds that strategies requested; they take effect later.
fn take_feed_changes(
    runner: &mut StrategyRunner,
    changes: &mut Vec<DueFeedChange>,
    lookahead_ns: i64,
) {
    if !runner.output.has_feed_changes() {
        return;
    }
    let change = |change: FeedChange| DueFeedChange {
        due: change.at.saturating_add(lookahead_ns),
        place: change.place,
        request: change.request,
        wanted: change.wanted,
    };
    changes.extend(runner.output.drain_feed_changes().map(change));
}

fn bars_of(feeds: &[FeedRequest]) -> impl Iterator<Item = &FeedRequest> {
    feeds.iter().filter(|feed| feed.feed == Feed::Bars)
}

fn bar_spec(request: &FeedRequest) -> BarSpec {
    BarSpec {
        instrument: InstrumentId(request.target),
        basis: request.basis,
        step: request.step,
    }
}
