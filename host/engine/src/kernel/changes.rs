//! Changes between two windows: the commands of operators, and the versions of strategies.

use crate::effect::{Effect, RecordedChange};
use crate::error::EngineError;
use crate::handle::{ChangeAnswer, ChangeResult, Request, StrategyChange, Swapped};
use crate::intent::{Decision, Intent};
use crate::kernel::Engine;
use crate::kernel::strategies::StrategyEntry;
use crate::port::StrategyStart;
use crate::quarantine_cause::QuarantineCause;
use crate::report::{Notice, VersionChange};
use crate::worker::handover::Handover;
use crate::worker::meanwhile::Meanwhile;
use crate::worker::recovery::REST_NS;
use crate::worker::rejoin::Rejoined;
use crate::worker::{Done, Task};
use tickdeck_model::{StrategyId, Timestamp};

/// Between two windows no more strategies are brought back once this has taken so long.
const RETURNS_NS: u64 = 5_000_000;

/// How many times as long as this took no more are brought back, `REST_NS` at most: long enough for the others to make up for
/// it, and short enough for a strategy that takes a third of a worker's time to catch up with what comes meanwhile.
const RESTS: u64 = 2;

/// The result of a change: the inner error says why nothing changed.
type Answer = Result<ChangeAnswer, EngineError>;

impl Engine {
    /// Does the remaining work at the end of a window, whose last moment is `at`.
    pub(super) fn complete_window(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.stand_at(at);
        self.settle(at);
        self.complete_changes(at)?;
        if !self.inbox.has_news() {
            return Ok(());
        }
        self.safety_path().serve();
        let requests = self.inbox.take_requests();
        self.begin_changes(requests, at)
    }

    /// Brings suspended strategies back, and makes announced versions take over.
    pub(super) fn complete_changes(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.bring_back_suspended(at)?;
        if !self.pending_changes.has_announced_swaps() {
            return Ok(());
        }
        for request in self.pending_changes.take_announced_swaps() {
            self.answer(request, at)?;
        }
        Ok(())
    }

    /// Brings suspended strategies back, as many as come back at once: all others wait meanwhile, and are to have their turns
    /// in between.
    fn bring_back_suspended(&mut self, at: Timestamp) -> Result<(), EngineError> {
        let Some(first) = self.next_returning() else {
            return Ok(());
        };
        // What is decided need not wait for it.
        self.dispatch_commands();
        let began_ns = self.time.now_ns();
        self.bring_back(first, at)?;
        while self.time.now_ns().saturating_sub(began_ns) < RETURNS_NS
            && let Some(next) = self.next_returning()
        {
            self.bring_back(next, at)?;
        }
        // All of them rest: several would take their slices in turn, and the others would have none.
        let now_ns = self.time.now_ns();
        let took_ns = now_ns.saturating_sub(began_ns);
        let rest_ns = (RESTS * took_ns).min(REST_NS);
        self.pending_changes
            .rest_until(now_ns.saturating_add(rest_ns));
        Ok(())
    }

    fn next_returning(&mut self) -> Option<StrategyId> {
        let now_ns = || self.time.now_ns();
        self.pending_changes
            .take_returning(&self.strategies, now_ns)
    }

    /// Makes the changes that can be made at once; a new version is announced first.
    pub(super) fn begin_changes(
        &mut self,
        requests: Vec<Request>,
        at: Timestamp,
    ) -> Result<(), EngineError> {
        for request in requests {
            if let StrategyChange::Swap(strategy, _) = &request.change {
                if let Some(entry) = self.strategies.get(*strategy) {
                    entry.expect_swap();
                }
                self.pending_changes.announce_swap(request);
            } else {
                self.answer(request, at)?;
            }
        }
        Ok(())
    }

    /// Carries out what takes effect at the end of the window.
    pub(crate) fn settle(&mut self, at: Timestamp) {
        if self.is_replaying || self.decisions.pending().is_empty() {
            return;
        }
        self.decisions.hash_carried_out();
        let mut intents = self.decisions.take_settled();
        for mut intent in intents.drain(..) {
            intent.at = at;
            let position = self.events.next_sequence();
            self.recording.settled(&intent, position, &self.router);
            self.decisions.hash(&intent);
            self.router.on_intent(&intent);
            self.note_outcome(&intent);
        }
        self.decisions.return_memory(intents);
    }

    /// Records and reports the outcome of an instance.
    pub(crate) fn note_outcome(&mut self, intent: &Intent) {
        let strategy = intent.strategy;
        let Some(place) = self.strategies.place_of(strategy) else {
            return;
        };
        let entry = self.strategies.at_mut(place);
        let problem = entry.fault();
        let notice = match intent.decision {
            Decision::Act(_)
            | Decision::Late(_)
            | Decision::Offered(_)
            | Decision::Faulted { .. } => return,
            Decision::Suspended => {
                return self.pending_changes.suspend(strategy, self.time.now_ns());
            }
            Decision::Ended => {
                entry.end_shadow();
                Notice::Ended { strategy, problem }
            }
            Decision::Recovered { events, took_ns } => Notice::Recovered {
                strategy,
                problem,
                events,
                took_ns,
            },
            Decision::ShadowFailed => {
                entry.end_shadow();
                let change = VersionChange::ShadowEnded { problem };
                Notice::Version {
                    strategy,
                    change,
                    origin: None,
                }
            }
            Decision::Live { pause_ns } => {
                entry.went_live(pause_ns);
                let change = VersionChange::Live { pause_ns };
                Notice::Version {
                    strategy,
                    change,
                    origin: None,
                }
            }
        };
        self.router.outbox.notice(intent.at, notice);
    }

    /// Carries out a request. Its answer is sent after its notice, so that whoever has the answer has the notice too.
    fn answer(&mut self, request: Request, at: Timestamp) -> Result<(), EngineError> {
        self.pending_changes.begin(request.origin);
        let answer = self.change(request.change, at);
        self.pending_changes.end(request.answer, answer?);
        Ok(())
    }

    fn change(&mut self, change: StrategyChange, at: Timestamp) -> Answer {
        let is_recorded = !matches!(change, StrategyChange::DryRun(_));
        let answer = self.carry_out_change(change, at)?;
        if let (true, Err(why)) = (is_recorded, &answer) {
            let (position, why) = (self.events.next_sequence(), why.clone());
            self.recording.effect(position, &Effect::Refused { why });
        }
        Ok(answer)
    }

    /// Records a change at its place in the router's own order.
    fn record_change(&mut self, at: Timestamp, what: Option<RecordedChange>) {
        let position = self.events.next_sequence();
        if let Some(what) = what {
            self.recording
                .effect(position, &Effect::Changed { at, what });
        }
    }

    pub(crate) fn carry_out_change(&mut self, change: StrategyChange, at: Timestamp) -> Answer {
        let what = RecordedChange::of(&change);
        let (id, task) = match change {
            StrategyChange::Quarantine {
                strategy,
                why,
                cause,
            } => return self.quarantine(strategy, (why, cause), at),
            StrategyChange::Start(start) => {
                self.record_change(at, what);
                return self.start_strategy(*start, at);
            }
            StrategyChange::Swap(id, version) => (id, Task::Swap(id, version)),
            StrategyChange::Promote(id) => (id, Task::Promote(id)),
            StrategyChange::RollBack(id) => (id, Task::RollBack(id)),
            StrategyChange::Remove(id) => (id, Task::Remove(id)),
            StrategyChange::DryRun(id) => (id, Task::DryRun(id)),
        };
        self.perform((id, task), what, at)
    }

    /// Has a strategy's worker make a change, then makes it here. It is recorded in between: the router does not know of the
    /// change while the kernel waits for the worker, so a command that arrives in the meantime precedes it.
    fn perform(
        &mut self,
        (id, task): (StrategyId, Task),
        what: Option<RecordedChange>,
        at: Timestamp,
    ) -> Answer {
        let Some(place) = self.strategies.place_of(id) else {
            self.record_change(at, what);
            return Ok(Err(format!("no strategy {id} runs")));
        };
        let worker = self.strategies.at(place).worker();
        let done = self.perform_task(worker, task)?;
        self.record_change(at, what);
        // Decisions of a version while it caught up, too late to be sent.
        self.settle(at);
        Ok(done.and_then(|done| self.apply_done(place, done, at)))
    }

    /// Makes a change before the run continues; what takes effect at the end of the interrupted window still does. The inner
    /// error says why nothing was changed.
    ///
    /// # Errors
    /// A worker failed.
    pub fn change_before_run(
        &mut self,
        change: StrategyChange,
    ) -> Result<Result<ChangeResult, String>, EngineError> {
        let mut later = std::mem::take(self.decisions.pending());
        if let StrategyChange::Quarantine { strategy, .. } = &change {
            // Its remaining decisions are dropped.
            later.retain(|intent| intent.strategy != *strategy);
        }
        let at = self.stand_at(self.events.now());
        let answer = self.change(change, at);
        self.decisions.pending().extend(later);
        answer
    }

    /// Ends a strategy without calling it again. Its state is not kept: it cannot be trusted.
    fn quarantine(
        &mut self,
        strategy: StrategyId,
        (why, cause): (String, QuarantineCause),
        at: Timestamp,
    ) -> Answer {
        let Some(place) = self.strategies.place_of(strategy) else {
            return Ok(Err(format!("no strategy {strategy} runs")));
        };
        let worker = self.strategies.at(place).worker();
        let done = self.perform_task(worker, Task::Remove(strategy))?;
        let problem = why.clone();
        let what = RecordedChange::Quarantine {
            strategy,
            why,
            cause,
        };
        self.record_change(at, Some(what));
        self.pending_changes.forget_suspended(strategy);
        if cause == QuarantineCause::NotAllowed {
            self.router.disregard_order_policy(place);
        }
        self.router.end(place, at);
        self.strategies.at_mut(place).quarantined(&problem);
        let notice = Notice::Ended { strategy, problem };
        self.router.outbox.notice(at, notice);
        Ok(done.map(|done| match done {
            Done::Removed(instance) => ChangeResult::Removed(instance),
            _ => ChangeResult::Removed(None),
        }))
    }

    /// Applies here the change that a worker has made.
    fn apply_done(
        &mut self,
        place: usize,
        done: Done,
        at: Timestamp,
    ) -> Result<ChangeResult, String> {
        let (result, change) = match done {
            // None of these is requested here.
            Done::Stopped | Done::Offered | Done::Started | Done::FaultRecorded => {
                return Err("nothing was changed".to_owned());
            }
            Done::States(_) | Done::Rejoined(_) | Done::CatchesUp { .. } => {
                return Err("nothing was changed".to_owned());
            }
            Done::DryRun(dry_run) => return Ok(ChangeResult::DryRun(dry_run)),
            Done::Swapped(handover) => self.apply_swap(place, *handover, at),
            Done::Shadow(handover) => {
                let entry = self.strategies.at_mut(place);
                entry.start_shadow(&handover.version);
                let version = handover.version.label.clone();
                let swapped = swapped(*handover, entry.generation());
                let change = VersionChange::Shadow { version };
                (ChangeResult::Shadow(swapped), change)
            }
            Done::ShadowEnded(version) => {
                self.strategies.at_mut(place).end_shadow();
                let problem = String::new();
                let change = VersionChange::ShadowEnded { problem };
                (ChangeResult::ShadowEnded(version.label), change)
            }
            Done::Removed(instance) => {
                self.router.end(place, at);
                let entry = self.strategies.at_mut(place);
                entry.removed();
                self.pending_changes.forget_suspended(entry.id());
                (ChangeResult::Removed(instance), VersionChange::Removed)
            }
        };
        self.report_change(place, at, change);
        Ok(result)
    }

    fn apply_swap(
        &mut self,
        place: usize,
        handover: Handover,
        at: Timestamp,
    ) -> (ChangeResult, VersionChange) {
        let from = self.strategies.at(place).label().to_owned();
        self.change_version(place, &handover, at);
        let generation = self.strategies.at(place).generation();
        let change = VersionChange::Swapped {
            from,
            to: handover.version.label.clone(),
            hash: handover.version.hash.clone(),
            generation,
            inherited: handover.inherited,
            lost: handover.lost.clone(),
            took_ns: handover.took_ns,
        };
        let swapped = swapped(handover, generation);
        (ChangeResult::Swapped(swapped), change)
    }

    /// Switches the live version in the kernel and the router.
    fn change_version(&mut self, place: usize, handover: &Handover, at: Timestamp) {
        let version = &handover.version;
        let feeds_before = self.strategies.at_mut(place).change_version(version);
        self.router
            .change_version(place, &feeds_before, version, at);
    }

    /// Starts a strategy while others trade; it may have run before and ended.
    fn start_strategy(&mut self, start: StrategyStart, at: Timestamp) -> Answer {
        let known = self.strategies.place_of(start.id);
        if known.is_some_and(|place| !self.router.strategies.has_ended(place)) {
            return Ok(Err(format!("`{}` runs already", start.name)));
        }
        let worker = match known {
            Some(place) => self.strategies.at(place).worker(),
            None => self.strategies.least_busy_worker(self.pool.len()),
        };
        self.router.start(&start);
        self.router.request_books(&start.version, at);
        let entry = StrategyEntry::new(&start, worker);
        let place = self.strategies.start(known, entry);
        let entry = self.strategies.at(place);
        let generation = entry.generation();
        let change = VersionChange::Started {
            to: start.version.label.clone(),
            hash: start.version.hash.clone(),
            generation,
        };
        let task = Task::Start(Box::new(start), entry.counters());
        if let Err(why) = self.perform_task(worker, task)? {
            return Ok(Err(why));
        }
        self.report_change(place, at, change);
        Ok(Ok(ChangeResult::Started(generation)))
    }

    /// Brings a suspended strategy back: in the version before if it was on probation, else in its own. If that takes longer than
    /// the others may wait, it stays suspended and is brought back further once it has rested.
    pub(crate) fn bring_back(&mut self, id: StrategyId, at: Timestamp) -> Result<(), EngineError> {
        let Some(place) = self.strategies.place_of(id) else {
            return Ok(());
        };
        let entry = self.strategies.at(place);
        let (from, problem) = (entry.label().to_owned(), entry.fault());
        let worker = entry.worker();
        let done = self.perform_task(worker, Task::BringBack(id))?;
        let (position, strategy) = (self.events.next_sequence(), id);
        if let Ok(Done::CatchesUp { begins }) = done {
            if begins {
                let effect = Effect::CatchingUp { at, strategy };
                self.recording.effect(position, &effect);
            }
            self.pending_changes.suspend(id, self.time.now_ns());
            return Ok(());
        }
        let effect = Effect::GaveUp { at, strategy };
        self.recording.effect(position, &effect);
        self.settle(at);
        match done {
            Ok(Done::Swapped(handover)) => {
                self.change_version(place, &handover, at);
                let change = VersionChange::RolledBack {
                    from,
                    to: handover.version.label,
                    hash: handover.version.hash,
                    generation: self.strategies.at(place).generation(),
                    problem,
                };
                self.report_change(place, at, change);
            }
            Ok(Done::Rejoined(Rejoined { events, took_ns })) => {
                let notice = Notice::Recovered {
                    strategy: id,
                    problem,
                    events,
                    took_ns,
                };
                self.router.outbox.notice(at, notice);
            }
            // It has ended, and its worker has reported that.
            _ => {}
        }
        Ok(())
    }

    fn report_change(&mut self, place: usize, at: Timestamp, change: VersionChange) {
        let notice = Notice::Version {
            strategy: self.strategies.at(place).id(),
            change,
            origin: self.pending_changes.origin(),
        };
        self.router.outbox.notice(at, notice);
    }
}

/// Converts a handover to the reported result.
fn swapped(handover: Handover, generation: u32) -> Swapped {
    Swapped {
        label: handover.version.label,
        generation,
        inherited: handover.inherited,
        took_ns: handover.took_ns,
        retired: handover.retired,
    }
}
