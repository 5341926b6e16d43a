//! Recording what the kernel does.

use crate::config::Stepping;
use crate::effect::{AppliedAction, Effect, RecordError, Recorder, StrategyOutcome, sent};
use crate::error::EngineError;
use crate::intent::{AT_END, Intent};
use crate::kernel::Engine;
use crate::kernel::recording::STATES_EVERY;
use crate::port::State;
use crate::report::Notice;
use crate::worker::{Done, Task};
use tickdeck_model::StrategyId;

impl Engine {
    /// Keeps the run from here on.
    pub fn record(&mut self, recorder: Box<dyn Recorder>) {
        self.keeping.recorder = Some(recorder);
    }

    const fn keeps(&self) -> bool {
        self.keeping.recorder.is_some()
    }

    /// Hands over what was decided because of single events, and makes sure that it is kept before it is acted upon. While
    /// it is not, new orders are denied and cancels pass.
    pub(crate) fn keep_decisions(&mut self) {
        if !self.keeps() {
            return;
        }
        let (halted, leaves_at) = (self.router.halted, self.router.leaves_at);
        let Self {
            intents, keeping, ..
        } = self;
        for intent in intents.iter().filter(|intent| intent.cause != AT_END) {
            if let Some(mut acted) = AppliedAction::of(intent, leaves_at) {
                acted.late |= halted;
                // In lockstep an action is carried out as of its cause.
                let position = match self.stepping {
                    Stepping::Lockstep => intent.cause + 1,
                    Stepping::Free => self.next_sequence,
                };
                keeping.acted(position, &acted);
            }
        }
        self.commit();
    }

    fn commit(&mut self) {
        let keeping = &mut self.keeping;
        let Some(recorder) = &mut keeping.recorder else {
            return;
        };
        let orders = std::mem::take(&mut keeping.orders);
        let denied = std::mem::take(&mut keeping.fresh);
        match recorder.commit(orders) {
            Ok(()) => keeping.resumes = self.router.halted,
            Err(RecordError { problem, overflows }) => {
                if overflows {
                    keeping.overflow.get_or_insert(problem.clone());
                }
                if !std::mem::replace(&mut self.router.halted, true) {
                    let effect = Effect::Halted {
                        problem: problem.clone(),
                        denied,
                    };
                    recorder.effect(self.next_sequence, &effect);
                    let notice = Notice::NotKept { problem };
                    self.router.outbox.notices.push((self.now, notice));
                }
            }
        }
    }

    /// Lets orders pass again if everything is kept; those of until now were denied.
    pub(crate) fn resume_if_kept(&mut self) {
        if std::mem::take(&mut self.keeping.resumes) {
            self.router.halted = false;
            self.keeping.effect(self.next_sequence, &Effect::Kept);
            self.router.outbox.notices.push((self.now, Notice::Kept));
        }
    }

    /// Hands over what counts from the end of a window.
    pub(crate) fn keep_settled(&mut self, intent: &Intent) {
        if !self.keeps() {
            return;
        }
        let position = self.next_sequence;
        match (
            AppliedAction::of(intent, self.router.leaves_at),
            StrategyOutcome::of(&intent.decision),
        ) {
            (Some(acted), _) => self.keeping.acted(position, &acted),
            (None, Some(outcome)) => {
                let (at, strategy) = (intent.at, intent.strategy);
                let effect = Effect::Settled {
                    at,
                    strategy,
                    outcome,
                };
                self.keeping.effect(position, &effect);
            }
            (None, None) => {}
        }
    }

    /// Hands over the commands that leave for the venues.
    pub(crate) fn keep_commands(&mut self) {
        if !self.keeps() {
            return;
        }
        for (_, at, command) in &self.router.outbox.commands {
            if let Some(sent) = sent(*at, command) {
                self.keeping.effect(self.next_sequence, &sent);
            }
        }
    }

    /// Hands over the strategies' states from time to time, at the end of a window.
    pub(crate) fn keep_states_in_time(&mut self) -> Result<(), EngineError> {
        if !self.keeps() || self.next_sequence < self.next_states {
            return Ok(());
        }
        self.next_states = self.next_sequence + STATES_EVERY;
        self.commit();
        self.resume_if_kept();
        self.keep_states()
    }

    /// Hands over the strategies' states, at a point where all workers have caught up.
    pub(crate) fn keep_states(&mut self) -> Result<(), EngineError> {
        if !self.keeps() {
            return Ok(());
        }
        self.keeping.effect(self.next_sequence, &Effect::Asked);
        for (strategy, state) in self.states()? {
            let effect = Effect::Saved { strategy, state };
            self.keeping.effect(self.next_sequence, &effect);
        }
        Ok(())
    }

    /// The strategies' states, at a point where all workers have caught up. One that can't save has none.
    pub(crate) fn states(&mut self) -> Result<Vec<(StrategyId, State)>, EngineError> {
        let mut states = Vec::new();
        for worker in 0..self.pool.len() {
            let done = self.pool.perform(worker, Task::States, &mut self.intents)?;
            if let Ok(Done::States(some)) = done {
                states.extend(some);
            }
        }
        states.sort_by_key(|(strategy, _)| *strategy);
        Ok(states)
    }
}
