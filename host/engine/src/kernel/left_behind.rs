//! The end of a run that cannot wait for its workers: a strategy does not return from its call, a worker panicked, or nothing more
//! can be recorded. The workers are left behind, the orders are not.

use crate::earlier::earlier;
use crate::effect::Effect;
use crate::error::EngineError;
use crate::handle::Haste;
use crate::kernel::Engine;
use crate::kernel::safety_path::RouterPlace;
use crate::kernel::wind_down::{RunDuration, grace_from};
use crate::report::{Ending, Notice, Observer, Report};
use crate::worker::meanwhile::Meanwhile;
use tickdeck_model::Timestamp;

impl Engine {
    /// Ends the run where the router stands. Decisions that have not been carried out by now are dropped, and the record says
    /// so.
    pub(super) fn end_without_workers(
        mut self,
        duration: RunDuration,
        observer: &mut dyn Observer,
    ) -> Result<Report, EngineError> {
        let RouterPlace { position, at } = self.place;
        self.inbox.close();
        self.decisions.pending().clear();
        self.recording.effect(position, &Effect::LeftBehind);
        if !self.is_stopping {
            for place in self.begin_to_stop(position, at) {
                self.strategies.at_mut(place).stopped_cleanly();
            }
        }
        self.fold_window(position);
        self.dispatch(observer);
        self.confirm_cancels(grace_from(at), observer);
        let report = self.report(Ending::Asked, duration);
        observer.status(&report.status);
        let recorded = self.recording.end();
        drop(self.events);
        self.pool.abandon();
        recorded.map_err(|error| EngineError::NotKept {
            problem: error.problem,
        })?;
        Ok(report)
    }

    /// Reports that a strategy does not return.
    pub(super) fn announce_left_behind(&mut self) {
        let RouterPlace { position, at } = self.place;
        let notice = Notice::LeftBehind { position };
        self.router.outbox.notice(at, notice);
    }

    /// Feeds the events of the window from `position` on to the router.
    fn fold_window(&mut self, position: u64) {
        let window = self.events.window().iter();
        for event in window.filter(|event| event.sequence >= position) {
            self.router.on_event(event);
        }
        self.stand_at(self.events.now());
    }

    /// Processes events without the workers until every cancel is confirmed.
    fn confirm_cancels(&mut self, until: Timestamp, observer: &mut dyn Observer) {
        while self.has_loose_ends() && !self.inbox.is_in_haste(Haste::AtOnce) {
            let Some(end) = self.next_end(until) else {
                return;
            };
            self.gather(end);
            self.events.restamp_late();
            let position = self.events.next_sequence();
            self.events.take_in_without_workers(&mut self.recording);
            self.fold_window(position);
            self.safety_path().serve();
            self.dispatch(observer);
            if self.events.window().is_empty() {
                std::thread::yield_now();
            }
        }
    }

    /// The time up to which events are gathered next; none once it is later than `until`.
    fn next_end(&mut self, until: Timestamp) -> Option<Timestamp> {
        if !self.time.is_lockstep() {
            let now = self.moment();
            return (now <= until).then_some(now.saturating_add(1));
        }
        let answer = self.venues.next_answer_due();
        let due = earlier(answer, self.own_due())?;
        (due <= until).then(|| self.time.window_end(due))
    }
}
