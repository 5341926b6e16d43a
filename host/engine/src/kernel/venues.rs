//! The engine's venues, as one source of events and one target of commands.

use crate::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms, Waker};
use tickdeck_model::{Event, Timestamp, VenueId};

/// A venue, and whether it still takes part.
struct Venue {
    gateway: Box<dyn Gateway>,
    terms: VenueTerms,
    /// Its feed has not ended.
    open: bool,
    /// Its source failed; it is not asked any more.
    broken: bool,
}

/// All venues, in the order in which they were given.
pub(crate) struct Venues(Vec<Venue>);

impl Venues {
    pub(super) fn new(venues: Vec<(Box<dyn Gateway>, VenueTerms)>) -> Self {
        let open = |(gateway, terms)| Venue {
            gateway,
            terms,
            open: true,
            broken: false,
        };
        Self(venues.into_iter().map(open).collect())
    }

    /// Hands every gateway a handle that wakes the kernel.
    pub(super) fn set_waker(&mut self, waker: &Waker) {
        for venue in &mut self.0 {
            venue.gateway.set_waker(waker.clone());
        }
    }

    /// Whether every feed has ended.
    pub(super) fn are_over(&self) -> bool {
        self.0.iter().all(|venue| !venue.open)
    }

    /// Whether every venue's source failed.
    pub(super) fn are_broken(&self) -> bool {
        self.0.iter().all(|venue| venue.broken)
    }

    /// A venue that does not repeat its events, if there is one.
    pub(crate) fn that_lives_on(&self) -> Option<VenueId> {
        let mut venues = self.0.iter();
        let venue = venues.find(|venue| venue.terms.continuity == Continuity::LivesOn);
        venue.map(|venue| venue.terms.venue)
    }

    /// When the next event of an open feed is due. Feeds that are over are closed.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        for venue in self.0.iter_mut().filter(|venue| venue.open) {
            match venue.gateway.next_due() {
                Due::At(due) => next = Some(next.map_or(due, |next| next.min(due))),
                Due::Idle => {}
                Due::Over => venue.open = false,
            }
        }
        next
    }

    /// When the next event is due of a venue that still answers, its feed over or not.
    pub(super) fn next_answer_due(&mut self) -> Option<Timestamp> {
        let venues = self.0.iter_mut().filter(|venue| !venue.broken);
        let due = venues.filter_map(|venue| match venue.gateway.next_due() {
            Due::At(due) => Some(due),
            Due::Idle | Due::Over => None,
        });
        due.min()
    }

    /// When something arrives, as far as is known; long past if it has, or a feed has just ended.
    pub(super) fn silent_until(&mut self, reached: Timestamp) -> Timestamp {
        let mut until = Timestamp::MAX;
        for venue in self.0.iter_mut().filter(|venue| venue.open) {
            let silent = match venue.gateway.next_due() {
                // Event time begins with the first event.
                Due::At(_) if reached == Timestamp::MIN => reached,
                Due::At(due) => due,
                Due::Idle => Timestamp::MAX,
                Due::Over => {
                    venue.open = false;
                    Timestamp::MIN
                }
            };
            until = until.min(silent);
        }
        until
    }

    /// Appends every event before `until`, venue by venue. One whose source fails is closed and passed to `failed`.
    pub(crate) fn poll(
        &mut self,
        until: Timestamp,
        out: &mut Vec<Event>,
        mut failed: impl FnMut(GatewayError),
    ) {
        for venue in self.0.iter_mut().filter(|venue| !venue.broken) {
            if let Err(error) = venue.gateway.poll(until, out) {
                (venue.open, venue.broken) = (false, true);
                failed(error);
            }
        }
    }

    /// Whether a venue's source failed, so that no command reaches it.
    pub(super) fn is_broken(&self, id: VenueId) -> bool {
        self.0
            .iter()
            .any(|venue| venue.terms.venue == id && venue.broken)
    }

    /// Sends a command to a venue that still answers.
    pub(crate) fn send(&mut self, venue: VenueId, at: Timestamp, command: Command) {
        let mut venues = self.0.iter_mut();
        if let Some(venue) = venues.find(|other| other.terms.venue == venue && !other.broken) {
            venue.gateway.send(at, command);
        }
    }
}
