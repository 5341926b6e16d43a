//! Doing a recorded run once more: the events come off the tape, the strategies decide on them again, and every decision
//! must be the recorded one.
//!
//! The router carries out what was recorded, in the order in which it was. What it answers itself is derived again and
//! looked for on the tape. So a replay shows that the whole host does the same, not only the strategies; and where the tape
//! ends, the host stands where it stood, and can go on ([`Engine::resume`]).

use crate::action_ring::{AT_END, Decision, Intent};
use crate::config::Stepping;
use crate::control::{Change, Changed};
use crate::engine::{Engine, EngineError, hash_intent};
use crate::port::{ORDERS_PER_RUN, Seat, State, Version};
use crate::record::{Acted, ChangeKept, Deed, Outcome, Recorder, sent};
use crate::report::{Ending, Observer, Report};
use crate::shard::Task;
use std::collections::{BTreeMap, VecDeque};
use tickdeck_model::{Event, OrderStatus, StrategyId, Timestamp, View};

/// Events that are published at once: enough to keep the workers busy, few enough to stay in a core's cache.
const STRETCH: usize = 4_096;

/// Deeds that are read ahead, to see where the next change stands.
const AHEAD: usize = 8_192;

/// A recorded run.
pub trait Tape {
    /// Appends the next events, `most` at most; none at the end.
    ///
    /// # Errors
    /// The tape can't be read.
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError>;

    /// The next deed with its position; none at the end.
    ///
    /// # Errors
    /// The tape can't be read.
    fn deed(&mut self) -> Result<Option<(u64, Deed)>, TapeError>;

    /// Makes a version again.
    ///
    /// # Errors
    /// What it was made from is not there, or can't be loaded.
    fn version(&mut self, name: &str, recipe: &str) -> Result<Version, TapeError>;
}

/// Why a tape can't be played on. The text names the thing, the place and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TapeError(pub String);

/// Where a run did something else than was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Events that both had taken in.
    pub position: u64,
    /// Whose, if it is about one strategy.
    pub strategy: Option<StrategyId>,
    /// What was recorded.
    pub recorded: Finding,
    /// What was done now.
    pub found: Finding,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// An action.
    Acted(Acted),
    /// What became of an instance.
    Outcome(Outcome),
    /// An event.
    Event(Box<Event>),
    /// A state, of this schema and this many bytes.
    State(u32, usize),
    /// Something else, in words.
    Words(String),
}

/// What a replay came to.
#[derive(Debug)]
pub struct Replayed {
    /// As of a run; its hashes are over what was done now.
    pub report: Report,
    /// Actions that were compared.
    pub compared: u64,
    /// Actions that were decided now and are not on the tape because it ends before they could be recorded.
    pub unkept: u64,
    /// Whether the recorded run ended in order.
    pub ended: bool,
    /// The first difference; nothing after it was played.
    pub divergence: Option<Divergence>,
}

/// How far a host came that goes on where a recorded run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// Events on the tape.
    pub events: u64,
    /// Actions on the tape.
    pub actions: u64,
    /// Actions that had been decided and not recorded: they never left, and do now.
    pub unkept: u64,
}

/// A way to stop: a difference, or an error.
enum Stop {
    Differs(Box<Divergence>),
    Fails(EngineError),
}

impl<T: Into<EngineError>> From<T> for Stop {
    fn from(error: T) -> Self {
        Self::Fails(error.into())
    }
}

impl From<TapeError> for EngineError {
    fn from(error: TapeError) -> Self {
        Self::Tape(error.0)
    }
}

/// What stands between the tape and the kernel.
#[derive(Default)]
struct Guide {
    queue: VecDeque<(u64, Deed)>,
    /// Positions of the deeds in the queue that the workers must not be ahead of.
    barriers: VecDeque<u64>,
    /// No deed comes any more.
    over: bool,
    decided: BTreeMap<StrategyId, Decided>,
    /// Events of ours that must be on the tape.
    own: VecDeque<Event>,
    /// States as of a position.
    states: Option<(u64, Vec<(StrategyId, State)>)>,
    compared: u64,
    unkept: u64,
    /// The first of those that are not on the tape.
    extra: Option<Acted>,
    ended: bool,
    /// The venues are there and get what they got.
    venues: bool,
    /// Faults that must happen again, and at which batch: what a limit in time ended is not ended by it again.
    fences: Vec<(StrategyId, u64)>,
    /// Commands that were given rise to and that the tape has not come to.
    leaving: VecDeque<Deed>,
    /// How many of the router's commands are among them.
    noted: usize,
    /// What the venues gave that the tape has not come to.
    given: VecDeque<Event>,
    /// Takes over where the deeds end.
    recorder: Option<Box<dyn Recorder>>,
}

/// What a strategy decided now and was not compared yet.
#[derive(Default)]
struct Decided {
    acts: VecDeque<Intent>,
    at_end: VecDeque<Intent>,
}

impl Guide {
    /// Reads ahead.
    fn fill(&mut self, tape: &mut dyn Tape) -> Result<(), TapeError> {
        while !self.over && self.queue.len() < AHEAD {
            match tape.deed()? {
                None => self.over = true,
                // The run had not begun to deny what was handed over before.
                Some((_, Deed::Halted { denied, .. })) => self.mark_denied(denied),
                Some((position, deed)) => {
                    if is_barrier(&deed) {
                        self.barriers.push_back(position);
                    }
                    if let Deed::Settled {
                        strategy,
                        outcome: Outcome::Fenced(Some(offered)),
                        ..
                    } = deed
                    {
                        self.fences.push((strategy, offered));
                    }
                    self.queue.push_back((position, deed));
                }
            }
        }
        Ok(())
    }

    fn mark_denied(&mut self, denied: u32) {
        let acted = self
            .queue
            .iter_mut()
            .rev()
            .filter_map(|(_, deed)| match deed {
                Deed::Acted(acted) => Some(acted),
                _ => None,
            });
        for acted in acted.take(denied as usize) {
            acted.late = true;
        }
    }

    /// How far the workers may go.
    fn limit(&self) -> u64 {
        match (self.barriers.front(), self.queue.back()) {
            (Some(barrier), _) => *barrier,
            (None, Some((last, _))) if !self.over => *last,
            _ => u64::MAX,
        }
    }

    fn next_before(&mut self, position: u64) -> Option<(u64, Deed)> {
        let next = self.queue.pop_front_if(|(at, _)| *at <= position)?;
        if is_barrier(&next.1) {
            self.barriers.pop_front();
        }
        Some(next)
    }

    /// Whether the change at hand was refused; not known where the tape ends before it was done.
    fn was_refused(&self, position: u64) -> Option<bool> {
        let after = self.queue.iter().take_while(|(at, _)| *at == position);
        for (_, deed) in after {
            match deed {
                Deed::Refused { .. } => return Some(true),
                Deed::Changed { .. } => return Some(false),
                _ => {}
            }
        }
        let goes_on = self.queue.iter().any(|(at, _)| *at > position);
        (goes_on || !self.over).then_some(false)
    }

    fn is_exhausted(&self) -> bool {
        self.over && self.queue.is_empty()
    }

    /// Takes in what was decided.
    fn sort(&mut self, intents: &mut Vec<Intent>) {
        for intent in intents.drain(..) {
            let decided = self.decided.entry(intent.strategy).or_default();
            if intent.cause == AT_END {
                decided.at_end.push_back(intent);
            } else {
                decided.acts.push_back(intent);
            }
        }
    }

    fn take(&mut self, strategy: StrategyId, at_end: bool) -> Option<Intent> {
        let decided = self.decided.get_mut(&strategy)?;
        if at_end {
            decided.at_end.pop_front()
        } else {
            decided.acts.pop_front()
        }
    }

    /// Decisions because of events before `position`, in the order in which they count.
    fn left_before(&mut self, position: u64) -> Vec<Intent> {
        let mut left = Vec::new();
        for decided in self.decided.values_mut() {
            while let Some(intent) = decided.acts.pop_front_if(|intent| intent.cause < position) {
                left.push(intent);
            }
        }
        left.sort_unstable_by_key(Intent::key);
        left
    }

    fn all_left(&mut self) -> Vec<Intent> {
        let mut left = self.left_before(u64::MAX);
        for decided in self.decided.values_mut() {
            left.extend(decided.at_end.drain(..));
        }
        left
    }
}

/// Whether the workers must stand exactly at it.
const fn is_barrier(deed: &Deed) -> bool {
    match deed {
        Deed::Acted(acted) => acted.is_at_end(),
        Deed::Sent { .. } | Deed::Halted { .. } | Deed::Kept | Deed::Refused { .. } => false,
        Deed::Settled { .. }
        | Deed::Operated { .. }
        | Deed::GaveUp { .. }
        | Deed::Changed { .. }
        | Deed::Asked
        | Deed::Saved { .. }
        | Deed::Stopping { .. } => true,
    }
}

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
        let mut guide = Guide::default();
        let divergence = match self.follow_tape(&mut guide, tape, observer) {
            Ok(()) => None,
            Err(Stop::Differs(divergence)) => Some(*divergence),
            Err(Stop::Fails(error)) => return Err(error),
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
        let mut guide = Guide {
            venues: true,
            recorder: self.keeping.take(),
            ..Guide::default()
        };
        match self.follow_tape(&mut guide, tape, observer) {
            Ok(()) => {}
            Err(Stop::Differs(divergence)) => return Err(EngineError::Diverged(divergence)),
            Err(Stop::Fails(error)) => return Err(error),
        }
        // What a version decided while it caught up comes before all that it decides later: order numbers rise.
        let left = guide.all_left().into_iter();
        let (at_end, acts) = left.partition(|intent| intent.cause == AT_END);
        self.intents = at_end;
        self.settle(match self.stepping {
            Stepping::Lockstep => self.window_end(self.now).saturating_sub(1),
            Stepping::Free => self.now,
        });
        self.intents = acts;
        self.carried = guide.own.drain(..).chain(guide.given.drain(..)).collect();
        self.carried.sort_by_key(|event| event.ts_host);
        // What left just before it was cut off may not be on the tape.
        for sent in guide.leaving.drain(..) {
            self.keeping.deed(self.next_sequence, &sent);
        }
        self.next_states = self.next_sequence;
        self.stopped = guide.ended;
        Ok(Resumed {
            events: self.next_sequence,
            actions: guide.compared,
            unkept: guide.unkept,
        })
    }

    fn follow_tape(
        &mut self,
        guide: &mut Guide,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<(), Stop> {
        self.guided = true;
        let followed = self.follow_to_end(guide, tape, observer);
        self.guided = false;
        if let Some(recorder) = guide.recorder.take() {
            self.record(recorder);
        }
        followed
    }

    fn follow_to_end(
        &mut self,
        guide: &mut Guide,
        tape: &mut dyn Tape,
        observer: &mut dyn Observer,
    ) -> Result<(), Stop> {
        loop {
            guide.fill(tape)?;
            while let Some((position, deed)) = guide.next_before(self.next_sequence) {
                self.carry_out_deed(guide, tape, position, deed)?;
                guide.fill(tape)?;
            }
            self.visit_venues(guide)?;
            let most = guide.limit().saturating_sub(self.next_sequence);
            let most = usize::try_from(most).map_or(STRETCH, |most| most.min(STRETCH));
            self.window.clear();
            tape.events(most, &mut self.window)?;
            if self.window.is_empty() {
                break;
            }
            self.play_stretch(guide, tape)?;
            for (at, notice) in self.router.outbox.notices.drain(..) {
                // A host that goes on has told all this before it was cut off.
                if !guide.venues {
                    observer.notice(at, notice);
                }
            }
            self.tell_status(observer);
            if self.hearing.0.stopping() {
                return Err(EngineError::Tape("it was stopped".to_owned()).into());
            }
        }
        self.at_end_of_tape(guide)
    }

    /// Publishes a stretch of the tape, lets the strategies decide, and goes through it with the router.
    fn play_stretch(&mut self, guide: &mut Guide, tape: &mut dyn Tape) -> Result<(), Stop> {
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
        if !guide.fences.is_empty() {
            for worker in 0..self.crew.len() {
                let fences = Task::Fence(guide.fences.clone());
                let _ = self.crew.perform(worker, fences, &mut self.intents)?;
            }
            guide.fences.clear();
        }
        // These are kept already.
        let recorder = self.keeping.take();
        let published = self.publish();
        self.keeping.put(recorder);
        published?;
        self.crew.catch_up(self.next_sequence, &mut self.intents)?;
        guide.sort(&mut self.intents);
        let window = std::mem::take(&mut self.window);
        let played = self.go_through(guide, tape, &window);
        self.window = window;
        played?;
        self.visit_venues(guide)
    }

    fn go_through(
        &mut self,
        guide: &mut Guide,
        tape: &mut dyn Tape,
        window: &[Event],
    ) -> Result<(), Stop> {
        for event in window {
            self.look_for_own(guide, event)?;
            self.router.on_event(event);
            let position = event.sequence + 1;
            while let Some((at, deed)) = guide.next_before(position) {
                self.carry_out_deed(guide, tape, at, deed)?;
            }
            if guide.is_exhausted() && self.stepping == Stepping::Lockstep {
                self.carry_out_rest(guide, position);
            }
        }
        Ok(())
    }

    /// Takes an event of ours off those that must come, if it is one.
    fn look_for_own(&mut self, guide: &mut Guide, event: &Event) -> Result<(), Stop> {
        // As live: what is due in a window is gathered before anything is decided in it.
        let until = match self.stepping {
            Stepping::Lockstep => self.window_end(event.ts_host),
            Stepping::Free => event.ts_host.saturating_add(1),
        };
        if self.router.next_due().is_some_and(|due| due < until) {
            let mut due = Vec::new();
            self.router.poll(until, &mut due);
            due.sort_by_key(|event| event.ts_host);
            guide.own.extend(due);
        }
        let free = self.stepping == Stepping::Free;
        if let Some(at) = guide.own.iter().position(|own| is_same(own, event, free)) {
            guide.own.remove(at);
        } else if let Some(own) = guide
            .own
            .front()
            .filter(|own| !free && own.ts_host < event.ts_host)
        {
            return Err(differs(
                event.sequence,
                None,
                Finding::Event(Box::new(*event)),
                Finding::Event(Box::new(*own)),
            ));
        } else if !free && is_ours(event) {
            return Err(differs(
                event.sequence,
                None,
                Finding::Event(Box::new(*event)),
                Finding::Nothing,
            ));
        } else if guide.venues {
            self.expect_of_venues(guide, event)?;
        }
        Ok(())
    }

    /// What the venues gave must be what the tape has.
    fn expect_of_venues(&mut self, guide: &mut Guide, event: &Event) -> Result<(), Stop> {
        if guide.given.is_empty() {
            // What is sent from here on shows after the window, so the venues may go so far ahead; unless time goes by, and
            // what is ahead has not happened.
            let until = match self.stepping {
                Stepping::Lockstep => self.window_end(event.ts_host),
                Stepping::Free => event.ts_host.saturating_add(1),
            };
            self.ask_venues(guide, until);
        }
        match guide.given.pop_front() {
            Some(given) if is_same(&given, event, self.stepping == Stepping::Free) => Ok(()),
            given => Err(differs(
                event.sequence,
                None,
                Finding::Event(Box::new(*event)),
                given.map_or(Finding::Nothing, |given| Finding::Event(Box::new(given))),
            )),
        }
    }

    /// Gives the venues what they were sent, and takes what they have until then.
    fn ask_venues(&mut self, guide: &mut Guide, until: Timestamp) {
        self.note_commands(guide);
        guide.noted = 0;
        for (venue, at, command) in self.router.outbox.commands.drain(..) {
            let mut venues = self.venues.iter_mut();
            if let Some(venue) = venues.find(|other| other.terms.venue == venue && !other.broken) {
                venue.gateway.send(at, command);
            }
        }
        let mut given = Vec::new();
        for venue in self.venues.iter_mut().filter(|venue| !venue.broken) {
            if venue.gateway.poll(until, &mut given).is_err() {
                (venue.open, venue.broken) = (false, true);
            }
        }
        given.sort_by_key(|event| event.ts_host);
        guide.given.extend(given);
    }

    /// Passes commands on to the venues if they are there.
    fn visit_venues(&mut self, guide: &mut Guide) -> Result<(), Stop> {
        if guide.venues {
            self.ask_venues(guide, self.now.saturating_add(1));
        } else {
            self.note_commands(guide);
            guide.noted = 0;
            self.router.outbox.commands.clear();
        }
        Ok(())
    }

    /// Where the deeds end, so did what was recorded of decisions: what was decided beyond never left, and does now.
    fn carry_out_rest(&mut self, guide: &mut Guide, position: u64) {
        let left = guide.left_before(position);
        if left.is_empty() {
            return;
        }
        if let Some(recorder) = guide.recorder.take() {
            self.keeping.put(Some(recorder));
        }
        guide.unkept += left.len() as u64;
        let first = left.first();
        guide.extra = guide.extra.or_else(|| Acted::of(first?, Timestamp::MIN));
        self.intents = left;
        self.keep_decisions();
        for intent in std::mem::take(&mut self.intents) {
            hash_intent(&mut self.actions_hash, &intent);
            self.router.on_intent(&intent);
        }
        self.resume_if_kept();
    }

    fn at_end_of_tape(&mut self, guide: &mut Guide) -> Result<(), Stop> {
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
            let (at, extra) = (self.next_sequence, Finding::Acted(extra));
            return Err(differs(at, strategy, Finding::Nothing, extra));
        }
        if let Some(intent) = guide.all_left().first() {
            let found = Acted::of(intent, Timestamp::MIN);
            let found = found.map_or(
                Finding::Words("an instance's end".to_owned()),
                Finding::Acted,
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

    fn carry_out_deed(
        &mut self,
        guide: &mut Guide,
        tape: &mut dyn Tape,
        position: u64,
        deed: Deed,
    ) -> Result<(), Stop> {
        match deed {
            Deed::Acted(acted) => self.act_again(guide, position, acted)?,
            Deed::Settled {
                at,
                strategy,
                outcome,
            } => self.settle_again(guide, position, (at, strategy, outcome))?,
            Deed::Operated { at, order } => self.router.operate(at, order),
            Deed::GaveUp { at, strategy } => {
                self.failed_trials.retain(|other| *other != strategy);
                self.give_up(strategy, at)?;
            }
            Deed::Changed { at, what } => {
                let refused = guide.was_refused(position);
                self.change_again(tape, position, at, (what, refused))?;
            }
            Deed::Asked => guide.states = Some((position, self.states()?)),
            Deed::Saved { strategy, state } => {
                self.save_again(guide, position, strategy, &state)?;
            }
            Deed::Stopping { at } => {
                guide.ended = true;
                self.stop_strategies(at)?;
            }
            deed @ Deed::Sent { .. } => self.send_again(guide, position, &deed)?,
            Deed::Halted { .. } | Deed::Kept | Deed::Refused { .. } => {}
        }
        self.note_commands(guide);
        guide.sort(&mut self.intents);
        Ok(())
    }

    /// Takes in what is to leave.
    fn note_commands(&self, guide: &mut Guide) {
        let commands = &self.router.outbox.commands;
        let new = commands[guide.noted..].iter();
        guide
            .leaving
            .extend(new.filter_map(|(_, at, command)| sent(*at, command)));
        guide.noted = commands.len();
    }

    fn send_again(&self, guide: &mut Guide, position: u64, taped: &Deed) -> Result<(), Stop> {
        let left = guide.leaving.pop_front();
        if left.as_ref() == Some(taped) {
            return Ok(());
        }
        let words = |deed: &Deed| Finding::Words(format!("{deed:?}"));
        let found = left.as_ref().map_or(Finding::Nothing, words);
        Err(differs(position, None, words(taped), found))
    }

    fn act_again(&mut self, guide: &mut Guide, position: u64, acted: Acted) -> Result<(), Stop> {
        let found = guide.take(acted.strategy, acted.is_at_end());
        let mut found = found.and_then(|intent| Acted::of(&intent, acted.leaves_at));
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
                Finding::Acted(acted),
                found.map_or(Finding::Nothing, Finding::Acted),
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
        guide: &mut Guide,
        position: u64,
        (at, strategy, outcome): (Timestamp, StrategyId, Outcome),
    ) -> Result<(), Stop> {
        let found = guide.take(strategy, true);
        let now = found
            .as_ref()
            .and_then(|intent| Outcome::of(&intent.decision));
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

    fn change_again(
        &mut self,
        tape: &mut dyn Tape,
        position: u64,
        at: Timestamp,
        (what, refused): (ChangeKept, Option<bool>),
    ) -> Result<(), Stop> {
        let strategy = what.strategy();
        let change = match what {
            ChangeKept::Seat {
                strategy,
                name,
                allocation,
                last_order,
                recipe,
                ..
            } => {
                let version = tape.version(&name, &recipe)?;
                let next_order = last_order.saturating_sub(ORDERS_PER_RUN - 1);
                let known = self.cards.iter().any(|card| card.id == strategy);
                let seat = if known {
                    match self.carry_out_change(Change::Rehearse(strategy), at)? {
                        Ok(Changed::Rehearsal(left)) => {
                            left.seat(name, allocation, next_order, version)
                        }
                        _ => return Err(EngineError::Tape(format!("`{name}` has no place")).into()),
                    }
                } else {
                    let named = (strategy, name);
                    Seat::start(&self.registry, named, allocation, next_order, version)
                };
                Change::Seat(Box::new(seat.map_err(|fault| TapeError(fault.0))?))
            }
            ChangeKept::Swap { strategy, recipe } => {
                let card = self.cards.iter().find(|card| card.id == strategy);
                let name = card.map_or_else(String::new, |card| card.name.clone());
                Change::Swap(strategy, Box::new(tape.version(&name, &recipe)?))
            }
            ChangeKept::Promote(strategy) => Change::Promote(strategy),
            ChangeKept::RollBack(strategy) => Change::RollBack(strategy),
            ChangeKept::Remove(strategy) => Change::Remove(strategy),
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
        guide: &mut Guide,
        position: u64,
        strategy: StrategyId,
        state: &State,
    ) -> Result<(), Stop> {
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

    fn clear_outbox(&mut self) {
        self.router.outbox.commands.clear();
        self.router.outbox.notices.clear();
    }
}

/// Whether only the host itself can have made an event.
fn is_ours(event: &Event) -> bool {
    match event.view() {
        View::Timer(_) | View::Signal(_) => true,
        View::Order(update) => matches!(
            update.status,
            OrderStatus::Submitted
                | OrderStatus::Denied
                | OrderStatus::PendingModify
                | OrderStatus::PendingCancel
        ),
        _ => false,
    }
}

/// Whether an event of the tape is this one; a kernel that runs freely stamps what comes late anew.
fn is_same(one: &Event, taped: &Event, free: bool) -> bool {
    let mut one = *one;
    one.sequence = taped.sequence;
    if free && one.ts_host < taped.ts_host {
        if one.ts_venue == one.ts_host {
            one.ts_venue = taped.ts_host;
        }
        one.ts_host = taped.ts_host;
    }
    one == *taped
}

fn differs(position: u64, strategy: Option<StrategyId>, recorded: Finding, found: Finding) -> Stop {
    Stop::Differs(Box::new(Divergence {
        position,
        strategy,
        recorded,
        found,
    }))
}
