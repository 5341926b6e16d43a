//! The end of a run: strategies stop, their orders are handled by policy, and the report is made.

use crate::effect::Effect;
use crate::error::EngineError;
use crate::kernel::Engine;
use crate::port::StopReason;
use crate::report::{Ending, Notice, Observer, Report};
use tickdeck_model::Timestamp;

/// Event time that the venues get at the end to confirm cancels.
const GRACE_NS: i64 = 5_000_000_000;

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

    /// Stops the strategies, cancels what is to be canceled, and gives the venues time to confirm it.
    pub(super) fn wind_down(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.inbox.close();
        // Nothing is swapped or rolled back any more, or another instance would trade on.
        self.pending_changes.clear();
        let at = match self.time.is_lockstep() {
            true => self.events.now(),
            false => self.moment(),
        };
        // A run that is resumed only to end may have left something.
        self.settle(at);
        self.record_states()?;
        self.settle(at);
        let position = self.events.next_sequence();
        self.recording.effect(position, &Effect::Stopping { at });
        self.stop_strategies(at)?;
        self.send(at, observer);
        let until = at.saturating_add(GRACE_NS);
        match self.time.is_lockstep() {
            true => self.wind_down_windows(until, observer),
            false => {
                // A run that is resumed only to end has not let time begin.
                self.time.wait_until(at);
                self.wind_down_freely(until, observer)
            }
        }
    }

    /// Whether something is still to be confirmed, or to reach the strategies' books.
    fn has_loose_ends(&self) -> bool {
        self.router.has_orders_to_cancel() || self.own_due().is_some()
    }

    fn wind_down_windows(
        &mut self,
        until: Timestamp,
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        while self.has_loose_ends() {
            let due = self.venues.next_answer_due();
            match due.into_iter().chain(self.own_due()).min() {
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
        while self.has_loose_ends() && self.moment() <= until {
            if !self.step(observer)? {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    /// Stops the strategies, and leaves their orders to their policy.
    pub(crate) fn stop_strategies(&mut self, at: Timestamp) -> Result<(), EngineError> {
        let pending = self.decisions.pending();
        self.pool.stop(StopReason::Shutdown, pending)?;
        for place in 0..self.strategies.len() {
            if self.router.strategies.has_ended(place) {
                continue;
            }
            self.router.end(place, at);
            let entry = self.strategies.at_mut(place);
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
        // A sole producer keeps the ring open until it goes, and the workers wait for the end of the ring.
        drop(self.events);
        for (worker, replica) in self.pool.join()?.iter().enumerate() {
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

    fn report(&self, ending: Ending, duration: RunDuration) -> Report {
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
