//! Reapplying the effects of a tape, one by one.

use super::stop::{ReplayStop, differs};
use super::tape::{Finding, Tape, TapeError};
use crate::effect::{AppliedAction, Effect, RecordedChange, StrategyOutcome, sent};
use crate::error::EngineError;
use crate::handle::{ChangeResult, StrategyChange};
use crate::intent::{Decision, Intent};
use crate::kernel::Engine;
use crate::port::{ORDERS_PER_RUN, State, StrategyStart, Version};
use crate::replay::cursor::ReplayCursor;
use crate::worker::Task;
use crate::worker::recorded_faults::RecordedFault;
use tickdeck_model::{StrategyId, Timestamp};

impl Engine {
    /// Applies a recorded effect, and compares it with what would be done now.
    pub(super) fn apply_effect(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        position: u64,
        effect: Effect,
    ) -> Result<(), ReplayStop> {
        self.announce_outcomes(cursor)?;
        match effect {
            Effect::Applied(applied) => self.reapply_action(cursor, tape, position, applied)?,
            Effect::Settled {
                at,
                strategy,
                outcome,
            } => self.reapply_outcome(cursor, position, (at, strategy, outcome))?,
            Effect::Operated { at, order, .. } => self.router.operate(at, order),
            Effect::GaveUp { at, strategy } => {
                self.pending_changes.forget_suspended(strategy);
                if cursor.settled_next(strategy) == Some((position, StrategyOutcome::Ended)) {
                    self.impose(strategy, RecordedFault::Refusal)?;
                }
                self.bring_back(strategy, at)?;
            }
            Effect::CatchingUp { strategy, .. } => {
                self.impose(strategy, RecordedFault::CatchingUp(strategy))?;
            }
            Effect::Changed { at, what } => {
                let refused = cursor.was_refused(position);
                let strategy = what.strategy();
                let is_handover = !matches!(
                    what,
                    RecordedChange::Start { .. }
                        | RecordedChange::Remove(_)
                        | RecordedChange::Quarantine { .. }
                );
                if is_handover && refused == Some(true) {
                    self.impose(strategy, RecordedFault::Refusal)?;
                }
                let settled = cursor.settled_next(strategy);
                if is_handover && settled == Some((position, StrategyOutcome::Faulted(None))) {
                    self.impose(strategy, RecordedFault::LostState)?;
                }
                let is_quarantine = matches!(what, RecordedChange::Quarantine { .. });
                let is_start = matches!(what, RecordedChange::Start { .. });
                self.reapply_change(cursor, tape, (position, at), (what, refused))?;
                if is_start {
                    self.offer_recorded_batches(cursor, tape, strategy)?;
                }
                if is_quarantine {
                    cursor.drop_decided_by(strategy);
                }
            }
            Effect::Asked { strategy } => {
                let states = self.states(strategy)?;
                for (strategy, _) in &states {
                    if cursor.failed_to_save(position, *strategy) {
                        self.reapply_fault(cursor, *strategy, false)?;
                    }
                }
                cursor.states = Some((position, states));
            }
            Effect::Saved { strategy, state } => {
                let life = cursor.life_of(strategy);
                if tape.decisions(strategy, life).is_none() {
                    self.compare_state(cursor, position, strategy, &state)?;
                }
            }
            Effect::LeftBehind => {
                self.is_left_behind = true;
                cursor.drop_decided();
            }
            Effect::Stopping { at } => {
                cursor.ended = true;
                let ending = self.end_strategies(at);
                self.stop_instances(&ending, at)?;
            }
            effect @ Effect::Sent { .. } => self.compare_command(cursor, position, &effect)?,
            Effect::Halted { .. } | Effect::Kept | Effect::Refused { .. } => {}
        }
        self.note_commands(cursor);
        cursor.sort(self.decisions.pending());
        Ok(())
    }

    /// Tells the workers what becomes of instances whose faults have no place among their batches.
    pub(super) fn announce_outcomes(
        &mut self,
        cursor: &mut ReplayCursor,
    ) -> Result<(), ReplayStop> {
        let known = cursor
            .unplaced
            .extract_if(.., |(_, outcome)| outcome.is_some());
        for (strategy, outcome) in known {
            if let Some(outcome) = outcome {
                self.impose(strategy, RecordedFault::Outcome(strategy, outcome))?;
            }
        }
        Ok(())
    }

    /// Notes the commands that are to leave.
    pub(super) fn note_commands(&self, cursor: &mut ReplayCursor) {
        let commands = self.router.outbox.commands();
        let new = commands[cursor.noted..].iter();
        cursor
            .leaving
            .extend(new.filter_map(|(_, at, command)| sent(*at, command)));
        cursor.noted = commands.len();
    }

    fn compare_command(
        &self,
        cursor: &mut ReplayCursor,
        position: u64,
        taped: &Effect,
    ) -> Result<(), ReplayStop> {
        // An event can cause one too: a refused cancel is sent again.
        self.note_commands(cursor);
        let left = cursor.leaving.pop_front();
        if let Effect::Sent { at, .. } = taped {
            cursor.sent_at = cursor.sent_at.max(*at);
        }
        if left.as_ref() == Some(taped) {
            return Ok(());
        }
        let text = |effect: &Effect| Finding::Text(format!("{effect:?}"));
        let found = left.as_ref().map_or(Finding::Nothing, text);
        let to_blame = self.to_blame(cursor, position);
        Err(differs(position, to_blame, text(taped), found))
    }

    fn reapply_action(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        position: u64,
        applied: AppliedAction,
    ) -> Result<(), ReplayStop> {
        let life = cursor.life_of(applied.strategy);
        if applied.is_at_end() && tape.decisions(applied.strategy, life).is_some() {
            // No single event caused it, so it is not decided again.
            let (strategy, at, action) = (applied.strategy, applied.at, applied.action);
            let decided = RecordedFault::Decision(strategy, at, action);
            self.impose(strategy, decided)?;
            self.carry_out_again(cursor, applied);
            return Ok(());
        }
        let found = cursor.take(applied.strategy, applied.is_at_end());
        let mut found = found.and_then(|intent| AppliedAction::of(&intent, applied.leaves_at));
        if let Some(found) = &mut found {
            // The kernel determines the time of what takes effect at the end of a window, and what it denies.
            found.late = applied.late;
            if applied.is_at_end() {
                found.at = applied.at;
            }
        }
        if found != Some(applied) {
            return Err(differs(
                position,
                Some(applied.strategy),
                Finding::Action(applied),
                found.map_or(Finding::Nothing, Finding::Action),
            ));
        }
        self.carry_out_again(cursor, applied);
        Ok(())
    }

    fn carry_out_again(&mut self, cursor: &mut ReplayCursor, applied: AppliedAction) {
        cursor.compared += 1;
        let intent = Intent {
            cause: applied.cause,
            at: applied.at,
            strategy: applied.strategy,
            ordinal: applied.ordinal,
            decision: match applied.late {
                true => Decision::Late(applied.action),
                false => Decision::Act(applied.action),
            },
        };
        let before = self.router.outbox.commands().len();
        self.router.gate.set_leaves_at(applied.leaves_at);
        self.decisions.hash(&intent);
        self.router.on_intent(&intent);
        if !self.time.is_lockstep() {
            self.router
                .outbox
                .restamp_commands(before, applied.leaves_at);
        }
    }

    fn reapply_outcome(
        &mut self,
        cursor: &mut ReplayCursor,
        position: u64,
        (at, strategy, outcome): (Timestamp, StrategyId, StrategyOutcome),
    ) -> Result<(), ReplayStop> {
        if cursor.found_next(strategy) != Some(outcome) {
            self.impose_outcome(cursor, strategy, outcome)?;
        }
        let found = cursor.take(strategy, true);
        let now = found
            .as_ref()
            .and_then(|intent| StrategyOutcome::of(&intent.decision));
        match (found, now) {
            (Some(mut intent), Some(now)) if now == outcome => {
                intent.at = at;
                self.router.on_intent(&intent);
                self.note_outcome(&intent);
                Ok(())
            }
            (_, now) => Err(differs(
                position,
                Some(strategy),
                Finding::Outcome(outcome),
                now.map_or(Finding::Nothing, Finding::Outcome),
            )),
        }
    }

    /// Reproduces an outcome that no batch causes, if a time limit may have caused it.
    fn impose_outcome(
        &mut self,
        cursor: &mut ReplayCursor,
        strategy: StrategyId,
        outcome: StrategyOutcome,
    ) -> Result<(), ReplayStop> {
        match outcome {
            StrategyOutcome::Faulted(None) => self.reapply_fault(cursor, strategy, true),
            StrategyOutcome::ShadowFailed => {
                self.impose(strategy, RecordedFault::FaultInShadow(strategy))?;
                cursor.sort_before(strategy, self.decisions.pending());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn reapply_fault(
        &mut self,
        cursor: &mut ReplayCursor,
        strategy: StrategyId,
        snapshot: bool,
    ) -> Result<(), ReplayStop> {
        cursor.sort(self.decisions.pending());
        let fault = RecordedFault::Fault {
            strategy,
            outcome: cursor.outcome_of_fault(strategy),
            snapshot,
        };
        self.impose(strategy, fault)?;
        cursor.sort_before(strategy, self.decisions.pending());
        Ok(())
    }

    /// Has a strategy's worker reproduce a fault.
    pub(super) fn impose(
        &mut self,
        strategy: StrategyId,
        fault: RecordedFault,
    ) -> Result<(), ReplayStop> {
        if let Some(entry) = self.strategies.get(strategy) {
            let task = Task::ApplyRecordedFault(fault);
            let _ = self.perform_task(entry.worker(), task)?;
        }
        Ok(())
    }

    fn reapply_change(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        (position, at): (u64, Timestamp),
        (what, refused): (RecordedChange, Option<bool>),
    ) -> Result<(), ReplayStop> {
        let strategy = what.strategy();
        let change = match what {
            RecordedChange::Start {
                strategy,
                name,
                allocation,
                last_order,
                spec,
                ..
            } => {
                let known = self.strategies.get(strategy).is_some();
                if known && refused != Some(true) {
                    *cursor.lives.entry(strategy).or_default() += 1;
                }
                let life = cursor.life_of(strategy);
                let version = version(tape, (strategy, life), &name, &spec)?;
                let next_order = last_order.saturating_sub(ORDERS_PER_RUN - 1);
                let start = if known {
                    match self.carry_out_change(StrategyChange::DryRun(strategy), at)? {
                        Ok(ChangeResult::DryRun(left)) => {
                            left.start(name, allocation, next_order, version)
                        }
                        _ => return Err(EngineError::Tape(format!("`{name}` never ran")).into()),
                    }
                } else {
                    let named = (strategy, name);
                    StrategyStart::start(&self.registry, named, allocation, next_order, version)
                };
                match start {
                    Ok(start) => StrategyChange::Start(Box::new(start)),
                    Err(fault) => {
                        let (started, found) = (text("it started"), Finding::Text(fault.0));
                        return Err(differs(position, Some(strategy), started, found));
                    }
                }
            }
            RecordedChange::Swap { strategy, spec } => {
                let entry = self.strategies.get(strategy);
                let name = entry.map_or_else(String::new, |entry| entry.name().to_owned());
                let life = cursor.life_of(strategy);
                let version = version(tape, (strategy, life), &name, &spec)?;
                StrategyChange::Swap(strategy, Box::new(version))
            }
            RecordedChange::Promote(strategy) => StrategyChange::Promote(strategy),
            RecordedChange::RollBack(strategy) => StrategyChange::RollBack(strategy),
            RecordedChange::Remove(strategy) => StrategyChange::Remove(strategy),
            RecordedChange::Quarantine {
                strategy,
                why,
                cause,
            } => StrategyChange::Quarantine {
                strategy,
                why,
                cause,
            },
        };
        let done = "the change was carried out".to_owned();
        let refused_now = |why: &str| format!("it was refused: {why}");
        let (recorded, found) = match (self.carry_out_change(change, at)?, refused) {
            (Ok(_), Some(false) | None) | (Err(_), Some(true) | None) => return Ok(()),
            (Ok(_), Some(true)) => ("it was refused".to_owned(), done),
            (Err(why), Some(false)) => (done, refused_now(&why)),
        };
        Err(differs(
            position,
            Some(strategy),
            Finding::Text(recorded),
            Finding::Text(found),
        ))
    }

    fn compare_state(
        &mut self,
        cursor: &mut ReplayCursor,
        position: u64,
        strategy: StrategyId,
        state: &State,
    ) -> Result<(), ReplayStop> {
        // The earliest reels do not record that the states were requested.
        if cursor.states.as_ref().is_none_or(|(at, _)| *at != position) {
            cursor.states = Some((position, self.states(None)?));
        }
        let states = cursor.states.iter().filter(|(at, _)| *at == position);
        let mut states = states.flat_map(|(_, states)| states);
        let found = states.find(|(id, _)| *id == strategy);
        match found {
            Some((_, found)) if found == state => Ok(()),
            _ => Err(differs(
                position,
                Some(strategy),
                Finding::State(state.schema, state.bytes.len()),
                found.map_or(Finding::Nothing, |(_, found)| {
                    Finding::State(found.schema, found.bytes.len())
                }),
            )),
        }
    }
}

/// Recreates a version from the tape; one that must not be called returns its recorded decisions instead.
fn version(
    tape: &mut dyn Tape,
    (strategy, life): (StrategyId, u32),
    name: &str,
    spec: &str,
) -> Result<Version, TapeError> {
    let version = tape.version(name, spec)?;
    Ok(match tape.decisions(strategy, life) {
        Some(decisions) => decisions.in_place_of(version),
        None => version,
    })
}

fn text(text: &str) -> Finding {
    Finding::Text(text.to_owned())
}
