//! The free-running kernel, for venues that are really there.
//!
//! Event time is wall time. What has arrived is published at once, and what a strategy decided is carried out as soon as
//! it is there; no worker ever waits for another, nor the kernel for any of them. Only a change (another version, say)
//! lets the workers catch up first, so that it stands at one sequence for all.
//!
//! Every strategy still gets the same events in the same order, and reads the store as of the event at hand. What depends
//! on time is which events the router has taken in when it judges an order: never fewer than the order's cause, perhaps
//! more.

use crate::action_ring::Intent;
use crate::engine::{Engine, EngineError, Venue, hash_intent};
use crate::port::Due;
use crate::report::{Ending, Observer};
use tickdeck_model::Timestamp;

/// How often the clock is looked at for a status while there is always something to do, in steps.
const STEPS_PER_LOOK: u64 = 64;

/// The cause of what counts from the end of a window, here of a step.
const AT_END: u64 = u64::MAX;

impl Engine {
    /// Plays until all tapes are over, the limit is reached or someone asks to stop.
    pub(crate) fn run_freely(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<Ending, EngineError> {
        // Event time goes by from the first event on.
        if let Some(first) = self.next_due() {
            self.clock.wait_until(first);
        }
        let mut steps: u64 = 0;
        loop {
            if let Some(ending) = self.ending() {
                self.finish_up(observer)?;
                return Ok(ending);
            }
            let did_something = self.step(observer)?;
            steps += 1;
            if !did_something || steps.is_multiple_of(STEPS_PER_LOOK) {
                self.tell_status(observer);
            }
            if !did_something {
                self.rest()?;
            }
        }
    }

    /// Lets the workers come to the end of what was published, and carries out what they decided on the way.
    fn finish_up(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.crew.catch_up(self.next_sequence, &mut self.intents)?;
        let at = self.clock.reached().max(self.now);
        self.decide();
        self.settle(at);
        self.send(at, observer);
        Ok(())
    }

    /// Sends what was decided, now.
    fn send(&mut self, at: Timestamp, observer: &mut dyn Observer) {
        for (_, sent, _) in &mut self.router.outbox.commands {
            *sent = at;
        }
        self.dispatch(observer);
    }

    /// Publishes what has arrived, carries out what was decided, and attends to operators; returns whether there was
    /// anything of the first two.
    pub(crate) fn step(&mut self, observer: &mut dyn Observer) -> Result<bool, EngineError> {
        let reached = self.clock.reached();
        self.gather(reached.saturating_add(1));
        let arrived = !self.window.is_empty();
        if arrived {
            // An answer of ours to a decision that came late is due in the past; it counts from now on.
            for event in &mut self.window {
                event.ts_host = event.ts_host.max(self.now);
            }
            self.publish()?;
            for event in &self.window {
                self.router.on_event(event);
            }
        }
        let at = reached.max(self.now);
        self.crew.gather(&mut self.intents);
        let mut decided = self.decide();
        // An operator's orders wait for nobody; a change stands at one sequence for all.
        let requests = self.hear(at);
        if !requests.is_empty() || self.has_changes() {
            self.crew.catch_up(self.next_sequence, &mut self.intents)?;
            decided |= self.decide();
            self.settle(at);
            self.go_on_with_changes(at)?;
            self.begin_changes(requests, at)?;
        }
        self.settle(at);
        self.send(at, observer);
        Ok(arrived | decided)
    }

    /// Carries out decisions in the order they came in; what became of instances is left for [`Engine::settle`]. Limits
    /// in time (rates, duplicates) go by the causes, so that a strategy is not held to how its decisions came through.
    fn decide(&mut self) -> bool {
        let Self {
            intents,
            router,
            actions_hash,
            ..
        } = self;
        let before = intents.len();
        intents.retain(|intent: &Intent| {
            if intent.cause == AT_END {
                return true;
            }
            hash_intent(actions_hash, intent);
            router.on_intent(intent);
            false
        });
        intents.len() < before
    }

    /// Waits for a decision, an arrival, our own next event, or an operator.
    fn rest(&mut self) -> Result<(), EngineError> {
        let own = self.router.next_due().unwrap_or(Timestamp::MAX);
        let Self {
            crew,
            venues,
            clock,
            hearing,
            ..
        } = self;
        let called = || hearing.0.is_waiting() || hearing.0.stopping();
        crew.wait_for_decisions(|| {
            let reached = clock.reached();
            let mut venues = venues.iter_mut().filter(|venue| venue.open);
            own <= reached || called() || venues.any(|venue| venue.calls(reached))
        })?;
        Ok(())
    }
}

impl Venue {
    /// Whether something has arrived, or nothing ever will.
    fn calls(&mut self, reached: Timestamp) -> bool {
        match self.gateway.next_due() {
            Due::At(due) => due <= reached,
            Due::Idle => false,
            Due::Over => {
                self.open = false;
                true
            }
        }
    }
}
