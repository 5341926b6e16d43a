//! The sources of the tape's events: the host itself, which derives them again, or a venue.

use super::stop::{ReplayStop, differs};
use super::tape::Finding;
use crate::kernel::Engine;
use crate::replay::cursor::{OwnEvent, ReplayCursor};
use tickdeck_model::{Event, OrderStatus, StrategyId, Timestamp, View};

impl Engine {
    /// Matches an event of the tape with an expected one of the host itself, or with a venue's.
    pub(super) fn match_event(
        &mut self,
        cursor: &mut ReplayCursor,
        event: &Event,
    ) -> Result<(), ReplayStop> {
        let until = self.time.gathered_until(event.ts_host);
        let free = !self.time.is_lockstep();
        if self.router.next_due().is_some_and(|due| due < until) {
            let mut due = Vec::new();
            self.router.poll(until, &mut due);
            due.sort_by_key(|event| event.ts_host);
            // A free run stamps the answer to a late decision when it comes to it.
            let since = if free { event.ts_host } else { Timestamp::MIN };
            let own = due.into_iter().map(|event| OwnEvent {
                since: since.max(event.ts_host),
                event,
            });
            cursor.own.extend(own);
        }
        let mut own = cursor.own.iter();
        if let Some(at) = own.position(|own| is_same(&own.event, event, free)) {
            cursor.own.remove(at);
        } else if let Some(OwnEvent { event: own, .. }) = cursor
            .own
            .front()
            .filter(|own| !free && own.since < event.ts_host)
        {
            return Err(differs(
                event.sequence,
                self.to_blame(cursor, event.sequence),
                Finding::Event(Box::new(*event)),
                Finding::Event(Box::new(*own)),
            ));
        } else if is_ours(event) {
            return Err(differs(
                event.sequence,
                self.to_blame(cursor, event.sequence),
                Finding::Event(Box::new(*event)),
                Finding::Nothing,
            ));
        } else if cursor.venues {
            self.match_venue_event(cursor, event)?;
        }
        Ok(())
    }

    /// The strategy whose different decision precedes a differing event: in lockstep, its decision comes first on the tape.
    pub(super) fn to_blame(&self, cursor: &ReplayCursor, sequence: u64) -> Option<StrategyId> {
        let decided = cursor.decided_before(sequence);
        decided.filter(|_| self.time.is_lockstep())
    }

    /// Matches an event of the tape with the venues' events.
    fn match_venue_event(
        &mut self,
        cursor: &mut ReplayCursor,
        event: &Event,
    ) -> Result<(), ReplayStop> {
        if cursor.given.is_empty() {
            self.poll_venues(cursor, self.time.gathered_until(event.ts_host));
        }
        match cursor.given.pop_front() {
            Some(given) if is_same(&given, event, !self.time.is_lockstep()) => Ok(()),
            given => Err(differs(
                event.sequence,
                None,
                Finding::Event(Box::new(*event)),
                given.map_or(Finding::Nothing, |given| Finding::Event(Box::new(given))),
            )),
        }
    }

    /// Sends the venues the recorded commands, and takes their events before `until`.
    fn poll_venues(&mut self, cursor: &mut ReplayCursor, until: Timestamp) {
        self.note_commands(cursor);
        cursor.noted = 0;
        for (venue, at, command) in self.router.outbox.drain_commands() {
            self.venues.send(venue, at, command);
        }
        let mut given = Vec::new();
        // A source's failure was reported before the interruption.
        self.venues
            .poll((Timestamp::MIN, until), &mut given, |_| {});
        given.sort_by_key(|event| event.ts_host);
        cursor.given.extend(given);
    }

    /// Passes commands on to the venues, if they take part.
    pub(super) fn pass_commands_on(&mut self, cursor: &mut ReplayCursor) {
        if cursor.venues {
            self.poll_venues(cursor, self.events.now().saturating_add(1));
        } else {
            self.note_commands(cursor);
            cursor.noted = 0;
            self.router.outbox.clear_commands();
        }
    }
}

/// Returns whether only the host itself can have produced an event.
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

/// Returns whether an event of the tape is this one; a free-running kernel restamps late events.
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
