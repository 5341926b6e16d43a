//! The kernel: advances event time, window by window.
//!
//! A window starts at the next due event and is one *lookahead* long: the minimum time between a command and the first
//! event it can cause. So no decision made within a window can change the window itself: the whole window can go through
//! the ring at once, on any number of workers, before the decisions are merged by cause and carried out. That is why the
//! same tape gives the same actions with any batching and any number of threads.
//!
//! With real venues the kernel runs freely instead; see `free_running`. Each part of its state has a file of its own:
//! `event_time`, `publisher`, `venues`, `strategies`, `decisions`, `recording`, `inbox`, `resume_point`, `status_timer`.
//! Wherever it waits, it serves operators: `safety_path`.

mod build;
mod changes;
mod decisions;
mod event_time;
mod free_running;
mod inbox;
mod left_behind;
mod overload_alerts;
mod publisher;
mod record;
mod recording;
mod resume_point;
mod safety_path;
mod status;
mod status_timer;
mod strategies;
mod venues;
mod wind_down;

use crate::earlier::earlier;
use crate::error::EngineError;
use crate::handle::EngineHandle;
use crate::intent::Intent;
use crate::kernel::decisions::Decisions;
use crate::kernel::event_time::EventTime;
use crate::kernel::inbox::{OperatorInbox, PendingChanges};
use crate::kernel::overload_alerts::OverloadAlerts;
use crate::kernel::publisher::EventPublisher;
use crate::kernel::recording::Recording;
pub(crate) use crate::kernel::resume_point::ResumePoint;
use crate::kernel::safety_path::{RouterPlace, SafetyPath};
use crate::kernel::status_timer::StatusTimer;
use crate::kernel::strategies::StrategyEntries;
use crate::kernel::venues::Venues;
use crate::middleware::OrderMiddleware;
use crate::report::{Ending, Notice, Observer, Report};
use crate::router::Router;
use crate::worker::load::DeckLoad;
use crate::worker::meanwhile::Meanwhile;
use crate::worker::pool::{WorkerError, WorkerPool};
use crate::worker::{Done, Task};
use std::sync::Arc;
use tickdeck_model::{Registry, Timestamp};

/// Windows between two reads of the clock for a status.
const WINDOWS_PER_LOOK: u64 = 64;

/// The workers, their input and output, and the path on which operators are served while the kernel waits for workers.
struct Waiting<'a> {
    events: &'a mut EventPublisher,
    pool: &'a mut WorkerPool,
    pending: &'a mut Vec<Intent>,
    safety: SafetyPath<'a>,
}

/// The engine: venues and strategies, assembled and ready to run.
pub struct Engine {
    pub(crate) registry: Arc<Registry>,
    pub(crate) time: EventTime,
    pub(crate) events: EventPublisher,
    pub(crate) venues: Venues,
    pub(crate) router: Router,
    pub(crate) pool: WorkerPool,
    pub(crate) strategies: StrategyEntries,
    pub(crate) decisions: Decisions,
    pub(crate) recording: Recording,
    pub(crate) inbox: OperatorInbox,
    pub(crate) pending_changes: PendingChanges,
    pub(crate) resume_point: ResumePoint,
    /// Where the router stands.
    place: RouterPlace,
    /// The end of the run is recorded.
    is_stopping: bool,
    /// Some of the workers' decisions were never carried out, so their replicas of the store differ.
    pub(crate) is_left_behind: bool,
    status_timer: StatusTimer,
    max_market_events: u64,
    /// A tape dictates outcomes and their times, so the kernel settles nothing by itself.
    pub(crate) is_replaying: bool,
    /// Lateness, shared between the threads.
    load: Arc<DeckLoad>,
    alerts: OverloadAlerts,
}

impl Engine {
    /// Returns a handle for operators.
    pub fn controls(&self) -> EngineHandle {
        self.inbox.handle()
    }

    /// Adds a check between the strategies and the venues, after the risk checks and those added before.
    pub fn push_order_middleware(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.router.push_middleware(middleware);
    }

    /// Plays until the tape is over, the limit is reached or a stop is requested; then stops the strategies and handles
    /// their orders by policy.
    ///
    /// # Errors
    /// The run cannot be recorded any more; or a worker panicked, or the replicas of the store disagree: bugs in Tickdeck. The
    /// orders are handled by policy all the same.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Report, EngineError> {
        let started = self.time.now_ns();
        self.recording.begin();
        self.status_timer.start(started);
        let ended = match self.time.is_lockstep() {
            true => self.run_windows(observer),
            false => self.run_freely(observer),
        };
        let duration = self.duration_since(started);
        let ended = match self.recording.take_overflow() {
            Some(problem) => Err(EngineError::NotKept { problem }),
            None => ended.and_then(|ending| self.wind_down(observer).map(|()| ending)),
        };
        match ended {
            Ok(ending) => self.finish(ending, duration, observer),
            Err(EngineError::WorkerPool(WorkerError::LeftBehind)) => {
                self.announce_left_behind();
                self.end_without_workers(duration, observer)
            }
            Err(error) => {
                // The first error is the one to report.
                drop(self.end_without_workers(duration, observer));
                Err(error)
            }
        }
    }

    /// Plays window by window until there is a reason to end.
    fn run_windows(&mut self, observer: &mut dyn Observer) -> Result<Ending, EngineError> {
        let mut windows: u64 = 0;
        loop {
            if let Some(ending) = self.ending() {
                return Ok(ending);
            }
            let Some(start) = self.next_due() else {
                return Ok(self.tape_over());
            };
            if let Some(end) = self.resume_point.take_window_end(start) {
                // Its consequences may be due before the event found so far.
                self.complete_window(end.saturating_sub(1))?;
                self.dispatch(observer);
                continue;
            }
            if !self.wait_until(start) {
                // Who gave the command looks at what it did.
                self.status_timer.start(self.time.now_ns());
                self.report_status(observer);
                continue;
            }
            if self.inbox.is_stop_requested() {
                return Ok(Ending::Asked);
            }
            self.play_window(start, observer)?;
            windows += 1;
            if windows.is_multiple_of(WINDOWS_PER_LOOK) || self.time.paces() {
                self.report_status(observer);
            }
        }
    }

    /// Waits until event time `due`. Returns false if a command was carried out while waiting, so that something may be due
    /// earlier.
    fn wait_until(&mut self, due: Timestamp) -> bool {
        while !self.time.wait_a_while(due) {
            if self.safety_path().is_wanted() {
                let reached = self.time.reached().min(due);
                self.stand_at(reached);
                self.safety_path().serve();
                return false;
            }
        }
        true
    }

    /// Marks that the router has processed everything so far; what follows is dated `at`, or now if that is past. Returns
    /// that time.
    pub(crate) fn stand_at(&mut self, at: Timestamp) -> Timestamp {
        let at = at.max(self.place.at).max(self.events.now());
        let position = self.events.next_sequence();
        self.place = RouterPlace { position, at };
        at
    }

    /// The path of an operator's command to the venues.
    fn safety_path(&mut self) -> SafetyPath<'_> {
        self.waiting().safety
    }

    /// Carries out operators' commands between windows; costs next to nothing when there are none.
    fn serve_operators(&mut self) {
        if self.inbox.has_news() {
            self.safety_path().serve();
        }
    }

    /// Borrows the workers, and what is served while the kernel waits for them.
    fn waiting(&mut self) -> Waiting<'_> {
        Waiting {
            events: &mut self.events,
            pool: &mut self.pool,
            pending: self.decisions.pending(),
            safety: SafetyPath {
                inbox: &self.inbox,
                router: &mut self.router,
                venues: &mut self.venues,
                recording: &mut self.recording,
                place: self.place,
                is_replaying: self.is_replaying,
            },
        }
    }

    /// Has a worker perform a task, at a point where all workers have caught up. The inner error says why it did not.
    pub(crate) fn perform_task(
        &mut self,
        worker: usize,
        task: Task,
    ) -> Result<Result<Done, String>, EngineError> {
        let Waiting {
            pool,
            pending,
            mut safety,
            ..
        } = self.waiting();
        Ok(pool.perform(worker, task, pending, &mut safety)?)
    }

    /// Reports the status, if one is due.
    pub(crate) fn report_status(&mut self, observer: &mut dyn Observer) {
        if self.status_timer.take_due(self.time.now_ns()) {
            let status = self.status();
            self.alerts.look(&status, observer);
            observer.status(&status);
        }
    }

    /// Why the run ends now, if it does.
    fn ending(&self) -> Option<Ending> {
        // The rest of an interrupted window is played first.
        let is_whole = !self.resume_point.has_left_over();
        if is_whole && self.router.tally().market_events >= self.max_market_events {
            return Some(Ending::Limit);
        }
        let has_to_stop = self.resume_point.was_stopping() || self.recording.has_overflowed();
        if self.inbox.is_stop_requested() || has_to_stop {
            return Some(Ending::Asked);
        }
        (is_whole && self.venues.are_over()).then(|| self.tape_over())
    }

    fn tape_over(&self) -> Ending {
        match self.venues.are_broken() {
            true => Ending::Broken,
            false => Ending::TapeOver,
        }
    }

    /// When the host's own next event is due, or one left over from an interrupted run.
    fn own_due(&self) -> Option<Timestamp> {
        let left_over = self.resume_point.next_due();
        earlier(left_over, self.router.next_due())
    }

    /// When the next event of any source is due; none once all feeds are over.
    fn next_due(&mut self) -> Option<Timestamp> {
        let due = self.venues.next_due();
        if self.venues.has_failures() {
            self.report_failures();
        }
        if !self.resume_point.has_left_over() && self.venues.are_over() {
            return None;
        }
        earlier(due, self.own_due())
    }

    /// Reports venues that failed between two windows: there may be no further window.
    fn report_failures(&mut self) {
        let now = self.events.now();
        for error in self.venues.take_failures() {
            let problem = error.to_string();
            let notice = Notice::Broken { problem };
            self.router.outbox.notice(now, notice);
        }
    }

    /// Plays one window: gathers and publishes it, has the strategies decide, and carries out their decisions.
    fn play_window(
        &mut self,
        start: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        let end = self.time.window_end(start);
        if self.time.paces() {
            let late_ns = self.time.reached().saturating_sub(start);
            self.load.begin_window(late_ns.max(0).unsigned_abs());
        }
        self.stand_at(start);
        self.serve_operators();
        self.resume_point.continue_window();
        self.gather(end);
        self.publish()?;
        self.catch_up()?;
        self.carry_out_window();
        self.complete_window(end.saturating_sub(1))?;
        self.record_state_if_due()?;
        self.dispatch(observer);
        Ok(())
    }

    /// Gathers every event before `end`, in the order of host time. For equal times, the host's own answers come before the
    /// venues' events, and the venues keep their configured order.
    fn gather(&mut self, end: Timestamp) {
        let now = self.events.now();
        let window = self.events.begin_window();
        self.router.poll(end, window);
        self.resume_point.append_left_over(window);
        let outbox = &mut self.router.outbox;
        // Running freely, what comes late counts as of now.
        let from = match self.time.is_lockstep() {
            true => now,
            false => Timestamp::MIN,
        };
        self.venues.poll((from, end), window, |error| {
            let problem = error.to_string();
            outbox.notice(now, Notice::Broken { problem });
        });
        self.events.sort_window();
    }

    /// Puts the window on the ring.
    pub(crate) fn publish(&mut self) -> Result<(), EngineError> {
        let Waiting {
            events,
            pool,
            pending,
            mut safety,
        } = self.waiting();
        events.publish(pool, pending, &mut safety)
    }

    /// Waits until every worker has handled everything published, and gathers their decisions.
    pub(crate) fn catch_up(&mut self) -> Result<(), EngineError> {
        let until = self.events.next_sequence();
        let Waiting {
            pool,
            pending,
            mut safety,
            ..
        } = self.waiting();
        Ok(pool.catch_up(until, pending, &mut safety)?)
    }

    /// Merges the decisions with their causes, and carries them out.
    fn carry_out_window(&mut self) {
        self.decisions.sort();
        self.record_decisions();
        self.decisions
            .carry_out_after(self.events.window(), &mut self.router);
        self.resume_if_recorded();
        self.note_first_action();
    }

    fn note_first_action(&mut self) {
        let Self {
            decisions,
            router,
            time,
            ..
        } = self;
        decisions.note_first_action(router, || time.now_ns());
    }

    /// Sends commands to the venues.
    fn dispatch_commands(&mut self) {
        if self.router.outbox.commands().is_empty() {
            return;
        }
        let position = self.events.next_sequence();
        self.recording.commands(position, &self.router);
        for (venue, at, command) in self.router.outbox.drain_commands() {
            self.venues.send(venue, at, command);
        }
    }

    /// Sends commands to the venues and notices to the observer.
    pub(crate) fn dispatch(&mut self, observer: &mut dyn Observer) {
        self.dispatch_commands();
        if self.router.outbox.has_notices() {
            for (at, notice) in self.router.outbox.drain_notices() {
                observer.notice(at, notice);
            }
        }
        self.pending_changes.send_answers();
    }
}
