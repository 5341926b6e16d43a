//! The kernel's side of recording: decides what is handed over, and when.

use crate::effect::{Effect, Recorder};
use crate::error::EngineError;
use crate::kernel::Engine;
use crate::port::State;
use crate::worker::{Done, Task};
use tickdeck_model::{StrategyId, Timestamp};

/// How long the strategies may take to save their last states: the end of a run does not wait for more.
const LAST_STATES_NS: u64 = 500_000_000;

/// How much of it is recorded: the recorder has to take it in at once.
const LAST_STATES_BYTES: usize = 8 << 20;

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

    /// Records the state of the strategy whose turn it is, if one is due, at the end of a window. One at a time: all others
    /// wait while it saves, and what it saves goes through the recorder before the next order.
    pub(crate) fn record_state_if_due(&mut self) -> Result<(), EngineError> {
        let next_sequence = self.events.next_sequence();
        if !self.recording.is_state_due(next_sequence) {
            return Ok(());
        }
        let position = self.position();
        self.safety_path().commit(0, position);
        self.resume_if_recorded();
        let turn = self.recording.take_turn();
        let bytes = match self.strategies.of_turn(turn) {
            Some(strategy) => self.record_state(strategy)?,
            None => 0,
        };
        let strategies = self.strategies.len();
        self.recording
            .plan_next_state(next_sequence, strategies, bytes);
        Ok(())
    }

    /// Records the strategies' last states, as many as there is time and room for, at a point where all workers have caught up.
    pub(crate) fn record_last_states(&mut self) -> Result<(), EngineError> {
        let (began_ns, mut bytes) = (self.time.now_ns(), 0);
        for strategy in self.strategies.ids() {
            let took_ns = self.time.now_ns().saturating_sub(began_ns);
            if !self.recording.is_on() || took_ns > LAST_STATES_NS || bytes > LAST_STATES_BYTES {
                break;
            }
            bytes += self.record_state(strategy)?;
        }
        Ok(())
    }

    /// Records the state of a strategy, at a point where all workers have caught up; returns its size.
    fn record_state(&mut self, strategy: StrategyId) -> Result<usize, EngineError> {
        let position = self.events.next_sequence();
        let asked = Effect::Asked {
            strategy: Some(strategy),
        };
        self.recording.effect(position, &asked);
        let states = self.states(Some(strategy))?;
        self.recording.take_offered(self.decisions.pending());
        let mut bytes = 0;
        for (strategy, state) in states {
            bytes += state.bytes.len();
            let effect = Effect::Saved { strategy, state };
            self.recording.effect(position, &effect);
        }
        Ok(bytes)
    }

    /// The state of a strategy, or of all, at a point where all workers have caught up. A strategy that cannot save has none.
    pub(crate) fn states(
        &mut self,
        strategy: Option<StrategyId>,
    ) -> Result<Vec<(StrategyId, State)>, EngineError> {
        let mut states = Vec::new();
        for worker in 0..self.pool.len() {
            let done = self.perform_task(worker, Task::States(strategy))?;
            if let Ok(Done::States(some)) = done {
                states.extend(some);
            }
        }
        states.sort_by_key(|(strategy, _)| *strategy);
        Ok(states)
    }
}
