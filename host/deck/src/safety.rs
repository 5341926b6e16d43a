//! Operators' commands from the request until they are in force, and the facts that come true after a kill: the latch on disk,
//! each order gone.

use crate::feed::OperatorFeed;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};
use tickdeck_engine::{CommandInForce, EngineHandle, OperatorCommand};
use tickdeck_journal::atomic_file::{WriteError, WriteStep};
use tickdeck_model::ClientOrderId;
use tickdeck_recording::data_folder::latch_kill;
use tickdeck_recording::names::Names;
use tickdeck_recording::sentence::sentence;

/// Time limit for a command to be in force. The kernel needs a few milliseconds, unless a strategy runs on its own thread.
const HOLDS_WITHIN: Duration = Duration::from_secs(1);
/// Time limit for the disk to store the latch, and for the venues to confirm cancels.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(5);
/// Polling interval.
const LOOK: Duration = Duration::from_millis(5);
/// Maximum number of orders that a sentence names.
const MOST_NAMED: usize = 20;

/// A fact that came true, in a sentence; or one that did not.
pub type Fact = Result<String, String>;

/// Gives the engine a command and waits until it is in force.
///
/// # Errors
/// It is not in force; the text says so.
pub fn hold(controls: &EngineHandle, command: OperatorCommand) -> Result<CommandInForce, String> {
    match controls.command(command).recv_timeout(HOLDS_WITHIN) {
        Ok(in_force) => Ok(in_force),
        Err(RecvTimeoutError::Disconnected) => Err("the run has ended".to_owned()),
        Err(RecvTimeoutError::Timeout) => Err(format!(
            "it is not in force after {} ms, and orders may still leave: the kernel's thread is busy, and carries it out as \
             soon as it is not; SIGTERM ends the host within 5 s",
            HOLDS_WITHIN.as_millis()
        )),
    }
}

/// A latch that is being written.
pub struct Latching(Receiver<Fact>);

impl Latching {
    /// Begins to make a kill outlast the host, on a thread of its own: the disk may be slow.
    pub fn begin(latch: PathBuf) -> Self {
        let (told, written) = channel();
        let write = move || {
            // The operator may have given up.
            let _ = told.send(write_latch(&latch));
        };
        if std::thread::Builder::new()
            .name("latch".to_owned())
            .spawn(write.clone())
            .is_err()
        {
            write();
        }
        Self(written)
    }
}

fn write_latch(latch: &Path) -> Fact {
    let Err(error) = latch_kill(latch) else {
        return Ok("the kill is on the disk: it outlasts the host".to_owned());
    };
    let consequence = match error.downcast_ref::<WriteError>() {
        Some(error) if error.step == WriteStep::SyncFolder => {
            "a power cut may lose the record of the kill, and then the next start trades"
        }
        _ => "the kill could not be recorded, and the next start will trade",
    };
    Err(format!("{consequence}: {}", sentence(&error)))
}

/// Reports the facts after a kill as they come true, and in the end those that did not.
pub fn confirm(
    feed: &OperatorFeed,
    names: &Names,
    in_force: Option<&CommandInForce>,
    latching: Option<Latching>,
    report: &mut dyn FnMut(Fact),
) {
    let unreachable = in_force.map_or(&[][..], |in_force| &in_force.unreachable);
    if !unreachable.is_empty() {
        let orders = list(unreachable.iter(), names);
        report(Err(format!(
            "could not be canceled, because their venue is broken: {orders}; cancel them at the venue"
        )));
    }
    let mut waiting = Waiting {
        latching,
        orders: in_force
            .map(|in_force| in_force.canceling.iter().copied().collect())
            .unwrap_or_default(),
        position: in_force.map_or(0, |in_force| in_force.position),
    };
    let start = Instant::now();
    while waiting.is_waiting() && start.elapsed() < CONFIRMED_WITHIN {
        waiting.look(feed, names, report);
        std::thread::sleep(LOOK);
    }
    waiting.give_up(names, report);
}

/// The facts that have not come true yet.
struct Waiting {
    latching: Option<Latching>,
    orders: BTreeSet<ClientOrderId>,
    /// A status up to no later than this event may not include the orders yet.
    position: u64,
}

impl Waiting {
    fn is_waiting(&self) -> bool {
        self.latching.is_some() || !self.orders.is_empty()
    }

    fn look(&mut self, feed: &OperatorFeed, names: &Names, report: &mut dyn FnMut(Fact)) {
        let written = self.latching.as_ref().map(|latching| latching.0.try_recv());
        match written {
            Some(Ok(fact)) => {
                self.latching = None;
                report(fact);
            }
            Some(Err(TryRecvError::Disconnected)) => self.latching = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        if self.orders.is_empty() {
            return;
        }
        let status = feed.latest();
        if status.events <= self.position {
            return;
        }
        let working: BTreeSet<ClientOrderId> =
            status.working.iter().map(|order| order.id).collect();
        let (left, gone): (BTreeSet<_>, BTreeSet<_>) = self
            .orders
            .iter()
            .copied()
            .partition(|id| working.contains(id));
        self.orders = left;
        if !gone.is_empty() {
            let rest = match self.orders.len() {
                0 => "no order is working any more".to_owned(),
                left => format!("{left} left"),
            };
            report(Ok(format!("gone: {}; {rest}", list(gone.iter(), names))));
        }
    }

    fn give_up(&self, names: &Names, report: &mut dyn FnMut(Fact)) {
        let seconds = CONFIRMED_WITHIN.as_secs();
        if self.latching.is_some() {
            report(Err(format!(
                "the kill is not on the disk after {seconds} s: if the host ends before it is, the next start will trade"
            )));
        }
        if !self.orders.is_empty() {
            let orders = list(self.orders.iter(), names);
            report(Err(format!(
                "not confirmed by the venue within {seconds} s: {orders}; their cancels have left, check them at the venue"
            )));
        }
    }
}

/// Names orders, the first of them if there are many.
fn list<'a>(orders: impl ExactSizeIterator<Item = &'a ClientOrderId>, names: &Names) -> String {
    let more = orders.len().saturating_sub(MOST_NAMED);
    let named: Vec<String> = orders
        .take(MOST_NAMED)
        .map(|id| format!("{}/{}", names.strategy(id.strategy), id.number))
        .collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
