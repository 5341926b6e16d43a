//! The kernel's side of recording: decides what is handed over, and when.

use crate::effect::{Effect, Recorder};
use crate::error::EngineError;
use crate::kernel::Engine;
use crate::port::State;
use crate::worker::{Done, Task};
use tickdeck_model::{StrategyId, Timestamp};

impl Engine {
    /// Records the run from here on.
    pub fn record(&mut self, recorder: Box<dyn Recorder>) {
        self.recording.set_recorder(Some(recorder));
    }

    /// Host time of the last event, and the position after it: where an effect is recorded.
    fn position(&self) -> (Timestamp, u64) {
        (self.events.now(), self.events.next_sequence())
    }

    /// Records the pending decisions that were caused by single events.
    #[inline]
    pub(crate) fn record_decisions(&mut self) {
        if self.recording.is_on() {
            self.hand_over_decisions();
        }
    }

    fn hand_over_decisions(&mut self) {
        let (position, next_sequence) = (self.position(), self.events.next_sequence());
        let is_lockstep = self.time.is_lockstep();
        let actions = self.recording.decisions(
            self.decisions.pending(),
            |intent| match is_lockstep {
                // In lockstep an action is carried out as of its cause.
                true => intent.cause + 1,
                false => next_sequence,
            },
            &self.router,
        );
        self.safety_path().commit(actions, position);
    }

    /// Allows orders again once everything is recorded.
    #[inline]
    pub(crate) fn resume_if_recorded(&mut self) {
        let position = self.position();
        self.recording
            .resume_if_recorded(position, &mut self.router);
    }

    /// Records the strategies' states from time to time, at the end of a window.
    pub(crate) fn record_states_if_due(&mut self) -> Result<(), EngineError> {
        if !self.recording.take_states_due(self.events.next_sequence()) {
            return Ok(());
        }
        let position = self.position();
        self.safety_path().commit(0, position);
        self.resume_if_recorded();
        self.record_states()
    }

    /// Records the strategies' states, at a point where all workers have caught up.
    pub(crate) fn record_states(&mut self) -> Result<(), EngineError> {
        if !self.recording.is_on() {
            return Ok(());
        }
        let position = self.events.next_sequence();
        self.recording.effect(position, &Effect::Asked);
        let states = self.states()?;
        self.recording.take_offered(self.decisions.pending());
        for (strategy, state) in states {
            let effect = Effect::Saved { strategy, state };
            self.recording.effect(position, &effect);
        }
        Ok(())
    }

    /// The strategies' states, at a point where all workers have caught up. A strategy that cannot save has none.
    pub(crate) fn states(&mut self) -> Result<Vec<(StrategyId, State)>, EngineError> {
        let mut states = Vec::new();
        for worker in 0..self.pool.len() {
            let done = self.perform_task(worker, Task::States)?;
            if let Ok(Done::States(some)) = done {
                states.extend(some);
            }
        }
        states.sort_by_key(|(strategy, _)| *strategy);
        Ok(states)
    }
}
