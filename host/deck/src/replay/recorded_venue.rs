//! The venue of a replayed run.

use tickdeck_engine::port::{Command, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{Event, Registry, Timestamp};

/// A venue of a recorded run: all its events are on the tape.
pub(super) struct RecordedVenue(pub(super) VenueTerms);

impl Gateway for RecordedVenue {
    fn register(&mut self, _: &mut Registry) -> Result<VenueTerms, GatewayError> {
        Ok(self.0.clone())
    }

    fn send(&mut self, _: Timestamp, _: Command) {}

    fn next_due(&mut self) -> Due {
        Due::Over
    }

    fn poll(&mut self, _: Timestamp, _: &mut Vec<Event>) -> Result<(), GatewayError> {
        Ok(())
    }
}
