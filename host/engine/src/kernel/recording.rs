//! Recording the run: everything the kernel does is handed to the recorder before it takes effect.

use crate::batches::OfferedBatches;
use crate::command::OperatorCommand;
use crate::effect::{
    AppliedAction, CommandAhead, Effect, RecordError, Recorder, StrategyOutcome, sent,
};
use crate::intent::{AT_END, Decision, Intent};
use crate::report::Notice;
use crate::router::Router;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tickdeck_model::{Event, StrategyId, Timestamp};

/// Events between two recordings of a strategy's state.
const STATES_EVERY: u64 = 1 << 16;

/// Bytes of states per event: a large one delays the next, so that states take less of the disk than events do.
const STATE_BYTES_PER_EVENT: usize = 64;

/// The kernel's recorder, if it has one, and what it last reported.
pub(crate) struct Recording {
    recorder: Option<Box<dyn Recorder>>,
    /// Whether orders wait for the next commit.
    has_orders: bool,
    /// Actions handed over since the last commit.
    uncommitted: u32,
    /// The recorder waits for the disk: effects in the meantime are handed over afterwards.
    deferred: Option<Deferred>,
    /// Everything is recorded again, and the decisions denied until now have been processed.
    resumes: bool,
    /// Why the run has to end, if it does.
    overflow: Option<String>,
    /// The sequence from which the next state is recorded.
    next_state: u64,
    /// States recorded so far: says whose turn it is.
    turns: usize,
    /// Tells the workers whether batches are recorded.
    notes_batches: Arc<AtomicBool>,
}

/// What happens while the recorder waits for the disk.
struct Deferred {
    /// Actions that were handed over and are carried out after it.
    actions: u32,
    effects: Vec<Effect>,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            recorder: None,
            has_orders: false,
            uncommitted: 0,
            deferred: None,
            resumes: false,
            overflow: None,
            next_state: STATES_EVERY,
            turns: 0,
            notes_batches: Arc::default(),
        }
    }
}

impl Recording {
    /// Creates it without a recorder; the flag tells the workers when batches are recorded.
    pub(super) fn of(notes_batches: Arc<AtomicBool>) -> Self {
        Self {
            notes_batches,
            ..Self::default()
        }
    }

    /// Starts recording batches, if the run is recorded.
    pub(super) fn begin(&self) {
        self.notes_batches.store(self.is_on(), Ordering::Release);
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.recorder.is_some() || self.deferred.is_some()
    }

    /// Takes the recorder out while everything that happens is already on a tape.
    pub(crate) fn take_recorder(&mut self) -> Option<Box<dyn Recorder>> {
        self.recorder.take()
    }

    /// Records with `recorder` from here on.
    pub(crate) fn set_recorder(&mut self, recorder: Option<Box<dyn Recorder>>) {
        self.recorder = recorder;
    }

    /// Whether the run has to end because the recorder has no room left.
    pub(super) const fn has_overflowed(&self) -> bool {
        self.overflow.is_some()
    }

    /// Why the run had to end, if the recorder had no room left.
    pub(super) fn take_overflow(&mut self) -> Option<String> {
        self.overflow.take()
    }

    /// Completes the record: the run ended cleanly, and nothing more comes.
    pub(super) fn end(&mut self) -> Result<(), RecordError> {
        self.recorder
            .as_mut()
            .map_or(Ok(()), |recorder| recorder.end())
    }

    pub(super) fn events(&mut self, events: &[Event]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.events(events);
        }
    }

    pub(crate) fn effect(&mut self, position: u64, effect: &Effect) {
        if let Some(deferred) = &mut self.deferred {
            deferred.effects.push(effect.clone());
        } else if let Some(recorder) = &mut self.recorder {
            recorder.effect(position, effect);
        }
    }

    /// Records that a command was carried out when the router had processed `position` events.
    pub(super) fn operated(&mut self, position: u64, at: Timestamp, order: OperatorCommand) {
        let actions = self.deferred.as_ref().map(|deferred| deferred.actions);
        let ahead = actions.map(|actions| CommandAhead { position, actions });
        self.effect(position, &Effect::Operated { at, order, ahead });
    }

    /// Hands over decisions caused by single events; they are carried out once committed. `position_of` gives the position at
    /// which a decision takes effect. Returns the number of actions.
    pub(super) fn decisions(
        &mut self,
        intents: &[Intent],
        position_of: impl Fn(&Intent) -> u64,
        router: &Router,
    ) -> u32 {
        let before = self.uncommitted;
        for intent in intents.iter().filter(|intent| intent.cause != AT_END) {
            if let Decision::Offered(batches) = &intent.decision {
                self.offered(intent.strategy, batches);
            } else if let Some(mut applied) = AppliedAction::of(intent, router.gate.leaves_at()) {
                applied.late |= router.gate.is_halted();
                self.applied(position_of(intent), &applied);
            }
        }
        self.uncommitted - before
    }

    /// Hands over an intent that takes effect at the end of a window.
    pub(super) fn settled(&mut self, intent: &Intent, position: u64, router: &Router) {
        if !self.is_on() {
            return;
        }
        if let Decision::Offered(batches) = &intent.decision {
            self.offered(intent.strategy, batches);
        } else if let Some(applied) = AppliedAction::of(intent, router.gate.leaves_at()) {
            self.applied(position, &applied);
        } else if let Some(outcome) = StrategyOutcome::of(&intent.decision) {
            let (at, strategy) = (intent.at, intent.strategy);
            let effect = Effect::Settled {
                at,
                strategy,
                outcome,
            };
            self.effect(position, &effect);
        }
    }

    /// Hands over the commands that leave for the venues.
    pub(super) fn commands(&mut self, position: u64, router: &Router) {
        if !self.is_on() {
            return;
        }
        for (_, at, command) in router.outbox.commands() {
            if let Some(sent) = sent(*at, command) {
                self.effect(position, &sent);
            }
        }
    }

    /// Begins a commit: takes the recorder out; `actions` were handed over and are carried out after the commit. Returns the
    /// recorder, whether orders wait for it, and how many actions were handed over since the last commit.
    pub(super) fn begin_commit(&mut self, actions: u32) -> Option<(Box<dyn Recorder>, bool, u32)> {
        let recorder = self.recorder.take()?;
        let effects = Vec::new();
        self.deferred = Some(Deferred { actions, effects });
        let has_orders = std::mem::take(&mut self.has_orders);
        Some((recorder, has_orders, std::mem::take(&mut self.uncommitted)))
    }

    /// Ends a commit: hands over what happened in the meantime, and denies new orders if not everything is recorded.
    pub(super) fn end_commit(
        &mut self,
        (mut recorder, committed, denied): (Box<dyn Recorder>, Result<(), RecordError>, u32),
        (now, next_sequence): (Timestamp, u64),
        router: &mut Router,
    ) {
        let deferred = self.deferred.take();
        for effect in deferred.into_iter().flat_map(|deferred| deferred.effects) {
            recorder.effect(next_sequence, &effect);
        }
        match committed {
            Ok(()) => self.resumes = router.gate.is_halted(),
            Err(RecordError { problem, overflows }) => {
                if overflows {
                    self.overflow.get_or_insert(problem.clone());
                }
                if !router.gate.halt() {
                    let effect = Effect::Halted {
                        problem: problem.clone(),
                        denied,
                    };
                    recorder.effect(next_sequence, &effect);
                    router.outbox.notice(now, Notice::NotKept { problem });
                }
            }
        }
        self.recorder = Some(recorder);
    }

    /// Allows orders again if everything is recorded; those decided until now were denied.
    pub(super) fn resume_if_recorded(
        &mut self,
        (now, next_sequence): (Timestamp, u64),
        router: &mut Router,
    ) {
        if std::mem::take(&mut self.resumes) {
            router.gate.lift_halt();
            self.effect(next_sequence, &Effect::Kept);
            router.outbox.notice(now, Notice::Kept);
        }
    }

    /// Whether a strategy's state is to be recorded at the end of this window.
    #[inline]
    pub(super) const fn is_state_due(&self, next_sequence: u64) -> bool {
        next_sequence >= self.next_state && self.is_on()
    }

    /// The turn of the strategy whose state is recorded now.
    pub(super) const fn take_turn(&mut self) -> usize {
        self.turns += 1;
        self.turns - 1
    }

    /// The state of one of `strategies`, recorded at `next_sequence`, took `bytes`: spreads the others evenly.
    pub(super) fn plan_next_state(&mut self, next_sequence: u64, strategies: usize, bytes: usize) {
        let share = STATES_EVERY / (strategies.max(1) as u64);
        let room = (bytes / STATE_BYTES_PER_EVENT) as u64;
        self.next_state = next_sequence + share.max(room).max(1);
    }

    /// Makes a state due as soon as possible: a run was resumed here.
    pub(crate) fn state_due_from(&mut self, sequence: u64) {
        self.next_state = sequence;
    }

    /// Hands over batches that a strategy was offered.
    fn offered(&mut self, strategy: StrategyId, batches: &OfferedBatches) {
        if let Some(recorder) = &mut self.recorder {
            recorder.offered(batches.end(), strategy, batches);
        }
    }

    /// Hands over the batches among the intents, before the states that depend on them.
    pub(super) fn take_offered(&mut self, intents: &mut Vec<Intent>) {
        intents.retain(|intent| match &intent.decision {
            Decision::Offered(batches) => {
                self.offered(intent.strategy, batches);
                false
            }
            _ => true,
        });
    }

    /// Hands over a decision before it is carried out.
    fn applied(&mut self, position: u64, applied: &AppliedAction) {
        self.has_orders |= applied.is_order();
        self.uncommitted += 1;
        self.effect(position, &Effect::Applied(*applied));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_delays_the_next_one() {
        let mut recording = Recording::default();
        recording.plan_next_state(1_000, 4, 8);
        assert_eq!(recording.next_state, 1_000 + STATES_EVERY / 4);
        recording.plan_next_state(1_000, 4, 16 << 20);
        assert_eq!(recording.next_state, 1_000 + (16 << 20) / 64);
    }
}
