//! The safety path: operators' commands, carried out on the kernel's own thread, even while it waits for workers.
//!
//! A command takes effect where the router stands: after every event and decision that it has processed, and before all
//! others, however far the workers are. So decisions in flight are denied, here and in a replay.

use crate::command::{CommandInForce, OperatorCommand};
use crate::handle::Haste;
use crate::kernel::inbox::OperatorInbox;
use crate::kernel::recording::Recording;
use crate::kernel::venues::Venues;
use crate::router::Router;
use crate::worker::meanwhile::Meanwhile;
use std::sync::mpsc::Sender;
use tickdeck_model::Timestamp;

/// Where the router stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RouterPlace {
    /// The number of events that it has processed.
    pub(crate) position: u64,
    /// The event time given to what is done here.
    pub(crate) at: Timestamp,
}

/// The parts of the kernel that a command needs.
pub(crate) struct SafetyPath<'a> {
    pub(super) inbox: &'a OperatorInbox,
    pub(super) router: &'a mut Router,
    pub(super) venues: &'a mut Venues,
    pub(super) recording: &'a mut Recording,
    pub(super) place: RouterPlace,
    /// A tape dictates the commands and their times.
    pub(super) is_replaying: bool,
}

impl Meanwhile for SafetyPath<'_> {
    fn is_wanted(&self) -> bool {
        if self.is_replaying {
            return false;
        }
        let stops = self.inbox.is_stop_requested() && !self.router.gate.is_stopping();
        stops || self.inbox.is_commanded() || self.inbox.is_in_haste(Haste::WithoutWorkers)
    }

    fn serve(&mut self) -> bool {
        if self.is_replaying {
            return true;
        }
        if self.inbox.is_stop_requested() && !self.router.gate.is_stopping() {
            self.carry_out(OperatorCommand::Stop, None);
        }
        for received in self.inbox.take_commands() {
            self.carry_out(received.command, Some(received.held));
        }
        !self.inbox.is_in_haste(Haste::WithoutWorkers)
    }
}

impl SafetyPath<'_> {
    fn carry_out(&mut self, command: OperatorCommand, held: Option<Sender<CommandInForce>>) {
        let RouterPlace { position, at } = self.place;
        let is_news = command != OperatorCommand::Stop || !self.router.gate.is_stopping();
        if is_news {
            self.router.operate(at, command);
        }
        // The cancels leave, and the operator is told, before anything is recorded: no disk may delay them.
        for (venue, at, command) in self.router.outbox.commands() {
            self.venues.send(*venue, *at, *command);
        }
        if let Some(held) = held {
            // The caller may have given up.
            let _ = held.send(self.in_force(command));
        }
        if is_news {
            self.recording.operated(position, at, command);
        }
        self.recording.commands(position, self.router);
        self.router.outbox.clear_commands();
    }

    /// Has the recorder commit, and denies new orders if that fails. While it waits for the disk, commands are carried out,
    /// before the `actions` that were handed over and wait too.
    pub(super) fn commit(&mut self, actions: u32, now_and_next: (Timestamp, u64)) {
        let Some((mut recorder, has_orders, denied)) = self.recording.begin_commit(actions) else {
            return;
        };
        let committed = recorder.commit_while(has_orders, &mut || {
            if self.is_wanted() {
                self.serve();
            }
        });
        let answered = (recorder, committed, denied);
        self.recording
            .end_commit(answered, now_and_next, self.router);
    }

    /// Returns what holds now that the cancels of `command` have left.
    fn in_force(&self, command: OperatorCommand) -> CommandInForce {
        let cancels = matches!(command, OperatorCommand::Kill | OperatorCommand::Stop);
        let mut in_force = CommandInForce {
            position: self.place.position,
            ..CommandInForce::default()
        };
        for (order, venue) in self.router.canceling().filter(|_| cancels) {
            match self.venues.is_broken(venue) {
                false => in_force.canceling.push(order),
                true => in_force.unreachable.push(order),
            }
        }
        in_force
    }
}
