//! Doing a recorded run once more: the events come off the tape, the strategies decide on them again, and every decision
//! must be the recorded one.
//!
//! The router carries out what was recorded, in the order in which it was. What it answers itself is derived again and
//! looked for on the tape. So a replay shows that the whole host does the same, not only the strategies; and where the tape
//! ends, the host stands where it stood, and can go on ([`Engine::resume`]).

mod cursor;
mod reapply;
mod sources;
mod stop;
mod tape;

pub use tape::{Divergence, Finding, Replayed, Resumed, Standing, Tape, TapeError};

use crate::config::Stepping;
use crate::effect::AppliedAction;
use crate::error::EngineError;
use crate::intent::{AT_END, Decision, hash_intent};
use crate::kernel::Engine;
use crate::replay::cursor::ReplayCursor;
use crate::report::{Ending, Observer};
use crate::worker::Task;
use crate::worker::recorded_faults::RecordedFault;
use stop::{ReplayStop, differs};
use tickdeck_model::{Event, Timestamp};

/// Events that are published at once: enough to keep the workers busy, few enough to stay in a core's cache.
const STRETCH: usize = 4_096;

impl Engine {
    /// Does a recorded run once more, as fast as may be, up to its end or the first difference. The venues are not asked.
    ///
    /// # Errors
    /// The tape can't be read, or a worker panicked.
    pub fn replay(
        mut self,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<Replayed, EngineError> {
        let started = self.clock.now_ns();
        let mut guide = ReplayCursor::of(self.windows());
        let divergence = match self.follow_tape(&mut guide, tape, observer) {
            Ok(()) => None,
            Err(ReplayStop::Differs(divergence)) => Some(*divergence),
            Err(ReplayStop::Fails(error)) => return Err(error),
        };
        self.clear_outbox();
        let took = self.took_since(started);
        let report = match divergence {
            None => self.finish(Ending::TapeOver, took, observer)?,
            // The replicas may differ: the router did what was recorded.
            Some(_) => self.break_off(took)?,
        };
        Ok(Replayed {
            report,
            compared: guide.compared,
            unkept: guide.unkept,
            ended: guide.ended,
            divergence,
        })
    }

    /// Does a recorded run once more up to the tape's end, and asks the strategies there what they would save.
    ///
    /// # Errors
    /// The tape can't be read, a worker panicked, or the run came out differently.
    pub fn state_at(
        mut self,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<Standing, EngineError> {
        let started = self.clock.now_ns();
        let mut guide = ReplayCursor::of(self.windows());
        match self.follow_tape(&mut guide, tape, observer) {
            Ok(()) => {}
            Err(ReplayStop::Differs(divergence)) => return Err(EngineError::Diverged(divergence)),
            Err(ReplayStop::Fails(error)) => return Err(error),
        }
        let status = self.status();
        let states = self.states()?;
        let portfolio = self.router.portfolio.clone();
        let took = self.took_since(started);
        self.break_off(took)?;
        Ok(Standing {
            status,
            states,
            portfolio,
        })
    }

    /// Brings the host to where a recorded run ends, for [`Engine::run`] to go on from there. The venues are simulated
    /// ones: they get the commands that they got, and must give the events that they gave.
    ///
    /// # Errors
    /// The run can't be done again as it was, and so not be gone on with; the text says where they differ.
    pub fn resume(
        &mut self,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<Resumed, EngineError> {
        let mut guide = ReplayCursor::of(self.windows()).with_venues(self.keeping.take());
        match self.follow_tape(&mut guide, tape, observer) {
            Ok(()) => {}
            Err(ReplayStop::Differs(divergence)) => return Err(EngineError::Diverged(divergence)),
            Err(ReplayStop::Fails(error)) => return Err(error),
        }
        // What a version decided while it caught up comes before all that it decides later: order numbers rise. What became
        // of instances counts from the end of the window, of which more may come.
        let lockstep = self.stepping == Stepping::Lockstep;
        let left = guide.all_left().into_iter();
        let (now, later) = left.partition(|intent| {
            let late = matches!(intent.decision, Decision::Late(_));
            intent.cause == AT_END && (late || !lockstep)
        });
        self.intents = now;
        let end = self.window_end(self.now);
        self.settle(if lockstep {
            end.saturating_sub(1)
        } else {
            self.now
        });
        self.intents = later;
        self.broken_off = lockstep.then_some(end);
        self.carried = guide.own.drain(..).chain(guide.given.drain(..)).collect();
        self.carried.sort_by_key(|event| event.ts_host);
        // What left just before it was cut off may not be on the tape.
        for sent in guide.leaving.drain(..) {
            self.keeping.effect(self.next_sequence, &sent);
        }
        self.next_states = self.next_sequence;
        self.stopped = guide.ended;
        Ok(Resumed {
            events: self.next_sequence,
            actions: guide.compared,
            unkept: guide.unkept,
        })
    }

    /// How long windows are, where the kernel works in windows.
    const fn windows(&self) -> Option<Timestamp> {
        match self.stepping {
            Stepping::Lockstep => Some(self.lookahead_ns),
            Stepping::Free => None,
        }
    }

    fn follow_tape(
        &mut self,
        guide: &mut ReplayCursor,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayStop> {
        self.guided = true;
        self.restore_time_limit(false)?;
        let followed = self.follow_to_end(guide, tape, observer);
        self.restore_time_limit(true)?;
        self.guided = false;
        if let Some(recorder) = guide.recorder.take() {
            self.record(recorder);
        }
        followed
    }

    /// Whether the workers have to be quick about bringing an instance somewhere: where it was recorded, it was in time.
    fn restore_time_limit(&mut self, restore_time_limit: bool) -> Result<(), ReplayStop> {
        for worker in 0..self.pool.len() {
            let task = Task::Force(RecordedFault::WithoutTimeLimit(!restore_time_limit));
            let _ = self.pool.perform(worker, task, &mut self.intents)?;
        }
        Ok(())
    }

    fn follow_to_end(
        &mut self,
        guide: &mut ReplayCursor,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayStop> {
        loop {
            guide.fill(tape, self.next_sequence)?;
            while let Some((position, effect)) = guide.next_before(self.next_sequence) {
                guide.done_at = self.now;
                self.apply_effect(guide, tape, position, effect)?;
                guide.fill(tape, self.next_sequence)?;
            }
            self.visit_venues(guide);
            self.tell_what_happened(guide, tape.is_watched(), observer)?;
            let most = guide
                .limit(self.next_sequence)
                .saturating_sub(self.next_sequence);
            let most = usize::try_from(most).map_or(STRETCH, |most| most.min(STRETCH));
            self.window.clear();
            tape.events(most, &mut self.window)?;
            if self.window.is_empty() {
                break;
            }
            self.play_stretch(guide, tape)?;
        }
        self.at_end_of_tape(guide)
    }

    fn tell_what_happened(
        &mut self,
        guide: &ReplayCursor,
        watched: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), ReplayStop> {
        for (at, notice) in self.router.outbox.notices.drain(..) {
            // A host that goes on has told all this before it was cut off.
            if !guide.venues {
                observer.notice(at, notice);
            }
        }
        if watched {
            observer.status(&self.status());
        } else {
            self.tell_status(observer);
        }
        match self.hearing.0.stopping() {
            true => Err(EngineError::Tape("it was stopped".to_owned()).into()),
            false => Ok(()),
        }
    }

    /// Publishes a stretch of the tape, lets the strategies decide, and goes through it with the router.
    fn play_stretch(
        &mut self,
        guide: &mut ReplayCursor,
        tape: &mut dyn Tape,
    ) -> Result<(), ReplayStop> {
        let first = self.next_sequence;
        if let Some(event) = self
            .window
            .iter()
            .zip(first..)
            .find(|(event, at)| event.sequence != *at)
        {
            let problem = format!(
                "the events reel breaks off: event {} stands where {} should",
                event.0.sequence, event.1
            );
            return Err(EngineError::Tape(problem).into());
        }
        let end = first + self.window.len() as u64;
        for fence in guide.fences.extract_if(.., |fence| fence.offered < end) {
            self.force(fence.strategy, RecordedFault::At(fence))?;
        }
        // These are kept already.
        let recorder = self.keeping.take();
        let published = self.publish();
        self.keeping.put(recorder);
        published?;
        self.pool.catch_up(self.next_sequence, &mut self.intents)?;
        guide.sort(&mut self.intents);
        let window = std::mem::take(&mut self.window);
        let played = self.go_through(guide, tape, &window);
        self.window = window;
        played?;
        self.visit_venues(guide);
        Ok(())
    }

    fn go_through(
        &mut self,
        guide: &mut ReplayCursor,
        tape: &mut dyn Tape,
        window: &[Event],
    ) -> Result<(), ReplayStop> {
        for event in window {
            self.look_for_own(guide, event)?;
            self.router.on_event(event);
            let position = event.sequence + 1;
            while let Some((at, effect)) = guide.next_before(position) {
                guide.done_at = event.ts_host;
                self.apply_effect(guide, tape, at, effect)?;
                guide.fill(tape, self.next_sequence)?;
            }
            if guide.is_exhausted() && self.stepping == Stepping::Lockstep {
                self.carry_out_rest(guide, position)?;
            }
        }
        Ok(())
    }

    /// Where the deeds end, so did what was recorded of decisions: what was decided beyond never left, and does now.
    fn carry_out_rest(
        &mut self,
        guide: &mut ReplayCursor,
        position: u64,
    ) -> Result<(), ReplayStop> {
        let left = guide.left_before(position);
        let Some(first) = left.first() else {
            return Ok(());
        };
        // One that was decided in an earlier window than the last deed's would be on the tape; so would any one if the tape
        // is only played no further.
        if guide.is_cut || self.window_end(first.at) < self.window_end(guide.done_at) {
            let found =
                AppliedAction::of(first, Timestamp::MIN).map_or(Finding::Nothing, Finding::Action);
            let (at, strategy) = (first.cause + 1, Some(first.strategy));
            return Err(differs(at, strategy, Finding::Nothing, found));
        }
        if let Some(recorder) = guide.recorder.take() {
            self.keeping.put(Some(recorder));
        }
        guide.unkept += left.len() as u64;
        let first = left.first();
        guide.extra = guide
            .extra
            .or_else(|| AppliedAction::of(first?, Timestamp::MIN));
        self.intents = left;
        self.keep_decisions();
        for intent in std::mem::take(&mut self.intents) {
            hash_intent(&mut self.actions_hash, &intent);
            self.router.on_intent(&intent);
        }
        self.resume_if_kept();
        Ok(())
    }

    fn at_end_of_tape(&mut self, guide: &mut ReplayCursor) -> Result<(), ReplayStop> {
        if let Some((position, _)) = guide.queue.front() {
            let problem = format!(
                "the actions reel goes on to event {position}, but the events reel ends at {}: its tail is lost",
                self.next_sequence
            );
            return Err(EngineError::Tape(problem).into());
        }
        if !guide.ended {
            return Ok(());
        }
        // Answers that a free run stamps when it comes to them are on the tape within a lookahead, or never.
        let late = self.now.saturating_sub(self.lookahead_ns);
        if let Some(own) = guide.own.iter().find(|own| own.ts_host < late) {
            let own = Finding::Event(Box::new(*own));
            return Err(differs(self.next_sequence, None, Finding::Nothing, own));
        }
        if let Some(extra) = guide.extra.take() {
            let strategy = Some(extra.strategy);
            let (at, extra) = (self.next_sequence, Finding::Action(extra));
            return Err(differs(at, strategy, Finding::Nothing, extra));
        }
        if let Some(intent) = guide.all_left().first() {
            let found = AppliedAction::of(intent, Timestamp::MIN);
            let found = found.map_or(
                Finding::Words("an instance's end".to_owned()),
                Finding::Action,
            );
            let strategy = Some(intent.strategy);
            return Err(differs(
                self.next_sequence,
                strategy,
                Finding::Nothing,
                found,
            ));
        }
        Ok(())
    }

    fn clear_outbox(&mut self) {
        self.router.outbox.commands.clear();
        self.router.outbox.notices.clear();
    }
}
