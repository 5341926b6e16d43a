//! Where an event of the tape came from: from the host itself, which derives it again, or from a venue.

use super::stop::{ReplayStop, differs};
use super::tape::Finding;
use crate::config::Stepping;
use crate::kernel::Engine;
use crate::replay::cursor::ReplayCursor;
use tickdeck_model::{Event, OrderStatus, Timestamp, View};

impl Engine {
    /// Takes an event of ours off those that must come, if it is one.
    pub(super) fn look_for_own(
        &mut self,
        guide: &mut ReplayCursor,
        event: &Event,
    ) -> Result<(), ReplayStop> {
        let until = self.gathered_until(event.ts_host);
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
        } else if is_ours(event) {
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

    /// Up to when everything was gathered as an event of this time was: to the end of its window, before anything was decided
    /// in it. What is sent from there on shows after it. Where time goes by, what is ahead has not happened.
    fn gathered_until(&self, at: Timestamp) -> Timestamp {
        match self.stepping {
            Stepping::Lockstep => self.window_end(at),
            Stepping::Free => at.saturating_add(1),
        }
    }

    /// What the venues gave must be what the tape has.
    fn expect_of_venues(
        &mut self,
        guide: &mut ReplayCursor,
        event: &Event,
    ) -> Result<(), ReplayStop> {
        if guide.given.is_empty() {
            self.ask_venues(guide, self.gathered_until(event.ts_host));
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
    fn ask_venues(&mut self, guide: &mut ReplayCursor, until: Timestamp) {
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
    pub(super) fn visit_venues(&mut self, guide: &mut ReplayCursor) {
        if guide.venues {
            self.ask_venues(guide, self.now.saturating_add(1));
        } else {
            self.note_commands(guide);
            guide.noted = 0;
            self.router.outbox.commands.clear();
        }
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
