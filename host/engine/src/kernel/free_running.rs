//! The free-running kernel, for real venues.
//!
//! Event time is wall time. Events are published as soon as they arrive, and decisions are carried out as soon as they are
//! made; no worker ever waits for another. The kernel waits for a worker that is a whole ring behind, and, at a change (a new
//! version, say), for all workers to catch up, so that the change takes effect at one sequence for all. It serves operators
//! while it waits.
//!
//! Every strategy still gets the same events in the same order, and reads the store as of the event that it handles. The only
//! thing that depends on timing is which events the router has processed when it checks an order: always the order's cause,
//! and perhaps later ones.

use crate::earlier::earlier;
use crate::error::EngineError;
use crate::kernel::{Engine, Waiting};
use crate::report::{Ending, Observer};
use crate::worker::meanwhile::Meanwhile;
use std::time::Duration;
use tickdeck_model::Timestamp;

/// Steps between two reads of the clock for a status while the kernel is busy.
const STEPS_PER_LOOK: u64 = 64;

/// Polls between two such reads while the kernel is idle; a poll takes at most a millisecond, during which threads park.
const LOOKS_PER_STATUS: u64 = 8;

/// Maximum event time processed at once: a backlog is worked off in slices, between which orders leave and operators are
/// served.
const SLICE_NS: i64 = 10_000;

impl Engine {
    /// Plays until all tapes are over, the limit is reached or a stop is requested.
    pub(super) fn run_freely(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<Ending, EngineError> {
        let (mut begun, mut steps) = (false, 0u64);
        loop {
            if let Some(ending) = self.ending() {
                self.complete_decisions(observer)?;
                return Ok(ending);
            }
            // Event time starts with the first event, whenever that arrives.
            if !begun && let Some(first) = self.next_due() {
                self.time.wait_until(first);
                begun = true;
            }
            let did_something = self.step(observer)?;
            steps += 1;
            if !did_something || steps.is_multiple_of(STEPS_PER_LOOK) {
                self.report_status(observer);
                self.pool.check()?;
            }
            // A feed may have ended in the meantime: then there is nothing to wait for.
            if !did_something && !self.has_due_changes() && self.ending().is_none() {
                self.wait_for_work()?;
            }
        }
    }

    /// Waits until the workers have handled everything published, carrying out their decisions as they arrive.
    fn complete_decisions(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        let now = self.moment();
        let at = self.stand_at(now);
        self.safety_path().serve();
        self.catch_up()?;
        self.carry_out_now(at);
        self.settle(at);
        self.send(observer);
        Ok(())
    }

    /// The current event time.
    pub(super) fn moment(&self) -> Timestamp {
        self.time.reached().max(self.events.now())
    }

    /// Sends the commands that were decided.
    pub(super) fn send(&mut self, observer: &mut dyn Observer) {
        self.dispatch(observer);
        // Nothing waits for the hash here.
        self.decisions.hash_carried_out();
    }

    /// Serves operators, publishes what has arrived, and carries out what was decided; returns whether either of the last two
    /// did anything.
    pub(super) fn step(&mut self, observer: &mut dyn Observer) -> Result<bool, EngineError> {
        let reached = self.time.reached();
        let at = self.stand_at(reached);
        // A command given now still denies decisions that have not left yet.
        self.safety_path().serve();
        // Decisions have waited longest: they leave before more events are processed.
        self.pool.gather(self.decisions.pending());
        let mut decided = self.carry_out_now(at);
        if decided {
            self.send(observer);
        }
        let arrived = self.take_in(reached)?;
        let at = self.stand_at(reached);
        decided |= self.carry_out_now(at);
        let requests = self.inbox.take_requests();
        if !requests.is_empty() || self.has_due_changes() {
            // What was decided does not wait for the change.
            self.send(observer);
            self.catch_up()?;
            decided |= self.carry_out_now(at);
            self.settle(at);
            self.send(observer);
            self.complete_changes(at)?;
            self.begin_changes(requests, at)?;
            let Waiting {
                pool,
                pending,
                mut safety,
                ..
            } = self.waiting();
            pool.offer(pending, &mut safety)?;
            decided |= self.carry_out_now(at);
        }
        self.settle(at);
        self.send(observer);
        Ok(arrived | decided)
    }

    /// Publishes what has arrived, at most one slice of it, and feeds it to the router.
    fn take_in(&mut self, reached: Timestamp) -> Result<bool, EngineError> {
        let due = self.venues.next_answer_due();
        let first_due = earlier(due, self.own_due());
        let slice = first_due.unwrap_or(reached).saturating_add(SLICE_NS);
        self.gather(slice.min(reached).saturating_add(1));
        self.events.restamp_late();
        self.publish()?;
        for event in self.events.window() {
            self.router.on_event(event);
        }
        Ok(!self.events.window().is_empty())
    }

    /// Carries out decisions in order of arrival; the outcomes of instances are left for [`Engine::settle`]. Time-based
    /// limits (rates, duplicates) use the time of the cause, so that transport delays do not count against a strategy; the
    /// age of a quote is measured at `at`, when the order leaves.
    fn carry_out_now(&mut self, at: Timestamp) -> bool {
        self.router.gate.set_leaves_at(at);
        self.record_decisions();
        let before = self.router.outbox.commands().len();
        let decided = self.decisions.carry_out_now(&mut self.router);
        self.router.outbox.restamp_commands(before, at);
        self.resume_if_recorded();
        if decided {
            self.note_first_action();
        }
        decided
    }

    /// Whether a change that was begun can be completed now.
    fn has_due_changes(&self) -> bool {
        self.pending_changes
            .is_due(&self.strategies, || self.time.now_ns())
    }

    /// Waits for a decision, an arrival, our own next event, an operator, or the time for a status.
    fn wait_for_work(&mut self) -> Result<(), EngineError> {
        let own = self.own_due().unwrap_or(Timestamp::MAX);
        let Self {
            pool,
            venues,
            time,
            inbox,
            status_timer,
            pending_changes,
            strategies,
            ..
        } = self;
        let mut looks = 0u64;
        pool.wait_for_decisions(|| {
            // Reading a clock costs as much as the rest of a poll, so this one is read once, and the other one rarely.
            let reached = time.reached();
            looks += 1;
            let is_status_due =
                || looks.is_multiple_of(LOOKS_PER_STATUS) && status_timer.is_due(time.now_ns());
            let due = own.min(venues.silent_until(reached));
            let is_change_due = || pending_changes.is_due(strategies, || time.now_ns());
            if due <= reached || inbox.has_news() || is_status_due() || is_change_due() {
                return None;
            }
            // Assumes that event time runs as fast as the clock; if it runs faster, a parked thread is late by at most its
            // parking time.
            let silence_ns = due.saturating_sub(reached).unsigned_abs();
            Some(Duration::from_nanos(silence_ns))
        })?;
        Ok(())
    }
}
