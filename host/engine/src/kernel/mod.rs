//! The kernel: takes event time forward, window by window.
//!
//! A window starts at the next thing that is due and is one *lookahead* long: the least time between a command and the
//! first event it can cause. Nothing that is decided within a window can thus change the window itself, so all of it
//! can go through the ring at once, on any number of workers, before what was decided is merged by cause and carried
//! out. That is why the same tape gives the same actions with any batching and any number of threads.
//!
//! For venues that are really there the kernel runs freely instead; see `free`.

mod build;
mod changes;
mod entry;
mod free_running;

use crate::config::Stepping;
use crate::effect::{Effect, Recording};
use crate::handle::{ChangeAnswer, ChangeOrigin, EngineHandle, Hearing, Request};
use crate::intent::{Decision, Intent};
use crate::kernel::entry::StrategyEntry;
use crate::middleware::OrderMiddleware;
use crate::port::{Clock, Due, Gateway, StopReason, VenueTerms};
use crate::replay::Divergence;
use crate::report::{Ending, Notice, Observer, Report, STATUS_INTERVAL_NS};
use crate::router::Router;
use crate::worker::pool::{WorkerError, WorkerPool};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tickdeck_model::{Currency, Event, Registry, StrategyId, Timestamp};
use tickdeck_ring::{Producer, RingError};
use xxhash_rust::xxh3::Xxh3;
use zerocopy::IntoBytes;

/// How often the clock is looked at for a status, in windows.
const WINDOWS_PER_LOOK: u64 = 64;

/// Event time that the venues get at the end to confirm cancels.
const GRACE_NS: i64 = 5_000_000_000;

/// Why an engine cannot start or go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// There is nothing to take events from; configure a venue.
    #[error("there is no venue: an engine needs at least one")]
    NoVenue,
    /// A setting cannot be; the text names it.
    #[error("setting `{name}`: {problem}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The ring cannot be made that way.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A worker failed.
    #[error(transparent)]
    WorkerPool(#[from] WorkerError),
    /// A recorded run can't be played.
    #[error("{0}")]
    Tape(String),
    /// A recorded run can't be gone on with.
    #[error("the run that was recorded can't be gone on with: it comes out differently now, at event {}: recorded {:?}, now {:?}", .0.position, .0.recorded, .0.found)]
    Diverged(Box<Divergence>),
    /// What happens can't be kept, and there is no room left for what waits.
    #[error("{problem}")]
    NotKept {
        /// What is wrong.
        problem: String,
    },
    /// Two replicas of the store came to different results: a bug in Tickdeck.
    #[error(
        "the store's replicas differ: worker {worker} and the router disagree on strategy `{strategy}`"
    )]
    Replicas {
        /// Which worker.
        worker: usize,
        /// Whose book.
        strategy: String,
    },
}

pub(crate) struct Venue {
    pub(crate) gateway: Box<dyn Gateway>,
    pub(crate) terms: VenueTerms,
    /// Still to be asked.
    pub(crate) open: bool,
    pub(crate) broken: bool,
}

/// What a run took, by the clock.
pub(crate) struct Took {
    elapsed_ns: u64,
    first_action_ns: Option<u64>,
}

/// The engine.
pub struct Engine {
    pub(crate) venues: Vec<Venue>,
    pub(crate) router: Router,
    pub(crate) pool: WorkerPool,
    pub(crate) producer: Producer<Event>,
    pub(crate) hearing: Hearing,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) cards: Vec<StrategyEntry>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) currencies: Vec<Currency>,
    pub(crate) stepping: Stepping,
    pub(crate) lookahead_ns: i64,
    pub(crate) max_market_events: u64,
    pub(crate) now: Timestamp,
    pub(crate) next_sequence: u64,
    pub(crate) events: u64,
    /// When a status is to be told next.
    pub(crate) next_status_ns: u64,
    pub(crate) tape_hash: Xxh3,
    pub(crate) actions_hash: Xxh3,
    pub(crate) window: Vec<Event>,
    pub(crate) intents: Vec<Intent>,
    /// What the kernel that runs freely has carried out and not yet hashed.
    pub(crate) decided: Vec<Intent>,
    /// New versions that wait for the window in which the old one's last call is timed.
    pub(crate) expected: Vec<Request>,
    /// The origin of the change at hand.
    pub(crate) origin: Option<ChangeOrigin>,
    /// Answers to requests, to be sent after the notices.
    pub(crate) answers: Vec<(Sender<ChangeAnswer>, ChangeAnswer)>,
    pub(crate) failed_trials: Vec<StrategyId>,
    /// When the first action was carried out, by the clock.
    pub(crate) first_action_at: Option<u64>,
    pub(crate) keeping: Recording,
    /// The strategies were stopped before the run was cut off.
    pub(crate) stopped: bool,
    /// A tape says what counts and when.
    pub(crate) guided: bool,
    /// Events that belong to the next window: what is left of one that a crash cut short.
    pub(crate) carried: Vec<Event>,
    /// The end of the window in which a run was cut off that is gone on with: what counts from there has not yet been
    /// carried out.
    pub(crate) broken_off: Option<Timestamp>,
    /// When states are to be kept next, in events.
    pub(crate) next_states: u64,
}

impl Engine {
    /// A handle for operators.
    pub fn controls(&self) -> EngineHandle {
        self.hearing.0.clone()
    }

    /// Adds a check between the strategies and the venues, behind risk and those added before.
    pub fn push_order_middleware(&mut self, middleware: Box<dyn OrderMiddleware>) {
        self.router.push_middleware(middleware);
    }

    /// Plays until the tape is over, the limit is reached or someone asks to stop; then stops the strategies and
    /// handles their orders by policy.
    ///
    /// # Errors
    /// A worker panicked, or the replicas of the store disagree: bugs in Tickdeck.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Report, EngineError> {
        let started = self.clock.now_ns();
        self.next_status_ns = started;
        let ending = match self.stepping {
            Stepping::Lockstep => self.run_windows(observer)?,
            Stepping::Free => self.run_freely(observer)?,
        };
        if let Some(problem) = self.keeping.overflow.take() {
            return Err(EngineError::NotKept { problem });
        }
        let took = self.took_since(started);
        self.wind_down(observer)?;
        self.finish(ending, took, observer)
    }

    pub(crate) fn took_since(&self, started: u64) -> Took {
        Took {
            elapsed_ns: self.clock.now_ns().saturating_sub(started),
            first_action_ns: self.first_action_at.map(|at| at.saturating_sub(started)),
        }
    }

    /// Plays window by window until there is a reason to end.
    fn run_windows(&mut self, observer: &mut dyn Observer) -> Result<Ending, EngineError> {
        let mut windows: u64 = 0;
        loop {
            if let Some(ending) = self.ending() {
                return Ok(ending);
            }
            let Some(start) = self.next_due() else {
                return Ok(self.tape_over());
            };
            if let Some(end) = self.broken_off.take_if(|end| *end <= start) {
                // What follows from it may be due before what was found due.
                self.attend(end.saturating_sub(1))?;
                self.dispatch(observer);
                continue;
            }
            self.clock.wait_until(start);
            if self.hearing.0.stopping() {
                return Ok(Ending::Asked);
            }
            self.play(start, observer)?;
            windows += 1;
            if windows.is_multiple_of(WINDOWS_PER_LOOK) || self.clock.paces() {
                self.tell_status(observer);
            }
        }
    }

    /// Tells how everything stands, if it is time.
    pub(crate) fn tell_status(&mut self, observer: &mut dyn Observer) {
        let now_ns = self.clock.now_ns();
        if now_ns >= self.next_status_ns {
            self.next_status_ns = now_ns + STATUS_INTERVAL_NS;
            observer.status(&self.status());
        }
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        // What is left of a window that was cut off is played first.
        let whole = self.carried.is_empty();
        if whole && self.router.tally.market_events >= self.max_market_events {
            return Some(Ending::Limit);
        }
        if self.hearing.0.stopping() || self.stopped || self.keeping.overflow.is_some() {
            return Some(Ending::Asked);
        }
        let over = whole && self.venues.iter().all(|venue| !venue.open);
        over.then(|| self.tape_over())
    }

    fn tape_over(&self) -> Ending {
        if self.venues.iter().all(|venue| venue.broken) {
            Ending::Broken
        } else {
            Ending::TapeOver
        }
    }

    /// When the next event of ours is due, or one that was left over.
    pub(crate) fn own_due(&self) -> Option<Timestamp> {
        let carried = self.carried.first().map(|event| event.ts_host);
        carried.into_iter().chain(self.router.next_due()).min()
    }

    /// When the next event of any source is due.
    pub(crate) fn next_due(&mut self) -> Option<Timestamp> {
        let mut next = self.own_due();
        for venue in self.venues.iter_mut().filter(|venue| venue.open) {
            match venue.gateway.next_due() {
                Due::At(due) => next = Some(next.map_or(due, |next| next.min(due))),
                Due::Idle => {}
                Due::Over => venue.open = false,
            }
        }
        if self.carried.is_empty() && self.venues.iter().all(|venue| !venue.open) {
            None
        } else {
            next
        }
    }

    /// Where the window that begins at `start` ends. Windows lie on a grid of lookaheads, so that where they end does not
    /// depend on where a run was cut off and gone on with.
    pub(crate) const fn window_end(&self, start: Timestamp) -> Timestamp {
        let into = start.rem_euclid(self.lookahead_ns);
        start.saturating_add(self.lookahead_ns - into)
    }

    /// Plays one window: gather, publish, let the strategies decide, carry out.
    fn play(&mut self, start: Timestamp, observer: &mut dyn Observer) -> Result<(), EngineError> {
        let end = self.window_end(start);
        self.broken_off = None;
        self.gather(end);
        self.publish()?;
        self.pool.catch_up(self.next_sequence, &mut self.intents)?;
        self.carry_out();
        self.note_first_action();
        self.attend(end.saturating_sub(1))?;
        self.keep_states_in_time()?;
        self.dispatch(observer);
        Ok(())
    }

    /// Puts the window on the ring.
    pub(crate) fn publish(&mut self) -> Result<(), EngineError> {
        let (Some(first), Some(last)) = (self.window.first(), self.window.last()) else {
            return Ok(());
        };
        assert!(
            first.ts_host >= self.now,
            "host time never falls: a gateway broke its contract"
        );
        self.now = last.ts_host;
        for event in &mut self.window {
            event.sequence = self.next_sequence;
            self.next_sequence += 1;
        }
        self.pool
            .publish(&mut self.producer, &self.window, &mut self.intents)?;
        // The workers have begun; nothing that they decide is carried out before this is kept.
        self.keeping.events(&self.window);
        self.events += self.window.len() as u64;
        self.tape_hash.update(self.window.as_bytes());
        Ok(())
    }

    /// Notes when the first action was carried out.
    pub(crate) fn note_first_action(&mut self) {
        if self.first_action_at.is_none() && self.router.tally.actions > 0 {
            self.first_action_at = Some(self.clock.now_ns());
        }
    }

    /// Gathers every event before `end`, in the order of host time; at the same time our own answers come before the
    /// venues' events, and the venues keep the order they were given in.
    pub(crate) fn gather(&mut self, end: Timestamp) {
        self.window.clear();
        self.router.poll(end, &mut self.window);
        self.window.append(&mut self.carried);
        for venue in self.venues.iter_mut().filter(|venue| !venue.broken) {
            if let Err(error) = venue.gateway.poll(end, &mut self.window) {
                venue.open = false;
                venue.broken = true;
                self.router.outbox.notices.push((
                    self.now,
                    Notice::Broken {
                        problem: error.to_string(),
                    },
                ));
            }
        }
        // A stable sort: at the same time the order of the sources stands.
        if !self.window.is_sorted_by_key(|event| event.ts_host) {
            self.window.sort_by_key(|event| event.ts_host);
        }
    }

    /// Merges what was decided with what caused it, and carries it out.
    fn carry_out(&mut self) {
        self.intents.sort_unstable_by_key(Intent::key);
        self.keep_decisions();
        let mut intents = self.intents.iter().peekable();
        for event in &self.window {
            self.router.on_event(event);
            while let Some(intent) = intents.next_if(|intent| intent.cause <= event.sequence) {
                hash_intent(&mut self.actions_hash, intent);
                self.router.on_intent(intent);
            }
        }
        let done = self.intents.len() - intents.count();
        self.intents.drain(..done);
        self.resume_if_kept();
    }

    /// Sends commands to the venues and notices to the observer.
    pub(crate) fn dispatch(&mut self, observer: &mut dyn Observer) {
        self.keep_commands();
        for (venue, at, command) in self.router.outbox.commands.drain(..) {
            if let Some(venue) = self
                .venues
                .iter_mut()
                .find(|other| other.terms.venue == venue && !other.broken)
            {
                venue.gateway.send(at, command);
            }
        }
        for (at, notice) in self.router.outbox.notices.drain(..) {
            observer.notice(at, notice);
        }
        for (sender, answer) in self.answers.drain(..) {
            // The asker may have given up.
            let _ = sender.send(answer);
        }
    }

    /// Stops the strategies, cancels what is to be canceled, and gives the venues time to confirm it.
    fn wind_down(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.hearing.0.close();
        // Nothing is swapped or rolled back any more, or another instance would trade on.
        self.expected.clear();
        self.failed_trials.clear();
        let at = match self.stepping {
            Stepping::Lockstep => self.now,
            Stepping::Free => self.moment(),
        };
        // A run that is gone on with only to end may have left something.
        self.settle(at);
        self.keep_states()?;
        self.settle(at);
        self.keeping
            .effect(self.next_sequence, &Effect::Stopping { at });
        self.stop_strategies(at)?;
        self.send(at, observer);
        if self.stepping == Stepping::Free {
            // A run that is gone on with only to end has not let time begin.
            self.clock.wait_until(at);
        }
        let until = at.saturating_add(GRACE_NS);
        while self.router.has_orders_to_cancel() || self.own_due().is_some() {
            if self.stepping == Stepping::Free {
                if self.moment() > until {
                    break;
                }
                if !self.step(observer)? {
                    std::thread::yield_now();
                }
                continue;
            }
            let own = self.own_due();
            let venues = self.venues.iter_mut().filter(|venue| !venue.broken);
            let due = venues.filter_map(|venue| match venue.gateway.next_due() {
                Due::At(due) => Some(due),
                Due::Idle | Due::Over => None,
            });
            match due.chain(own).min() {
                Some(start) if start <= until => self.play(start, observer)?,
                _ => break,
            }
        }
        Ok(())
    }

    /// Stops the strategies, and leaves their orders to their policy.
    pub(crate) fn stop_strategies(&mut self, at: Timestamp) -> Result<(), EngineError> {
        self.pool.stop(StopReason::Shutdown, &mut self.intents)?;
        for place in 0..self.cards.len() {
            if self.router.parties[place].ended {
                continue;
            }
            self.router.end(place, at);
            let (strategy, problem) = (self.cards[place].id, self.cards[place].fault());
            self.cards[place].stopped = problem.is_empty();
            if !problem.is_empty() {
                let notice = Notice::Ended { strategy, problem };
                self.router.outbox.notices.push((at, notice));
            }
        }
        Ok(())
    }

    /// Ends a run in the middle, with nobody to answer for.
    pub(crate) fn break_off(self, took: Took) -> Result<Report, EngineError> {
        let status = self.status();
        drop(self.producer);
        self.pool.join()?;
        Ok(Report {
            status,
            tape_hash: self.tape_hash.digest128(),
            actions_hash: self.actions_hash.digest128(),
            ending: Ending::Asked,
            elapsed_ns: took.elapsed_ns,
            first_action_ns: took.first_action_ns,
        })
    }

    pub(crate) fn finish(
        mut self,
        ending: Ending,
        took: Took,
        observer: &mut dyn Observer,
    ) -> Result<Report, EngineError> {
        self.dispatch(observer);
        let status = self.status();
        observer.status(&status);
        let ended = self.keeping.end();
        // A sole producer keeps the ring open until it goes, and the workers wait for the end of the ring.
        drop(self.producer);
        for (worker, shard) in self.pool.join()?.iter().enumerate() {
            for (strategy, book) in shard.portfolio().strategies() {
                if self
                    .router
                    .portfolio
                    .book(strategy)
                    .map(|ours| ours.digest())
                    != Some(book.digest())
                {
                    let strategy = self
                        .registry
                        .strategy(strategy)
                        .unwrap_or_default()
                        .to_owned();
                    return Err(EngineError::Replicas { worker, strategy });
                }
            }
        }
        ended.map_err(|error| EngineError::NotKept {
            problem: error.problem,
        })?;
        Ok(Report {
            status,
            tape_hash: self.tape_hash.digest128(),
            actions_hash: self.actions_hash.digest128(),
            ending,
            elapsed_ns: took.elapsed_ns,
            first_action_ns: took.first_action_ns,
        })
    }
}

/// Takes a decision into the hash of all of them.
pub(crate) fn hash_intent(hash: &mut Xxh3, intent: &Intent) {
    if let Decision::Act(action) | Decision::Late(action) = intent.decision {
        hash.update(&intent.cause.to_le_bytes());
        hash.update(&intent.strategy.0.to_le_bytes());
        hash.update(&intent.ordinal.to_le_bytes());
        hash.update(&action.to_bytes());
    }
}
