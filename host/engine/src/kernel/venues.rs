//! The engine's venues, as one source of events and one sink of commands.

use crate::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms, Waker};
use tickdeck_model::{END_OF_TIME, Event, Registry, Timestamp, VenueId, format};

/// A venue, and whether it still takes part.
struct Venue {
    gateway: Box<dyn Gateway>,
    /// The name, for messages.
    name: String,
    terms: VenueTerms,
    /// Its feed has not ended.
    open: bool,
    /// Its source failed; it is no longer polled.
    broken: bool,
}

/// All venues, in their configured order.
pub(crate) struct Venues {
    venues: Vec<Venue>,
    /// Failures detected between two polls.
    failures: Vec<GatewayError>,
}

impl Venue {
    /// When its next event is due. A venue whose next event lies beyond the end of time has failed: no window can contain it.
    #[inline]
    fn next_due(&mut self, failures: &mut Vec<GatewayError>) -> Due {
        match self.gateway.next_due() {
            Due::At(due) if due >= END_OF_TIME => {
                (self.open, self.broken) = (false, true);
                failures.push(GatewayError::Source {
                    source_name: self.name.clone(),
                    problem: format!(
                        "its next event is at {}, and event time ends before {}: play it up to there",
                        format::date_time(due),
                        format::date(END_OF_TIME)
                    ),
                });
                Due::Over
            }
            due => due,
        }
    }

    /// It delivered an event of `at` when event time had reached `now`.
    fn late(&self, at: Timestamp, now: Timestamp) -> GatewayError {
        GatewayError::Source {
            source_name: self.name.clone(),
            problem: format!(
                "it delivered an event of {} when event time had reached {}, which is a bug of its gateway",
                format::date_time(at),
                format::date_time(now)
            ),
        }
    }
}

impl Venues {
    pub(super) fn new(venues: Vec<(Box<dyn Gateway>, VenueTerms)>, registry: &Registry) -> Self {
        let open = |(gateway, terms): (Box<dyn Gateway>, VenueTerms)| Venue {
            gateway,
            name: registry.venue(terms.venue).unwrap_or_default().to_owned(),
            terms,
            open: true,
            broken: false,
        };
        Self {
            venues: venues.into_iter().map(open).collect(),
            failures: Vec::new(),
        }
    }

    /// Hands every gateway a handle that wakes the kernel.
    pub(super) fn set_waker(&mut self, waker: &Waker) {
        for venue in &mut self.venues {
            venue.gateway.set_waker(waker.clone());
        }
    }

    /// Whether every feed has ended.
    pub(super) fn are_over(&self) -> bool {
        self.venues.iter().all(|venue| !venue.open)
    }

    /// Whether every venue's source failed.
    pub(super) fn are_broken(&self) -> bool {
        self.venues.iter().all(|venue| venue.broken)
    }

    /// A venue that cannot repeat its events, if there is one.
    pub(crate) fn that_lives_on(&self) -> Option<VenueId> {
        let mut venues = self.venues.iter();
        let venue = venues.find(|venue| venue.terms.continuity == Continuity::LivesOn);
        venue.map(|venue| venue.terms.venue)
    }

    /// When the next event of an open feed is due. Closes feeds that have ended.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        let mut next: Option<Timestamp> = None;
        for venue in self.venues.iter_mut().filter(|venue| venue.open) {
            match venue.next_due(&mut self.failures) {
                Due::At(due) => next = Some(next.map_or(due, |next| next.min(due))),
                Due::Idle => {}
                Due::Over => venue.open = false,
            }
        }
        next
    }

    /// When the next event is due from any venue that still answers, even if its feed has ended.
    pub(super) fn next_answer_due(&mut self) -> Option<Timestamp> {
        let failures = &mut self.failures;
        let venues = self.venues.iter_mut().filter(|venue| !venue.broken);
        let due = venues.filter_map(|venue| match venue.next_due(failures) {
            Due::At(due) => Some(due),
            Due::Idle | Due::Over => None,
        });
        due.min()
    }

    /// When the next arrival is due, as far as is known; in the past if something has arrived, or a feed has just ended.
    pub(super) fn silent_until(&mut self, reached: Timestamp) -> Timestamp {
        let mut until = Timestamp::MAX;
        for venue in self.venues.iter_mut().filter(|venue| venue.open) {
            let silent = match venue.next_due(&mut self.failures) {
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

    /// Whether failures were detected since the last poll.
    pub(super) const fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Takes the failures detected since the last poll.
    pub(super) fn take_failures(&mut self) -> impl Iterator<Item = GatewayError> + use<> {
        std::mem::take(&mut self.failures).into_iter()
    }

    /// Appends every event from `from` on and before `until`, venue by venue. One whose source fails is closed and passed to
    /// `failed`; so is one with an event of before `from`, which came too late to be processed.
    pub(crate) fn poll(
        &mut self,
        (from, until): (Timestamp, Timestamp),
        out: &mut Vec<Event>,
        mut failed: impl FnMut(GatewayError),
    ) {
        if self.has_failures() {
            self.take_failures().for_each(&mut failed);
        }
        for venue in self.venues.iter_mut().filter(|venue| !venue.broken) {
            let start = out.len();
            let polled = venue.gateway.poll(until, out);
            let late = out[start..].iter().position(|event| event.ts_host < from);
            let late = late.map(|place| {
                let at = out[start + place].ts_host;
                out.truncate(start + place);
                venue.late(at, from)
            });
            if let Some(error) = polled.err().or(late) {
                (venue.open, venue.broken) = (false, true);
                failed(error);
            }
        }
    }

    /// Whether a venue's source failed, so that no command reaches it.
    pub(super) fn is_broken(&self, id: VenueId) -> bool {
        self.venues
            .iter()
            .any(|venue| venue.terms.venue == id && venue.broken)
    }

    /// Sends a command to a venue that still answers.
    pub(crate) fn send(&mut self, venue: VenueId, at: Timestamp, command: Command) {
        let mut venues = self.venues.iter_mut();
        if let Some(venue) = venues.find(|other| other.terms.venue == venue && !other.broken) {
            venue.gateway.send(at, command);
        }
    }
}
