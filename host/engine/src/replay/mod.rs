//! Replay of a recorded run: the events come from the tape, the strategies decide on them again, and every decision must
//! equal the recorded one.
//!
//! The router carries out the recorded actions in the recorded order. Its own answers are derived again and matched against
//! the tape. So a replay shows that the whole host behaves the same, not only the strategies; and at the end of the tape, the
//! host is in the state in which it was, and the run can be resumed ([`Engine::resume`]).

mod cursor;
mod reapply;
mod recorded_decisions;
mod sources;
mod stop;
mod stretch;
pub(crate) mod tape;

pub use recorded_decisions::{DecisionSource, RecordedDecisions};
pub use tape::{Divergence, Finding, Replayed, Resumed, Standing, Tape, TapeError};

use crate::effect::{AppliedAction, Effect};
use crate::error::EngineError;
use crate::intent::{AT_END, Decision, Intent};
use crate::kernel::{Engine, ResumePoint};
use crate::replay::cursor::ReplayCursor;
use crate::report::{Ending, Observer};
use crate::worker::Task;
use crate::worker::recorded_faults::RecordedFault;
use std::collections::BTreeMap;
use stop::{ReplayStop, differs};
use tickdeck_model::{Event, StrategyId, Timestamp};

/// Events published at once: enough to keep the workers busy, few enough to stay in a core's cache.
const STRETCH: usize = 4_096;

impl Engine {
    /// Replays a recorded run, as fast as possible, up to its end or the first difference. The venues are not involved.
    ///
    /// # Errors
    /// The tape cannot be read, or a worker panicked.
    pub fn replay(
        mut self,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<Replayed, EngineError> {
        let started = self.time.now_ns();
        let mut cursor = ReplayCursor::of(self.time.window_length());
        let divergence = match self.follow_tape(&mut cursor, tape, observer) {
            Ok(()) => None,
            Err(ReplayStop::Differs(divergence)) => Some(*divergence),
            Err(ReplayStop::Fails(error)) => return Err(error),
        };
        self.router.outbox.clear();
        let duration = self.duration_since(started);
        let report = match divergence {
            None if !cursor.has_undone() => self.finish(Ending::TapeOver, duration, observer)?,
            // The replicas may differ: the router carried out what was recorded.
            _ => self.abandon(duration)?,
        };
        Ok(Replayed {
            report,
            compared: cursor.compared,
            unkept: cursor.unkept,
            ended: cursor.ended,
            divergence,
        })
    }

    /// Replays a recorded run up to the tape's end, and returns what the strategies would save there.
    ///
    /// # Errors
    /// The tape cannot be read, a worker panicked, or the run diverged.
    pub fn state_at(
        mut self,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<Standing, EngineError> {
        let started = self.time.now_ns();
        let mut cursor = ReplayCursor::of(self.time.window_length());
        match self.follow_tape(&mut cursor, tape, observer) {
            Ok(()) => {}
            Err(ReplayStop::Differs(divergence)) => return Err(EngineError::Diverged(divergence)),
            Err(ReplayStop::Fails(error)) => return Err(error),
        }
        let status = self.status();
        let states = self.states(None)?;
        let portfolio = self.router.portfolio.clone();
        let duration = self.duration_since(started);
        self.abandon(duration)?;
        Ok(Standing {
            status,
            states,
            portfolio,
        })
    }

    /// Resumes an interrupted run: brings the host to the end of the tape, so that [`Engine::run`] continues from there. The
    /// venues get the same commands as before, and must produce the same events.
    ///
    /// # Errors
    /// A venue lives on while the host is away, or the run diverges; the text says where.
    pub fn resume(
        &mut self,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<Resumed, EngineError> {
        if let Some(venue) = self.venues.that_lives_on() {
            let venue = self.registry.venue(venue).unwrap_or_default().to_owned();
            return Err(EngineError::LivesOn { venue });
        }
        let mut cursor =
            ReplayCursor::of(self.time.window_length()).with_venues(self.recording.take_recorder());
        match self.follow_tape(&mut cursor, tape, observer) {
            Ok(()) => {}
            Err(ReplayStop::Differs(divergence)) => return Err(EngineError::Diverged(divergence)),
            Err(ReplayStop::Fails(error)) => return Err(error),
        }
        // Decisions of a version while it caught up come before all its later ones: order numbers increase. The outcomes of
        // instances take effect at the end of the window, which may not be complete yet.
        let lockstep = self.time.is_lockstep();
        let mut left = cursor.all_left();
        self.withhold(tape, &mut left);
        let left = left.into_iter();
        let (now, later) = left.partition(|intent| {
            let late = matches!(intent.decision, Decision::Late(_));
            intent.cause == AT_END && (late || !lockstep)
        });
        self.decisions.set_pending(now);
        let end = self.time.window_end(self.events.now());
        let stood_at = self.stand_where_it_stood(&cursor);
        self.settle(match lockstep {
            true => end.saturating_sub(1),
            false => stood_at,
        });
        self.decisions.set_pending(later);
        let own = cursor.own.drain(..).map(|own| own.event);
        let left_over = own.chain(cursor.given.drain(..)).collect();
        let was_stopping = cursor.ended || self.router.gate.is_stopping();
        self.resume_point = ResumePoint::new(left_over, lockstep.then_some(end), was_stopping);
        let position = self.events.next_sequence();
        // Commands that left just before the interruption may not be on the tape.
        for sent in cursor.leaving.drain(..) {
            self.recording.effect(position, &sent);
        }
        self.recording.state_due_from(position);
        Ok(Resumed {
            events: position,
            actions: cursor.compared,
            unkept: cursor.unkept,
        })
    }

    /// Lets the router stand where it stood. In a free run that may be later than the last event: a command that leaves now must not
    /// overtake one that left then.
    fn stand_where_it_stood(&mut self, cursor: &ReplayCursor) -> Timestamp {
        if self.time.is_lockstep() {
            return self.stand_at(self.events.now());
        }
        let left_at = cursor.leaving.iter().filter_map(|left| match left {
            Effect::Sent { at, .. } => Some(*at),
            _ => None,
        });
        self.stand_at(left_at.fold(cursor.sent_at, Timestamp::max))
    }

    fn follow_tape(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayStop> {
        self.is_replaying = true;
        self.restore_time_limit(false)?;
        cursor.batches_from = tape.batches_from();
        for strategy in self.strategies.ids() {
            self.offer_recorded_batches(cursor, tape, strategy)?;
        }
        let followed = self.follow_to_end(cursor, tape, observer);
        self.release_batches()?;
        self.restore_time_limit(true)?;
        self.is_replaying = false;
        if let Some(recorder) = cursor.recorder.take() {
            self.recording.set_recorder(Some(recorder));
        }
        followed
    }

    /// Offers batches of any size again.
    fn release_batches(&mut self) -> Result<(), ReplayStop> {
        for strategy in self.strategies.ids() {
            self.impose(strategy, RecordedFault::Batches(strategy, None))?;
        }
        Ok(())
    }

    /// Sets whether recoveries have a time limit: those on the tape met theirs.
    fn restore_time_limit(&mut self, restore_time_limit: bool) -> Result<(), ReplayStop> {
        for worker in 0..self.pool.len() {
            let task =
                Task::ApplyRecordedFault(RecordedFault::WithoutTimeLimit(!restore_time_limit));
            let _ = self.perform_task(worker, task)?;
        }
        Ok(())
    }

    fn follow_to_end(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayStop> {
        loop {
            cursor.fill(tape, self.events.next_sequence())?;
            while let Some((position, effect)) = cursor.next_before(self.events.next_sequence()) {
                cursor.last_effect_at = self.events.now();
                self.apply_effect(cursor, tape, position, effect)?;
                cursor.fill(tape, self.events.next_sequence())?;
            }
            self.pass_commands_on(cursor);
            self.report_progress(cursor, tape.is_watched(), observer)?;
            let most = cursor
                .limit(self.events.next_sequence())
                .saturating_sub(self.events.next_sequence());
            let most = usize::try_from(most).map_or(STRETCH, |most| most.min(STRETCH));
            self.read_stretch(cursor, tape, most)?;
            if self.events.window().is_empty() {
                break;
            }
            self.play_stretch(cursor, tape)?;
        }
        self.at_end_of_tape(cursor)
    }

    fn report_progress(
        &mut self,
        cursor: &ReplayCursor,
        watched: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayStop> {
        for (at, notice) in self.router.outbox.drain_notices() {
            // A resumed run reported all this before the interruption.
            if !cursor.venues {
                observer.notice(at, notice);
            }
        }
        if watched {
            observer.status(&self.status());
        } else {
            self.report_status(observer);
        }
        match self.inbox.is_stop_requested() {
            true => Err(EngineError::Tape("it was stopped".to_owned()).into()),
            false => Ok(()),
        }
    }

    /// Publishes a stretch of the tape, has the strategies decide, and steps the router through it.
    fn play_stretch(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
    ) -> Result<(), ReplayStop> {
        let first = self.events.next_sequence();
        let window = self.events.window();
        if let Some(event) = window
            .iter()
            .zip(first..)
            .find(|(event, at)| event.sequence != *at)
        {
            let problem = format!(
                "the events reel is broken: found event {} where {} should be",
                event.0.sequence, event.1
            );
            return Err(EngineError::Tape(problem).into());
        }
        let end = first + window.len() as u64;
        self.announce_outcomes(cursor)?;
        for fault in cursor
            .faults
            .extract_if(.., |fault| fault.offered.sequence() < end)
        {
            self.impose(fault.strategy, RecordedFault::At(fault))?;
        }
        // These are already recorded.
        let recorder = self.recording.take_recorder();
        let published = self.publish();
        self.recording.set_recorder(recorder);
        published?;
        self.catch_up()?;
        if cursor.ended_within {
            // A batch that reached beyond the tape, which may have been cut, would wait for the rest of it.
            self.release_batches()?;
        }
        cursor.sort(self.decisions.pending());
        let window = self.events.take_window();
        cursor.note_times(&window);
        let played = self.carry_out_stretch(cursor, tape, &window);
        self.events.return_window(window);
        played?;
        self.pass_commands_on(cursor);
        Ok(())
    }

    fn carry_out_stretch(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        window: &[Event],
    ) -> Result<(), ReplayStop> {
        for event in window {
            self.match_event(cursor, event)?;
            self.router.on_event(event);
            let position = event.sequence + 1;
            while let Some((at, effect)) = cursor.next_before(position) {
                cursor.last_effect_at = event.ts_host;
                self.apply_effect(cursor, tape, at, effect)?;
                cursor.fill(tape, self.events.next_sequence())?;
            }
            if cursor.is_exhausted() && self.time.is_lockstep() {
                self.carry_out_rest(cursor, tape, position)?;
            }
        }
        Ok(())
    }

    /// Carries out the decisions beyond the last recorded effect: they were not recorded, so they never left, and do now.
    fn carry_out_rest(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        position: u64,
    ) -> Result<(), ReplayStop> {
        let mut left = cursor.left_before(position);
        let Some(first) = left.first() else {
            return Ok(());
        };
        // A decision of a window before the last effect's would be on the tape; so would any, if the tape is merely cut short.
        if cursor.is_cut
            || self.time.window_end(first.at) < self.time.window_end(cursor.last_effect_at)
        {
            let found =
                AppliedAction::of(first, Timestamp::MIN).map_or(Finding::Nothing, Finding::Action);
            let (at, strategy) = (first.cause + 1, Some(first.strategy));
            return Err(differs(at, strategy, Finding::Nothing, found));
        }
        if let Some(recorder) = cursor.recorder.take() {
            self.recording.set_recorder(Some(recorder));
        }
        cursor.unkept += left.len() as u64;
        self.withhold(tape, &mut left);
        let first = left.first();
        cursor.extra = cursor
            .extra
            .or_else(|| AppliedAction::of(first?, Timestamp::MIN));
        self.decisions.set_pending(left);
        self.record_decisions();
        for intent in std::mem::take(self.decisions.pending()) {
            self.decisions.hash(&intent);
            self.router.on_intent(&intent);
        }
        self.resume_if_recorded();
        Ok(())
    }

    /// Marks the decisions of a strategy that may not continue as too late to open a position.
    fn withhold(&self, tape: &mut dyn Tape, intents: &mut [Intent]) {
        let mut asked: BTreeMap<StrategyId, bool> = BTreeMap::new();
        for intent in intents {
            let Decision::Act(action) = intent.decision else {
                continue;
            };
            let may_go_on = asked.entry(intent.strategy).or_insert_with(|| {
                let entry = self.strategies.get(intent.strategy);
                entry.is_none_or(|entry| tape.may_go_on(entry.name(), entry.hash()))
            });
            if !*may_go_on {
                intent.decision = Decision::Late(action);
            }
        }
    }

    fn at_end_of_tape(&mut self, cursor: &mut ReplayCursor) -> Result<(), ReplayStop> {
        if let Some((position, _)) = cursor.queue.front() {
            let problem = format!(
                "the actions reel continues to event {position}, but the events reel ends at {}: its tail is lost",
                self.events.next_sequence()
            );
            return Err(EngineError::Tape(problem).into());
        }
        if !cursor.ended {
            return Ok(());
        }
        // Answers that a free run stamps late are on the tape within a lookahead, or never. What it took in last may be recorded in
        // part.
        let late = cursor.whole_at.saturating_sub(self.time.lookahead_ns());
        if let Some(own) = cursor.own.iter().find(|own| own.since < late) {
            let own = Finding::Event(Box::new(own.event));
            return Err(differs(
                self.events.next_sequence(),
                None,
                Finding::Nothing,
                own,
            ));
        }
        if let Some(extra) = cursor.extra.take() {
            let strategy = Some(extra.strategy);
            let (at, extra) = (self.events.next_sequence(), Finding::Action(extra));
            return Err(differs(at, strategy, Finding::Nothing, extra));
        }
        if let Some(intent) = cursor.all_left().first() {
            let found = AppliedAction::of(intent, Timestamp::MIN);
            let found = found.map_or(
                Finding::Text("an instance's end".to_owned()),
                Finding::Action,
            );
            let strategy = Some(intent.strategy);
            return Err(differs(
                self.events.next_sequence(),
                strategy,
                Finding::Nothing,
                found,
            ));
        }
        Ok(())
    }
}
