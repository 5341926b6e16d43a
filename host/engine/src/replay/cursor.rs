//! The state of a replay: effects read ahead of the kernel, and decisions that have not been compared yet.

use super::tape::{Tape, TapeError};
use crate::effect::{AppliedAction, CommandAhead, Effect, Recorder, StrategyOutcome};
use crate::intent::{AT_END, Intent};
use crate::port::State;
use crate::worker::recorded_faults::{FaultAt, FaultOutcome};
use std::collections::{BTreeMap, VecDeque};
use tickdeck_model::{Action, Event, StrategyId, Timestamp};

/// Number of effects read ahead, to see where the next change is.
const AHEAD: usize = 8_192;

/// Limit on the bytes of strategies' states among them.
const STATES_AHEAD: usize = 64 << 20;

/// An event of the host's own that a replay expects on the tape.
pub(super) struct OwnEvent {
    pub(super) event: Event,
    /// From when on the run could take it in.
    pub(super) since: Timestamp,
}

/// The state of a replay between the tape and the kernel.
#[derive(Default)]
pub(super) struct ReplayCursor {
    pub(super) queue: VecDeque<(u64, Effect)>,
    /// Bytes of the states in it.
    states_ahead: usize,
    /// Positions of the effects in the queue that the workers must not run past.
    barriers: VecDeque<u64>,
    /// Positions of the actions in the queue that change feeds: the workers must not run past one, because it determines what
    /// they deliver next. With whole windows, they never do.
    feed_changes: VecDeque<u64>,
    /// There are no more effects.
    over: bool,
    /// The record has effects beyond those that the tape returns.
    pub(super) is_cut: bool,
    /// The length of a window, where the kernel works in windows.
    windows: Option<Timestamp>,
    /// The window of the last action in the queue, by its number.
    last_window: Option<Timestamp>,
    /// Every effect before this position is in the queue, or was.
    complete: u64,
    decided: BTreeMap<StrategyId, Decided>,
    /// Number of restarts, by strategy.
    pub(super) lives: BTreeMap<StrategyId, u32>,
    /// The host's own events that must be on the tape.
    pub(super) own: VecDeque<OwnEvent>,
    /// States as of a position.
    pub(super) states: Option<(u64, Vec<(StrategyId, State)>)>,
    pub(super) compared: u64,
    pub(super) unkept: u64,
    /// The first decision that is not on the tape.
    pub(super) extra: Option<AppliedAction>,
    pub(super) ended: bool,
    /// The time of the last event before the last effect that was applied.
    pub(super) last_effect_at: Timestamp,
    /// Host time of the last event.
    last_at: Timestamp,
    /// Host time of the last event before that: up to here the tape has all events, even where it breaks off.
    pub(super) whole_at: Timestamp,
    /// When the last command left.
    pub(super) sent_at: Timestamp,
    /// The venues take part: the run is being resumed.
    pub(super) venues: bool,
    /// Faults that must be reproduced, because a time limit that ended a call may not end it again.
    pub(super) faults: Vec<FaultAt>,
    /// Faults without a place among a strategy's batches, and their outcomes.
    pub(super) unplaced: Vec<(StrategyId, Option<FaultOutcome>)>,
    /// Commands that the tape has not come to.
    pub(super) leaving: VecDeque<Effect>,
    /// Number of the router's commands among them.
    pub(super) noted: usize,
    /// Events of the venues that the tape has not reached yet.
    pub(super) given: VecDeque<Event>,
    /// From this event on, the recorded batches have to be offered.
    pub(super) batches_from: Option<u64>,
    /// The tape of the resumed run has ended within the window that was read last.
    pub(super) ended_within: bool,
    /// An event of the next window, read with this one.
    pub(super) held: Option<Event>,
    /// The recorder that takes over where the effects end.
    pub(super) recorder: Option<Box<dyn Recorder>>,
}

/// Decisions of a strategy that have not been compared yet.
#[derive(Default)]
struct Decided {
    acts: VecDeque<Intent>,
    at_end: VecDeque<Intent>,
}

impl ReplayCursor {
    pub(super) fn of(windows: Option<Timestamp>) -> Self {
        Self {
            windows,
            ..Self::default()
        }
    }

    /// For a resumed run: the venues take part, and the recorder takes over where the effects end.
    pub(super) fn with_venues(self, recorder: Option<Box<dyn Recorder>>) -> Self {
        Self {
            venues: true,
            recorder,
            ..self
        }
    }

    /// Notes how far the tape has come with these events.
    pub(super) fn note_times(&mut self, window: &[Event]) {
        for event in window {
            if event.ts_host > self.last_at {
                self.whole_at = self.last_at;
                self.last_at = event.ts_host;
            }
        }
    }

    /// Reads effects ahead of the event that was `reached`.
    pub(super) fn fill(&mut self, tape: &mut dyn Tape, reached: u64) -> Result<(), TapeError> {
        // The outcome of a fault must be known before it happens.
        let undecided = |faults: &[FaultAt]| faults.iter().any(|fault| fault.outcome.is_none());
        let has_space =
            |cursor: &Self| cursor.queue.len() < AHEAD && cursor.states_ahead < STATES_AHEAD;
        let short = |cursor: &Self| cursor.windows.is_some() && cursor.complete <= reached;
        while !self.over && (has_space(self) || short(self) || undecided(&self.faults)) {
            match tape.effect()? {
                None => (self.over, self.is_cut) = (true, tape.is_cut()),
                // These actions were handed over before the run began to deny.
                Some((_, Effect::Halted { denied, .. })) => self.mark_denied(denied),
                Some((
                    _,
                    Effect::Operated {
                        at,
                        order,
                        ahead: Some(ahead),
                    },
                )) => {
                    let ahead_of_none = Effect::Operated {
                        at,
                        order,
                        ahead: None,
                    };
                    self.insert_ahead(ahead, ahead_of_none);
                }
                Some((position, effect)) => {
                    if is_barrier(&effect) {
                        self.barriers.push_back(position);
                    } else if changes_feeds(&effect) {
                        self.feed_changes.push_back(position);
                    }
                    if let Effect::Settled {
                        strategy, outcome, ..
                    } = effect
                    {
                        self.note_outcome(strategy, outcome);
                    }
                    self.note_window(position, &effect);
                    self.states_ahead += state_bytes(&effect);
                    self.queue.push_back((position, effect));
                }
            }
        }
        Ok(())
    }

    /// Tracks how far outcomes are known. The outcomes of instances are recorded at the end of the window in which they
    /// happened, so they are known up to the start of the last action's window, and up to any later effect at the end of a
    /// window.
    fn note_window(&mut self, position: u64, effect: &Effect) {
        match (self.windows, effect) {
            (Some(_), Effect::Sent { .. } | Effect::Asked { .. }) => self.complete = position,
            (Some(length), Effect::Applied(applied)) if !applied.is_at_end() => {
                let window = applied.at.div_euclid(length);
                if self.last_window.is_none_or(|last| last < window) {
                    self.last_window = Some(window);
                    self.complete = self.queue.back().map_or(self.complete, |(at, _)| *at);
                }
            }
            _ => {}
        }
    }

    fn note_outcome(&mut self, strategy: StrategyId, outcome: StrategyOutcome) {
        let became = Some(fault_outcome(outcome));
        let mut faults = self.faults.iter_mut();
        let open = |fault: &&mut FaultAt| fault.strategy == strategy && fault.outcome.is_none();
        if let Some(fault) = faults.find(open) {
            fault.outcome = became;
        }
        let mut unplaced = self.unplaced.iter_mut();
        if let Some((_, open)) = unplaced.find(|(other, open)| *other == strategy && open.is_none())
        {
            *open = became;
        }
        match outcome {
            StrategyOutcome::Faulted(Some(offered)) => self.faults.push(FaultAt {
                strategy,
                offered,
                outcome: None,
            }),
            StrategyOutcome::Faulted(None) => self.unplaced.push((strategy, None)),
            _ => {}
        }
    }

    /// Returns the next outcome of a strategy, and its position.
    pub(super) fn settled_next(&self, strategy: StrategyId) -> Option<(u64, StrategyOutcome)> {
        self.queue
            .iter()
            .find_map(|(position, effect)| match effect {
                Effect::Settled {
                    strategy: other,
                    outcome,
                    ..
                } if *other == strategy => Some((*position, *outcome)),
                _ => None,
            })
    }

    /// Returns the outcome of a strategy's current fault.
    pub(super) fn outcome_of_fault(&self, strategy: StrategyId) -> Option<FaultOutcome> {
        self.settled_next(strategy)
            .map(|(_, outcome)| fault_outcome(outcome))
    }

    /// Whether a strategy that saves now faulted instead when the run was recorded.
    pub(super) fn failed_to_save(&self, position: u64, strategy: StrategyId) -> bool {
        let mut here = self.queue.iter().take_while(|(at, _)| *at == position);
        let saved = here.any(
            |(_, effect)| matches!(effect, Effect::Saved { strategy: other, .. } if *other == strategy),
        );
        let next = self.settled_next(strategy).map(|(_, outcome)| outcome);
        !saved && next == Some(StrategyOutcome::Faulted(None))
    }

    /// Returns the next outcome of a strategy in this replay that has not been compared yet.
    pub(super) fn found_next(&self, strategy: StrategyId) -> Option<StrategyOutcome> {
        let decided = self.decided.get(&strategy)?;
        let next = decided.at_end.front()?;
        StrategyOutcome::of(&next.decision)
    }

    /// The strategy that made a decision before this event that is not on the tape.
    pub(super) fn decided_before(&self, sequence: u64) -> Option<StrategyId> {
        let mut decided = self.decided.iter();
        let is_early = |decided: &Decided| {
            let first = decided.acts.front();
            first.is_some_and(|intent| intent.cause < sequence)
        };
        decided
            .find(|(_, decided)| is_early(decided))
            .map(|(strategy, _)| *strategy)
    }

    /// Whether there are decisions that are not on the tape because the run was interrupted before they were recorded.
    pub(super) fn has_undone(&self) -> bool {
        let mut decided = self.decided.values();
        decided.any(|decided| !decided.acts.is_empty())
    }

    /// Adds reproduced intents: they come before the outcomes that the strategy's instance reached by itself.
    pub(super) fn sort_before(&mut self, strategy: StrategyId, intents: &mut Vec<Intent>) {
        let decided = self.decided.entry(strategy).or_default();
        let later = std::mem::take(&mut decided.at_end);
        self.sort(intents);
        let decided = self.decided.entry(strategy).or_default();
        decided.at_end.extend(later);
    }

    /// Moves a command to its place, ahead of actions that were recorded before it.
    fn insert_ahead(&mut self, ahead: CommandAhead, effect: Effect) {
        let is_action = |(_, effect): &(u64, Effect)| matches!(effect, Effect::Applied(applied) if !applied.is_at_end());
        let actions = self.queue.iter().rev();
        let places = actions.enumerate().filter(|(_, entry)| is_action(entry));
        let behind = places.take(ahead.actions as usize).last();
        let behind = behind.map_or(0, |(behind, _)| behind + 1);
        let at = self.queue.len() - behind;
        self.barriers.push_back(ahead.position);
        self.queue.insert(at, (ahead.position, effect));
    }

    fn mark_denied(&mut self, denied: u32) {
        let applied = self
            .queue
            .iter_mut()
            .rev()
            .filter_map(|(_, effect)| match effect {
                Effect::Applied(applied) => Some(applied),
                _ => None,
            });
        for applied in applied.take(denied as usize) {
            applied.late = true;
        }
    }

    /// How far the workers may advance from the event that was `reached`.
    pub(super) fn limit(&self, reached: u64) -> u64 {
        let feeds_change = self.feed_changes.front().copied().unwrap_or(u64::MAX);
        let barrier = self.next_barrier().min(feeds_change);
        if self.over {
            return barrier;
        }
        let known = match self.windows {
            Some(_) => self.complete,
            // If the kernel runs freely, outcomes are recorded some time later.
            None => {
                let middle = self.queue.get(self.queue.len() / 2).map(|(at, _)| *at);
                let last = self.queue.back().map(|(at, _)| *at);
                middle
                    .filter(|at| *at > reached)
                    .or(last)
                    .unwrap_or(reached)
            }
        };
        barrier.min(known)
    }

    /// How far the workers may advance with whole windows: the outcomes of instances within a window are known.
    pub(super) fn next_barrier(&self) -> u64 {
        self.barriers.front().copied().unwrap_or(u64::MAX)
    }

    pub(super) fn next_before(&mut self, position: u64) -> Option<(u64, Effect)> {
        let next = self.queue.pop_front_if(|(at, _)| *at <= position)?;
        if is_barrier(&next.1) {
            self.barriers.pop_front();
        } else if changes_feeds(&next.1) {
            self.feed_changes.pop_front();
        }
        self.states_ahead -= state_bytes(&next.1);
        Some(next)
    }

    /// Whether the current change was refused; unknown if the tape ends before it was made.
    pub(super) fn was_refused(&self, position: u64) -> Option<bool> {
        let after = self.queue.iter().take_while(|(at, _)| *at == position);
        for (_, effect) in after {
            match effect {
                Effect::Refused { .. } => return Some(true),
                Effect::Changed { .. } => return Some(false),
                _ => {}
            }
        }
        let goes_on = self.queue.iter().any(|(at, _)| *at > position);
        (goes_on || !self.over).then_some(false)
    }

    /// The life of a strategy, counted from 0.
    pub(super) fn life_of(&self, strategy: StrategyId) -> u32 {
        self.lives.get(&strategy).copied().unwrap_or_default()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.over && self.queue.is_empty()
    }

    /// Adds decisions.
    pub(super) fn sort(&mut self, intents: &mut Vec<Intent>) {
        for intent in intents.drain(..) {
            let decided = self.decided.entry(intent.strategy).or_default();
            if intent.cause == AT_END {
                decided.at_end.push_back(intent);
            } else {
                decided.acts.push_back(intent);
            }
        }
    }

    pub(super) fn take(&mut self, strategy: StrategyId, at_end: bool) -> Option<Intent> {
        let decided = self.decided.get_mut(&strategy)?;
        if at_end {
            decided.at_end.pop_front()
        } else {
            decided.acts.pop_front()
        }
    }

    /// Takes the decisions caused by events before `position`, in the order in which they take effect.
    pub(super) fn left_before(&mut self, position: u64) -> Vec<Intent> {
        let mut left = Vec::new();
        for decided in self.decided.values_mut() {
            while let Some(intent) = decided.acts.pop_front_if(|intent| intent.cause < position) {
                left.push(intent);
            }
        }
        left.sort_unstable_by_key(Intent::key);
        left
    }

    /// Forgets the decisions of a strategy.
    pub(super) fn drop_decided_by(&mut self, strategy: StrategyId) {
        self.decided.remove(&strategy);
    }

    /// Forgets the decisions that are not on the tape.
    pub(super) fn drop_decided(&mut self) {
        self.decided.clear();
    }

    pub(super) fn all_left(&mut self) -> Vec<Intent> {
        let mut left = self.left_before(u64::MAX);
        for decided in self.decided.values_mut() {
            left.extend(decided.at_end.drain(..));
        }
        left
    }
}

const fn state_bytes(effect: &Effect) -> usize {
    match effect {
        Effect::Saved { state, .. } => state.bytes.len(),
        _ => 0,
    }
}

/// Returns the outcome of a fault that is followed by this outcome of the strategy.
const fn fault_outcome(outcome: StrategyOutcome) -> FaultOutcome {
    match outcome {
        StrategyOutcome::Ended => FaultOutcome::Ends,
        StrategyOutcome::Suspended => FaultOutcome::Suspends,
        _ => FaultOutcome::Recovers,
    }
}

/// Returns whether an action changes the feeds of its strategy.
const fn changes_feeds(effect: &Effect) -> bool {
    match effect {
        Effect::Applied(applied) => matches!(
            applied.action,
            Action::Subscribe(_) | Action::Unsubscribe(_)
        ),
        _ => false,
    }
}

/// Returns whether the workers must stop exactly at this effect.
const fn is_barrier(effect: &Effect) -> bool {
    match effect {
        Effect::Applied(applied) => applied.is_at_end(),
        Effect::Sent { .. } | Effect::Halted { .. } | Effect::Kept | Effect::Refused { .. } => {
            false
        }
        Effect::Settled { .. }
        | Effect::Operated { .. }
        | Effect::GaveUp { .. }
        | Effect::CatchingUp { .. }
        | Effect::Changed { .. }
        | Effect::Asked { .. }
        | Effect::LeftBehind
        | Effect::Saved { .. }
        | Effect::Stopping { .. } => true,
    }
}
