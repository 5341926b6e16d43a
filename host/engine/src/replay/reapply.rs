//! Each deed of a tape, once more.

use super::stop::{ReplayStop, differs};
use super::tape::{Finding, Tape, TapeError};
use crate::config::Stepping;
use crate::effect::{AppliedAction, Effect, RecordedChange, StrategyOutcome, sent};
use crate::error::EngineError;
use crate::handle::{ChangeResult, StrategyChange};
use crate::intent::{Decision, Intent, hash_intent};
use crate::kernel::Engine;
use crate::port::{ORDERS_PER_RUN, State, StrategyStart};
use crate::replay::cursor::ReplayCursor;
use crate::worker::Task;
use crate::worker::recorded_faults::RecordedFault;
use tickdeck_model::{StrategyId, Timestamp};

impl Engine {
    /// Does what was done then, and looks whether it would have been done now.
    pub(super) fn apply_effect(
        &mut self,
        guide: &mut ReplayCursor,
        tape: &mut dyn Tape,
        position: u64,
        effect: Effect,
    ) -> Result<(), ReplayStop> {
        match effect {
            Effect::Applied(acted) => self.act_again(guide, position, acted)?,
            Effect::Settled {
                at,
                strategy,
                outcome,
            } => self.settle_again(guide, position, (at, strategy, outcome))?,
            Effect::Operated { at, order } => self.router.operate(at, order),
            Effect::GaveUp { at, strategy } => {
                self.failed_trials.retain(|other| *other != strategy);
                if guide.settled_next(strategy) == Some((position, StrategyOutcome::Ended)) {
                    self.force(strategy, RecordedFault::Refusal)?;
                }
                self.give_up(strategy, at)?;
            }
            Effect::Changed { at, what } => {
                let refused = guide.was_refused(position);
                let strategy = what.strategy();
                let hands_over = !matches!(
                    what,
                    RecordedChange::Start { .. } | RecordedChange::Remove(_)
                );
                if hands_over && refused == Some(true) {
                    self.force(strategy, RecordedFault::Refusal)?;
                }
                let settled = guide.settled_next(strategy);
                if hands_over && settled == Some((position, StrategyOutcome::Fenced(None))) {
                    self.force(strategy, RecordedFault::LostState)?;
                }
                self.change_again(tape, position, at, (what, refused))?;
            }
            Effect::Asked => {
                let states = self.states()?;
                for (strategy, _) in &states {
                    if guide.failed_to_save(position, *strategy) {
                        self.fault_again(guide, *strategy, false)?;
                    }
                }
                guide.states = Some((position, states));
            }
            Effect::Saved { strategy, state } => {
                self.save_again(guide, position, strategy, &state)?;
            }
            Effect::Stopping { at } => {
                guide.ended = true;
                self.stop_strategies(at)?;
            }
            effect @ Effect::Sent { .. } => self.send_again(guide, position, &effect)?,
            Effect::Halted { .. } | Effect::Kept | Effect::Refused { .. } => {}
        }
        self.note_commands(guide);
        guide.sort(&mut self.intents);
        Ok(())
    }

    /// Takes in what is to leave.
    pub(super) fn note_commands(&self, guide: &mut ReplayCursor) {
        let commands = &self.router.outbox.commands;
        let new = commands[guide.noted..].iter();
        guide
            .leaving
            .extend(new.filter_map(|(_, at, command)| sent(*at, command)));
        guide.noted = commands.len();
    }

    fn send_again(
        &self,
        guide: &mut ReplayCursor,
        position: u64,
        taped: &Effect,
    ) -> Result<(), ReplayStop> {
        let left = guide.leaving.pop_front();
        if left.as_ref() == Some(taped) {
            return Ok(());
        }
        let words = |effect: &Effect| Finding::Words(format!("{effect:?}"));
        let found = left.as_ref().map_or(Finding::Nothing, words);
        Err(differs(position, None, words(taped), found))
    }

    fn act_again(
        &mut self,
        guide: &mut ReplayCursor,
        position: u64,
        acted: AppliedAction,
    ) -> Result<(), ReplayStop> {
        let found = guide.take(acted.strategy, acted.is_at_end());
        let mut found = found.and_then(|intent| AppliedAction::of(&intent, acted.leaves_at));
        if let Some(found) = &mut found {
            // The kernel says when what counts from an end happened, and what it denies.
            found.late = acted.late;
            if acted.is_at_end() {
                found.at = acted.at;
            }
        }
        if found != Some(acted) {
            return Err(differs(
                position,
                Some(acted.strategy),
                Finding::Action(acted),
                found.map_or(Finding::Nothing, Finding::Action),
            ));
        }
        guide.compared += 1;
        let intent = Intent {
            cause: acted.cause,
            at: acted.at,
            strategy: acted.strategy,
            ordinal: acted.ordinal,
            decision: match acted.late {
                true => Decision::Late(acted.action),
                false => Decision::Act(acted.action),
            },
        };
        let before = self.router.outbox.commands.len();
        self.router.leaves_at = acted.leaves_at;
        hash_intent(&mut self.actions_hash, &intent);
        self.router.on_intent(&intent);
        if self.stepping == Stepping::Free {
            for (_, at, _) in &mut self.router.outbox.commands[before..] {
                *at = acted.leaves_at;
            }
        }
        Ok(())
    }

    fn settle_again(
        &mut self,
        guide: &mut ReplayCursor,
        position: u64,
        (at, strategy, outcome): (Timestamp, StrategyId, StrategyOutcome),
    ) -> Result<(), ReplayStop> {
        if guide.found_next(strategy) != Some(outcome) {
            self.bring_about(guide, strategy, outcome)?;
        }
        let found = guide.take(strategy, true);
        let now = found
            .as_ref()
            .and_then(|intent| StrategyOutcome::of(&intent.decision));
        match (found, now) {
            (Some(mut intent), Some(now)) if now == outcome => {
                intent.at = at;
                self.router.on_intent(&intent);
                self.note(&intent);
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

    /// Lets happen again what no batch brings about, if a limit in time may have.
    fn bring_about(
        &mut self,
        guide: &mut ReplayCursor,
        strategy: StrategyId,
        outcome: StrategyOutcome,
    ) -> Result<(), ReplayStop> {
        match outcome {
            StrategyOutcome::Fenced(None) => self.fault_again(guide, strategy, true),
            StrategyOutcome::ShadowFailed => {
                self.force(strategy, RecordedFault::FaultInShadow(strategy))?;
                guide.sort_before(strategy, &mut self.intents);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn fault_again(
        &mut self,
        guide: &mut ReplayCursor,
        strategy: StrategyId,
        snapshot: bool,
    ) -> Result<(), ReplayStop> {
        guide.sort(&mut self.intents);
        let fault = RecordedFault::Fault {
            strategy,
            fate: guide.fate(strategy),
            snapshot,
        };
        self.force(strategy, fault)?;
        guide.sort_before(strategy, &mut self.intents);
        Ok(())
    }

    /// Tells a strategy's worker what must happen.
    pub(super) fn force(
        &mut self,
        strategy: StrategyId,
        forced: RecordedFault,
    ) -> Result<(), ReplayStop> {
        if let Some(card) = self.cards.iter().find(|card| card.id == strategy) {
            let task = Task::Force(forced);
            let _ = self.pool.perform(card.worker, task, &mut self.intents)?;
        }
        Ok(())
    }

    fn change_again(
        &mut self,
        tape: &mut dyn Tape,
        position: u64,
        at: Timestamp,
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
                let version = tape.version(&name, &spec)?;
                let next_order = last_order.saturating_sub(ORDERS_PER_RUN - 1);
                let known = self.cards.iter().any(|card| card.id == strategy);
                let seat = if known {
                    match self.carry_out_change(StrategyChange::DryRun(strategy), at)? {
                        Ok(ChangeResult::DryRun(left)) => {
                            left.seat(name, allocation, next_order, version)
                        }
                        _ => return Err(EngineError::Tape(format!("`{name}` has no place")).into()),
                    }
                } else {
                    let named = (strategy, name);
                    StrategyStart::start(&self.registry, named, allocation, next_order, version)
                };
                StrategyChange::Start(Box::new(seat.map_err(|fault| TapeError(fault.0))?))
            }
            RecordedChange::Swap { strategy, spec } => {
                let card = self.cards.iter().find(|card| card.id == strategy);
                let name = card.map_or_else(String::new, |card| card.name.clone());
                StrategyChange::Swap(strategy, Box::new(tape.version(&name, &spec)?))
            }
            RecordedChange::Promote(strategy) => StrategyChange::Promote(strategy),
            RecordedChange::RollBack(strategy) => StrategyChange::RollBack(strategy),
            RecordedChange::Remove(strategy) => StrategyChange::Remove(strategy),
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
            Finding::Words(recorded),
            Finding::Words(found),
        ))
    }

    fn save_again(
        &mut self,
        guide: &mut ReplayCursor,
        position: u64,
        strategy: StrategyId,
        state: &State,
    ) -> Result<(), ReplayStop> {
        // The first reels do not say that the states were asked for.
        if guide.states.as_ref().is_none_or(|(at, _)| *at != position) {
            guide.states = Some((position, self.states()?));
        }
        let states = guide.states.iter().filter(|(at, _)| *at == position);
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
