//! What changes between two windows: operators' orders, and the versions of strategies.

use crate::effect::{Effect, RecordedChange};
use crate::handle::{ChangeAnswer, ChangeResult, Request, StrategyChange, Swapped};
use crate::intent::{Decision, Intent};
use crate::kernel::entry::StrategyEntry;
use crate::kernel::{Engine, EngineError, hash_intent};
use crate::port::StrategyStart;
use crate::report::{Notice, VersionChange};
use crate::worker::handover::Handover;
use crate::worker::{Done, Task};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_model::{StrategyId, Timestamp};

/// What became of a change: the inner error says why nothing changed.
type Answer = Result<ChangeAnswer, EngineError>;

impl Engine {
    /// Does what is left to do at the end of a window, whose last moment is `at`.
    pub(crate) fn attend(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.settle(at);
        self.go_on_with_changes(at)?;
        let requests = self.hear(at);
        self.begin_changes(requests, at)
    }

    /// Carries out what operators ordered, and hands back the changes that they asked for.
    pub(crate) fn hear(&mut self, at: Timestamp) -> Vec<Request> {
        let Some(asked) = self.hearing.0.take() else {
            return Vec::new();
        };
        for order in asked.orders {
            self.keeping
                .effect(self.next_sequence, &Effect::Operated { at, order });
            self.router.operate(at, order);
        }
        asked.requests
    }

    /// Whether changes were begun that are not done.
    pub(crate) fn has_changes(&self) -> bool {
        !self.failed_trials.is_empty() || !self.expected.is_empty()
    }

    /// Rolls back what failed its trial, and lets new versions take over that were announced.
    pub(crate) fn go_on_with_changes(&mut self, at: Timestamp) -> Result<(), EngineError> {
        for strategy in std::mem::take(&mut self.failed_trials) {
            self.keeping
                .effect(self.next_sequence, &Effect::GaveUp { at, strategy });
            self.give_up(strategy, at)?;
        }
        for request in std::mem::take(&mut self.expected) {
            self.answer(request, at)?;
        }
        Ok(())
    }

    /// Changes what can be changed at once; a new version is announced first.
    pub(crate) fn begin_changes(
        &mut self,
        requests: Vec<Request>,
        at: Timestamp,
    ) -> Result<(), EngineError> {
        for request in requests {
            if let StrategyChange::Swap(strategy, _) = &request.change {
                self.expect(*strategy);
                self.expected.push(request);
            } else {
                self.answer(request, at)?;
            }
        }
        Ok(())
    }

    /// Carries out what counts from the end of the window.
    pub(crate) fn settle(&mut self, at: Timestamp) {
        if self.intents.is_empty() || self.guided {
            return;
        }
        self.hash_decided();
        let mut intents = std::mem::take(&mut self.intents);
        intents.sort_unstable_by_key(Intent::key);
        for mut intent in intents.drain(..) {
            intent.at = at;
            self.keep_settled(&intent);
            hash_intent(&mut self.actions_hash, &intent);
            self.router.on_intent(&intent);
            self.note(&intent);
        }
        // Nothing of the above decides anything; the room is used again.
        self.intents = intents;
    }

    /// Tells what became of an instance.
    pub(crate) fn note(&mut self, intent: &Intent) {
        let strategy = intent.strategy;
        let Some(card) = self.cards.iter_mut().find(|card| card.id == strategy) else {
            return;
        };
        let problem = card.fault();
        let notice = match intent.decision {
            Decision::Act(_) | Decision::Late(_) | Decision::Fenced { .. } => return,
            Decision::TrialFailed => return self.failed_trials.push(strategy),
            Decision::Ended => {
                card.shadow = None;
                Notice::Ended { strategy, problem }
            }
            Decision::Recovered { events, took_ns } => Notice::Recovered {
                strategy,
                problem,
                events,
                took_ns,
            },
            Decision::ShadowFailed => {
                card.shadow = None;
                let change = VersionChange::ShadowEnded { problem };
                Notice::Version {
                    strategy,
                    change,
                    origin: None,
                }
            }
            Decision::Live { pause_ns } => {
                card.pause_ns = Some(pause_ns);
                let change = VersionChange::Live { pause_ns };
                Notice::Version {
                    strategy,
                    change,
                    origin: None,
                }
            }
        };
        self.router.outbox.notices.push((intent.at, notice));
    }

    /// From now on the end of every call of a strategy is timed.
    fn expect(&self, strategy: StrategyId) {
        if let Some(card) = self.cards.iter().find(|card| card.id == strategy) {
            card.counters.expecting.store(true, Ordering::Relaxed);
        }
    }

    /// Carries out a request. Its answer is sent after its notice, so that the asker has both when it has one.
    fn answer(&mut self, request: Request, at: Timestamp) -> Result<(), EngineError> {
        self.origin = request.origin;
        let answer = self.change(request.change, at);
        self.origin = None;
        self.answers.push((request.answer, answer?));
        Ok(())
    }

    fn change(&mut self, change: StrategyChange, at: Timestamp) -> Answer {
        let (kept, position) = (RecordedChange::of(&change), self.next_sequence);
        if let Some(what) = kept.clone() {
            self.keeping.effect(position, &Effect::Changed { at, what });
        }
        let answer = self.carry_out_change(change, at)?;
        if let (Some(_), Err(why)) = (kept, &answer) {
            let why = why.clone();
            self.keeping.effect(position, &Effect::Refused { why });
        }
        Ok(answer)
    }

    pub(crate) fn carry_out_change(&mut self, change: StrategyChange, at: Timestamp) -> Answer {
        match change {
            StrategyChange::Start(seat) => self.seat(*seat, at),
            StrategyChange::Swap(id, version) => self.perform(id, Task::Swap(id, version), at),
            StrategyChange::Promote(id) => self.perform(id, Task::Promote(id), at),
            StrategyChange::RollBack(id) => self.perform(id, Task::RollBack(id), at),
            StrategyChange::Remove(id) => self.perform(id, Task::Remove(id), at),
            StrategyChange::DryRun(id) => self.perform(id, Task::DryRun(id), at),
        }
    }

    /// Lets a strategy's worker do something, and follows it here.
    fn perform(&mut self, id: StrategyId, task: Task, at: Timestamp) -> Answer {
        let Some(place) = self.cards.iter().position(|card| card.id == id) else {
            return Ok(Err(format!("no strategy {id} runs")));
        };
        let worker = self.cards[place].worker;
        let done = self.pool.perform(worker, task, &mut self.intents)?;
        // What a version decided while it caught up, too late to be sent.
        self.settle(at);
        let (changed, change) = match done {
            Err(why) => return Ok(Err(why)),
            // Neither is asked for here.
            Ok(
                Done::Stopped
                | Done::Offered
                | Done::Started
                | Done::FaultRecorded
                | Done::States(_),
            ) => {
                return Ok(Err("nothing was changed".to_owned()));
            }
            Ok(Done::DryRun(rehearsal)) => return Ok(Ok(ChangeResult::DryRun(rehearsal))),
            Ok(Done::Swapped(handover)) => {
                let from = self.cards[place].label.clone();
                self.follow(place, &handover, at);
                let generation = self.cards[place].generation;
                let change = VersionChange::Swapped {
                    from,
                    to: handover.version.label.clone(),
                    hash: handover.version.hash.clone(),
                    generation,
                    inherited: handover.inherited,
                    lost: handover.lost.clone(),
                    took_ns: handover.took_ns,
                };
                (
                    ChangeResult::Swapped(swapped(*handover, generation)),
                    change,
                )
            }
            Ok(Done::Shadow(handover)) => {
                let version = &handover.version;
                self.cards[place].shadow = Some((version.label.clone(), version.hash.clone()));
                let version = version.label.clone();
                let change = VersionChange::Shadow { version };
                let generation = self.cards[place].generation;
                (ChangeResult::Shadow(swapped(*handover, generation)), change)
            }
            Ok(Done::ShadowEnded(version)) => {
                self.cards[place].shadow = None;
                let problem = String::new();
                let change = VersionChange::ShadowEnded { problem };
                (ChangeResult::ShadowEnded(version.label), change)
            }
            Ok(Done::Removed(instance)) => {
                self.router.end(place, at);
                (self.cards[place].stopped, self.cards[place].shadow) = (true, None);
                (ChangeResult::Removed(instance), VersionChange::Removed)
            }
        };
        self.tell(id, at, change);
        Ok(Ok(changed))
    }

    /// Another version counts: what the kernel and the router keep of it.
    fn follow(&mut self, place: usize, handover: &Handover, at: Timestamp) {
        let version = &handover.version;
        self.cards[place].change_version(version);
        let before = std::mem::replace(&mut self.cards[place].feeds, version.feeds.clone());
        self.router.change_version(place, &before, version, at);
    }

    /// Seats a strategy while others trade; one of the same name may have sat there before.
    fn seat(&mut self, seat: StrategyStart, at: Timestamp) -> Answer {
        let id = seat.id;
        let known = self.cards.iter().position(|card| card.id == id);
        if known.is_some_and(|place| !self.router.parties[place].ended) {
            return Ok(Err(format!("`{}` runs already", seat.name)));
        }
        let worker = known.map_or_else(|| self.least_busy(), |place| self.cards[place].worker);
        let mut card = StrategyEntry::new(&seat, worker);
        self.router.seat(&seat);
        self.router.ask_for_books(&seat.version, at);
        let place = known.unwrap_or(self.cards.len());
        match known {
            Some(place) => {
                card.generation = self.cards[place].generation + 1;
                self.cards[place] = card;
            }
            None => self.cards.push(card),
        }
        let to = seat.version.label.clone();
        let (hash, generation) = (seat.version.hash.clone(), self.cards[place].generation);
        let counters = Arc::clone(&self.cards[place].counters);
        let task = Task::Start(Box::new(seat), counters);
        if let Err(why) = self.pool.perform(worker, task, &mut self.intents)? {
            return Ok(Err(why));
        }
        let change = VersionChange::Started {
            to,
            hash,
            generation,
        };
        self.tell(id, at, change);
        Ok(Ok(ChangeResult::Started(generation)))
    }

    /// The worker with the fewest strategies.
    fn least_busy(&self) -> usize {
        let load = |worker: &usize| {
            self.cards
                .iter()
                .filter(|card| card.worker == *worker)
                .count()
        };
        (0..self.pool.len()).min_by_key(load).unwrap_or(0)
    }

    /// A new version trapped within its trial: the one before takes over again.
    pub(crate) fn give_up(&mut self, id: StrategyId, at: Timestamp) -> Result<(), EngineError> {
        let Some(place) = self.cards.iter().position(|card| card.id == id) else {
            return Ok(());
        };
        let (from, problem) = (self.cards[place].label.clone(), self.cards[place].fault());
        let worker = self.cards[place].worker;
        let done = self
            .pool
            .perform(worker, Task::RollBack(id), &mut self.intents)?;
        self.settle(at);
        if let Ok(Done::Swapped(handover)) = done {
            self.follow(place, &handover, at);
            let change = VersionChange::RolledBack {
                from,
                to: handover.version.label,
                hash: handover.version.hash,
                generation: self.cards[place].generation,
                problem,
            };
            self.tell(id, at, change);
        }
        // Otherwise it has ended, and its worker has said so.
        Ok(())
    }

    fn tell(&mut self, strategy: StrategyId, at: Timestamp, change: VersionChange) {
        let notice = Notice::Version {
            strategy,
            change,
            origin: self.origin.clone(),
        };
        self.router.outbox.notices.push((at, notice));
    }
}

/// What is told of a handover.
fn swapped(handover: Handover, generation: u32) -> Swapped {
    Swapped {
        label: handover.version.label,
        generation,
        inherited: handover.inherited,
        took_ns: handover.took_ns,
        retired: handover.retired,
    }
}
