//! The free-running kernel, for venues that are really there.
//!
//! Event time is wall time. What has arrived is published at once, and what a strategy decided is carried out as soon as
//! it is there; no worker ever waits for another, nor the kernel for any of them. Only a change (another version, say)
//! lets the workers catch up first, so that it stands at one sequence for all.
//!
//! Every strategy still gets the same events in the same order, and reads the store as of the event at hand. What depends
//! on time is which events the router has taken in when it judges an order: never fewer than the order's cause, perhaps
//! more.

use crate::error::EngineError;
use crate::intent::{AT_END, Intent, hash_intent};
use crate::kernel::{Engine, Venue};
use crate::port::Due;
use crate::report::{Ending, Observer};
use std::time::Duration;
use tickdeck_model::Timestamp;

/// How often the clock is looked at for a status while there is always something to do, in steps.
const STEPS_PER_LOOK: u64 = 64;

/// How often it is looked at while there is nothing to do, in looks: of a millisecond at most each, where threads park.
const LOOKS_PER_STATUS: u64 = 8;

/// Most event time that is taken in at once: what has piled up is worked off in steps between which orders leave and
/// operators are heard.
const SLICE_NS: i64 = 10_000;

impl Engine {
    /// Plays until all tapes are over, the limit is reached or someone asks to stop.
    pub(crate) fn run_freely(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<Ending, EngineError> {
        let (mut begun, mut steps) = (false, 0u64);
        loop {
            if let Some(ending) = self.ending() {
                self.finish_up(observer)?;
                return Ok(ending);
            }
            // Event time goes by from the first event on, whenever that comes.
            if !begun && let Some(first) = self.next_due() {
                self.clock.wait_until(first);
                begun = true;
            }
            let did_something = self.step(observer)?;
            steps += 1;
            if !did_something || steps.is_multiple_of(STEPS_PER_LOOK) {
                self.tell_status(observer);
                self.pool.check()?;
            }
            if !did_something && !self.has_changes() {
                self.rest()?;
            }
        }
    }

    /// Lets the workers come to the end of what was published, and carries out what they decided on the way.
    fn finish_up(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.pool.catch_up(self.next_sequence, &mut self.intents)?;
        let at = self.moment();
        self.decide(at);
        self.settle(at);
        self.send(at, observer);
        Ok(())
    }

    /// Now, in event time.
    pub(crate) fn moment(&self) -> Timestamp {
        self.clock.reached().max(self.now)
    }

    /// Sends what was decided, now.
    pub(crate) fn send(&mut self, at: Timestamp, observer: &mut dyn Observer) {
        for (_, sent, _) in &mut self.router.outbox.commands {
            *sent = at;
        }
        self.dispatch(observer);
        self.hash_decided();
    }

    /// Takes what was carried out into the hash, now that nobody waits for it.
    pub(crate) fn hash_decided(&mut self) {
        for intent in self.decided.drain(..) {
            hash_intent(&mut self.actions_hash, &intent);
        }
    }

    /// Publishes what has arrived, carries out what was decided, and attends to operators; returns whether there was
    /// anything of the first two.
    pub(crate) fn step(&mut self, observer: &mut dyn Observer) -> Result<bool, EngineError> {
        let reached = self.clock.reached();
        let at = reached.max(self.now);
        // What was decided has come the longest way already: it leaves first.
        self.pool.gather(&mut self.intents);
        let mut decided = self.decide(at);
        if decided {
            self.send(at, observer);
        }
        let arrived = self.take_in(reached)?;
        let at = reached.max(self.now);
        decided |= self.decide(at);
        // An operator's orders wait for nobody; a change stands at one sequence for all.
        let requests = self.hear(at);
        if !requests.is_empty() || self.has_changes() {
            self.pool.catch_up(self.next_sequence, &mut self.intents)?;
            decided |= self.decide(at);
            self.settle(at);
            self.go_on_with_changes(at)?;
            self.begin_changes(requests, at)?;
            self.pool.offer(&mut self.intents)?;
            decided |= self.decide(at);
        }
        self.settle(at);
        self.send(at, observer);
        Ok(arrived | decided)
    }

    /// Publishes what has arrived, a slice of it if much has, and lets the router take it in.
    fn take_in(&mut self, reached: Timestamp) -> Result<bool, EngineError> {
        let slice = self.first_due().unwrap_or(reached).saturating_add(SLICE_NS);
        self.gather(slice.min(reached).saturating_add(1));
        for event in &mut self.window {
            // An answer of ours to a decision that came late is due in the past; it counts from now on. Its two times
            // stay equal, which tells it from a venue's.
            if event.ts_host < self.now {
                if event.ts_venue == event.ts_host {
                    event.ts_venue = self.now;
                }
                event.ts_host = self.now;
            }
        }
        self.publish()?;
        for event in &self.window {
            self.router.on_event(event);
        }
        Ok(!self.window.is_empty())
    }

    /// When the first thing is due that is known of.
    fn first_due(&mut self) -> Option<Timestamp> {
        let own = self.own_due();
        let venues = self.venues.iter_mut().filter(|venue| !venue.broken);
        let due = venues.filter_map(|venue| match venue.gateway.next_due() {
            Due::At(due) => Some(due),
            Due::Idle | Due::Over => None,
        });
        due.chain(own).min()
    }

    /// Carries out decisions in the order they came in; what became of instances is left for [`Engine::settle`]. Limits
    /// in time (rates, duplicates) go by the causes, so that a strategy is not held to how its decisions came through;
    /// how old a quote may be goes by `at`, when the order leaves.
    fn decide(&mut self, at: Timestamp) -> bool {
        self.router.leaves_at = at;
        self.keep_decisions();
        let Self {
            intents,
            router,
            decided,
            ..
        } = self;
        let before = intents.len();
        intents.retain(|intent: &Intent| {
            if intent.cause == AT_END {
                return true;
            }
            router.on_intent(intent);
            decided.push(*intent);
            false
        });
        let decided = intents.len() < before;
        self.resume_if_kept();
        if decided {
            self.note_first_action();
        }
        decided
    }

    /// Waits for a decision, an arrival, our own next event, an operator, or the time for a status.
    fn rest(&mut self) -> Result<(), EngineError> {
        let own = self.own_due().unwrap_or(Timestamp::MAX);
        let Self {
            pool,
            venues,
            clock,
            hearing,
            next_status_ns,
            ..
        } = self;
        let called = || hearing.0.is_waiting() || hearing.0.stopping();
        let mut looks = 0u64;
        pool.wait_for_decisions(|| {
            // To read a clock costs as much as all the rest of a look, so it is read once, and the other one seldom.
            let reached = clock.reached();
            looks += 1;
            let is_status_due =
                || looks.is_multiple_of(LOOKS_PER_STATUS) && clock.now_ns() >= *next_status_ns;
            let mut due = own;
            for venue in venues.iter_mut().filter(|venue| venue.open) {
                due = due.min(venue.silent_until(reached));
            }
            if due <= reached || called() || is_status_due() {
                return None;
            }
            // As if event time went by as fast as the clock; if it is faster, a parked thread is late by what it is
            // parked for at most.
            let silence_ns = due.saturating_sub(reached).unsigned_abs();
            Some(Duration::from_nanos(silence_ns))
        })?;
        Ok(())
    }
}

impl Venue {
    /// When something arrives, as far as is known; long past if it has, or nothing ever will.
    fn silent_until(&mut self, reached: Timestamp) -> Timestamp {
        match self.gateway.next_due() {
            // Before the first event no time has come.
            Due::At(_) if reached == Timestamp::MIN => reached,
            Due::At(due) => due,
            Due::Idle => Timestamp::MAX,
            Due::Over => {
                self.open = false;
                Timestamp::MIN
            }
        }
    }
}
