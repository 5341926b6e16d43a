//! The end of a run: strategies are stopped, their orders handled by policy, and the report made.

use crate::earlier::earlier;
use crate::effect::Effect;
use crate::error::EngineError;
use crate::handle::Haste;
use crate::kernel::{Engine, Waiting};
use crate::port::StopReason;
use crate::report::{Ending, Notice, Observer, Report};
use crate::worker::meanwhile::Meanwhile;
use tickdeck_model::Timestamp;

/// Event time that the venues get at the end of a run to confirm cancels.
const GRACE_NS: i64 = 5_000_000_000;

/// The time until which the venues are polled when a run ends at `at`.
pub(super) const fn grace_from(at: Timestamp) -> Timestamp {
    at.saturating_add(GRACE_NS)
}

/// How long a run took, by the clock.
pub(crate) struct RunDuration {
    elapsed_ns: u64,
    first_action_ns: Option<u64>,
}

impl Engine {
    pub(crate) fn duration_since(&self, started: u64) -> RunDuration {
        let first = self.decisions.first_action_ns();
        RunDuration {
            elapsed_ns: self.time.now_ns().saturating_sub(started),
            first_action_ns: first.map(|at| at.saturating_sub(started)),
        }
    }

    /// Stops the strategies, cancels the orders that are to be canceled, and gives the venues time to confirm it.
    pub(super) fn wind_down(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.inbox.close();
        // No more swaps or rollbacks, or another instance would keep trading.
        self.pending_changes.clear();
        let now = match self.time.is_lockstep() {
            true => self.events.now(),
            false => self.moment(),
        };
        self.stand_at(now);
        let at = now;
        // A run that is resumed only to end may have left something unsettled.
        self.settle(at);
        // Cancels first: no strategy and no disk can delay them.
        self.safety_path().serve();
        self.record_last_states()?;
        self.settle(at);
        let ending = self.begin_to_stop(self.events.next_sequence(), at);
        self.send(observer);
        self.stop_instances(&ending, at)?;
        self.send(observer);
        let until = grace_from(at);
        match self.time.is_lockstep() {
            true => self.wind_down_windows(until, observer),
            false => {
                // In a run that is resumed only to end, event time has not started yet.
                self.time.wait_until(at);
                self.wind_down_freely(until, observer)
            }
        }
    }

    /// Whether something has yet to be confirmed, or to reach the strategies' books.
    pub(super) fn has_loose_ends(&self) -> bool {
        self.router.has_orders_to_cancel() || self.own_due().is_some()
    }

    fn wind_down_windows(
        &mut self,
        until: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        while self.has_loose_ends() && !self.inbox.is_in_haste(Haste::AtOnce) {
            let due = self.venues.next_answer_due();
            match earlier(due, self.own_due()) {
                Some(start) if start <= until => self.play_window(start, observer)?,
                _ => break,
            }
        }
        Ok(())
    }

    fn wind_down_freely(
        &mut self,
        until: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        let in_time =
            |engine: &Self| engine.moment() <= until && !engine.inbox.is_in_haste(Haste::AtOnce);
        while self.has_loose_ends() && in_time(self) {
            if !self.step(observer)? {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// Records that the run ends where the router has processed `position` events, and handles the strategies' orders by
    /// policy. Returns the places of the strategies that it ends.
    pub(super) fn begin_to_stop(&mut self, position: u64, at: Timestamp) -> Vec<usize> {
        self.is_stopping = true;
        self.recording.effect(position, &Effect::Stopping { at });
        self.end_strategies(at)
    }

    /// Handles the orders of all strategies by policy, before any of them is called for the last time. Returns the places of
    /// those that had not ended before.
    pub(crate) fn end_strategies(&mut self, at: Timestamp) -> Vec<usize> {
        let places = 0..self.strategies.len();
        let ending = places.filter(|place| !self.router.strategies.has_ended(*place));
        let ending: Vec<usize> = ending.collect();
        for place in &ending {
            self.router.end(*place, at);
        }
        ending
    }

    /// Stops the instances of all strategies, and reports the end of those at the places in `ending`.
    pub(crate) fn stop_instances(
        &mut self,
        ending: &[usize],
        at: Timestamp,
    ) -> Result<(), EngineError> {
        let Waiting {
            pool,
            pending,
            mut safety,
            ..
        } = self.waiting();
        pool.stop(StopReason::Shutdown, pending, &mut safety)?;
        for place in ending {
            let entry = self.strategies.at_mut(*place);
            let (strategy, problem) = (entry.id(), entry.fault());
            if problem.is_empty() {
                entry.stopped_cleanly();
            } else {
                let notice = Notice::Ended { strategy, problem };
                self.router.outbox.notice(at, notice);
            }
        }
        Ok(())
    }

    /// Discards an engine that could not resume its run; another one may take its place.
    pub fn discard(self) {
        drop(self.recording);
        drop(self.events);
        // A worker that panicked was reported.
        let _ = self.pool.join();
    }

    /// Ends a run in the middle, without comparing the replicas of the store.
    pub(crate) fn abandon(self, duration: RunDuration) -> Result<Report, EngineError> {
        let report = self.report(Ending::Asked, duration);
        drop(self.events);
        self.pool.join()?;
        Ok(report)
    }

    pub(crate) fn finish(
        mut self,
        ending: Ending,
        duration: RunDuration,
        observer: &mut dyn Observer,
    ) -> Result<Report, EngineError> {
        self.dispatch(observer);
        let report = self.report(ending, duration);
        observer.status(&report.status);
        let recorded = self.recording.end();
        // A sole producer keeps the ring open until it is dropped, and the workers wait for the ring to close.
        drop(self.events);
        let replicas = self.pool.join()?;
        let compared = replicas.iter().filter(|_| !self.is_left_behind);
        for (worker, replica) in compared.enumerate() {
            for (strategy, book) in replica.portfolio().strategies() {
                let ours = self.router.portfolio.book(strategy);
                if ours.map(|ours| ours.digest()) != Some(book.digest()) {
                    let name = self.registry.strategy(strategy);
                    let strategy = name.unwrap_or_default().to_owned();
                    return Err(EngineError::Replicas { worker, strategy });
                }
            }
        }
        recorded.map_err(|error| EngineError::NotKept {
            problem: error.problem,
        })?;
        Ok(report)
    }

    pub(super) fn report(&self, ending: Ending, duration: RunDuration) -> Report {
        Report {
            status: self.status(),
            tape_hash: self.events.hash(),
            actions_hash: self.decisions.digest(),
            ending,
            elapsed_ns: duration.elapsed_ns,
            first_action_ns: duration.first_action_ns,
        }
    }
}
