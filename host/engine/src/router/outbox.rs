//! Commands and notices that follow from decisions, for the kernel to send and to report.

use crate::port::Command;
use crate::report::Notice;
use std::vec::Drain;
use tickdeck_model::{Timestamp, VenueId};

/// A command to a venue, with the time it leaves.
pub(crate) type Departure = (VenueId, Timestamp, Command);

/// Commands and notices, in the order in which they arose.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    commands: Vec<Departure>,
    notices: Vec<(Timestamp, Notice)>,
}

impl Outbox {
    pub(super) fn command(&mut self, venue: VenueId, at: Timestamp, command: Command) {
        self.commands.push((venue, at, command));
    }

    pub(crate) fn notice(&mut self, at: Timestamp, notice: Notice) {
        self.notices.push((at, notice));
    }

    pub(crate) fn commands(&self) -> &[Departure] {
        &self.commands
    }

    /// Sets the departure of every command from index `first` on to `at`.
    pub(crate) fn restamp_commands(&mut self, first: usize, at: Timestamp) {
        for (_, leaves_at, _) in &mut self.commands[first..] {
            *leaves_at = at;
        }
    }

    pub(crate) fn drain_commands(&mut self) -> Drain<'_, Departure> {
        self.commands.drain(..)
    }

    /// Asked in every window, where draining nothing would cost more.
    #[inline]
    pub(crate) const fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    pub(crate) fn drain_notices(&mut self) -> Drain<'_, (Timestamp, Notice)> {
        self.notices.drain(..)
    }

    pub(crate) fn clear_commands(&mut self) {
        self.commands.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.commands.clear();
        self.notices.clear();
    }
}
