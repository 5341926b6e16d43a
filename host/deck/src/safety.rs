//! Operators' commands from the request until they are in force, and the facts that come true after a kill: the latch on disk,
//! each order gone.

use crate::feed::{OperatorFeed, Topic};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_engine::{CommandInForce, EngineHandle, OperatorCommand};
use tickdeck_journal::atomic_file::{WriteError, WriteStep};
use tickdeck_model::{ClientOrderId, Untrusted};
use tickdeck_recording::data_folder::latch_kill;
use tickdeck_recording::names::Names;
use tickdeck_recording::sentence::sentence;
use tickdeck_strategy::LogLevel;

/// Time limit for a command to be in force. The kernel needs a few milliseconds, unless a strategy runs on its own thread.
const HOLDS_WITHIN: Duration = Duration::from_secs(1);
/// How long a kill may take to be in force before the operator is told that it is not yet.
const PROMPT: Duration = Duration::from_millis(10);
/// Time limit for the disk to store the latch, and for the venues to confirm cancels.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(5);
/// Polling interval.
const LOOK: Duration = Duration::from_millis(5);
/// Why a command never holds.
const RUN_ENDED: &str = "the run has ended";
/// Maximum number of orders that one sentence names.
const MOST_NAMED: usize = 20;

/// A fact that came true, in a sentence; or one that did not.
pub type Fact = Result<String, String>;

/// Commands the engine for an operator, at the keyboard or at the socket, and says so in the feed. Clones share everything.
#[derive(Clone)]
pub struct SafetyCommands {
    /// The engine.
    pub controls: EngineHandle,
    /// The engine's status and notices.
    pub feed: OperatorFeed,
    /// Names of strategies.
    pub names: Names,
    /// Makes a kill outlast the host, if it is to.
    pub latch: Option<KillLatch>,
}

impl SafetyCommands {
    /// Gives the engine a command and waits until it holds; `message` then says so in the feed.
    ///
    /// # Errors
    /// It does not hold; the text says so.
    pub fn command(&self, command: OperatorCommand, message: &str) -> Fact {
        match hold(&self.controls.command(command)) {
            Ok(_) => {
                self.feed.changed();
                let killed = match self.feed.latest().killed {
                    true => "; the kill switch is on, so new orders are still denied",
                    false => "",
                };
                let message = format!("{message}{killed}");
                self.announce(&message);
                Ok(message)
            }
            Err(why) => Err(format!("\"{message}\" is not in force yet: {why}")),
        }
    }

    /// Kills, and reports the facts as they come true, in the end those that did not: that it holds, that it is on the disk,
    /// that each order is gone. Returns when there is no more to report.
    pub fn kill(&self, report: &mut dyn FnMut(Fact)) {
        self.follow_kill(self.begin_kill(), report);
    }

    /// Kills. The command is on its way before the disk is touched.
    pub fn begin_kill(&self) -> BegunKill {
        BegunKill {
            in_force: self.controls.command(OperatorCommand::Kill),
            latching: self.latch.as_ref().map(KillLatch::begin),
        }
    }

    /// Reports the facts of a kill as [`SafetyCommands::kill`] does, and shows them in the feed.
    pub fn follow_kill(&self, kill: BegunKill, report: &mut dyn FnMut(Fact)) {
        let BegunKill { in_force, latching } = kill;
        let report = &mut |fact: Fact| {
            let (Ok(text) | Err(text)) = &fact;
            self.announce(text);
            report(fact);
        };
        let in_force = hold_kill(&in_force, report);
        self.feed.changed();
        report(match &in_force {
            Ok(_) => Ok("killed: canceling every order, denying new ones".to_owned()),
            Err(why) => Err(format!("the kill is requested, but {why}")),
        });
        self.confirm(in_force.as_ref().ok(), latching, report);
    }

    /// Shows a command in the feed.
    pub fn announce(&self, message: &str) {
        self.feed
            .say(Topic::Operator, "operator", LogLevel::Warn, message);
    }

    /// Reports the facts after a kill as they come true, and in the end those that did not.
    fn confirm(
        &self,
        in_force: Option<&CommandInForce>,
        latching: Option<Latching>,
        report: &mut dyn FnMut(Fact),
    ) {
        let unreachable = in_force.map_or(&[][..], |in_force| &in_force.unreachable);
        for orders in lists(unreachable.iter(), &self.names) {
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
            waiting.look(&self.feed, &self.names, report);
            std::thread::sleep(LOOK);
        }
        waiting.give_up(&self.names, report);
    }
}

/// A kill that is on its way.
pub struct BegunKill {
    in_force: Receiver<CommandInForce>,
    latching: Option<Latching>,
}

/// Waits until a kill is in force, and reports when it is not at once.
fn hold_kill(
    in_force: &Receiver<CommandInForce>,
    report: &mut dyn FnMut(Fact),
) -> Result<CommandInForce, String> {
    match in_force.recv_timeout(PROMPT) {
        Ok(in_force) => Ok(in_force),
        Err(RecvTimeoutError::Disconnected) => Err(RUN_ENDED.to_owned()),
        Err(RecvTimeoutError::Timeout) => {
            report(Ok(format!(
                "the kill is not in force after {} ms: the kernel's thread is busy, and orders may still leave",
                PROMPT.as_millis()
            )));
            hold(in_force)
        }
    }
}

/// Waits until a command is in force.
fn hold(in_force: &Receiver<CommandInForce>) -> Result<CommandInForce, String> {
    match in_force.recv_timeout(HOLDS_WITHIN) {
        Ok(in_force) => Ok(in_force),
        Err(RecvTimeoutError::Disconnected) => Err(RUN_ENDED.to_owned()),
        Err(RecvTimeoutError::Timeout) => Err(format!(
            "it is not in force after {} ms, and orders may still leave: the kernel's thread is busy and will carry it out as \
             soon as it can; SIGTERM ends the host within 5 s",
            HOLDS_WITHIN.as_millis()
        )),
    }
}

/// The file that makes a kill outlast the host. Clones share it.
#[derive(Clone)]
pub struct KillLatch(Arc<LatchFile>);

struct LatchFile {
    path: PathBuf,
    state: Mutex<LatchState>,
    written: Condvar,
}

#[derive(Default)]
struct LatchState {
    /// Writers that have not come back from the disk.
    writing: usize,
    /// Why the last write failed, if it did.
    failure: Option<String>,
}

/// A latch that is being written.
struct Latching(Receiver<Fact>);

impl KillLatch {
    /// The latch at `path`, which need not be there.
    pub fn at(path: PathBuf) -> Self {
        Self(Arc::new(LatchFile {
            path,
            state: Mutex::default(),
            written: Condvar::new(),
        }))
    }

    /// Begins to make a kill outlast the host, on a thread of its own: the disk may be slow.
    fn begin(&self) -> Latching {
        let (told, written) = channel();
        self.0.lock().writing += 1;
        let latch = Self(Arc::clone(&self.0));
        let write = move || {
            let fact = write_latch(&latch.0.path);
            latch.0.end(fact.as_ref().err().cloned());
            // The operator may have given up.
            let _ = told.send(fact);
        };
        if std::thread::Builder::new()
            .name("latch".to_owned())
            .spawn(write.clone())
            .is_err()
        {
            write();
        }
        Latching(written)
    }

    /// Waits for a latch that is being written, because the process is about to end.
    ///
    /// # Errors
    /// A kill was not recorded, or is not yet; the text is a sentence for the operator.
    pub fn settle(&self) -> Result<(), String> {
        self.settle_within(CONFIRMED_WITHIN)
    }

    fn settle_within(&self, within: Duration) -> Result<(), String> {
        let is_writing = |state: &mut LatchState| state.writing > 0;
        let state = self.0.lock();
        let waited = self.0.written.wait_timeout_while(state, within, is_writing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.writing {
            0 => state.failure.clone().map_or(Ok(()), Err),
            _ => Err(format!(
                "the kill is not on the disk after {} s, and the next start will trade unless it still arrives: check that \
                 {} is there before the next start",
                within.as_secs(),
                Untrusted::path(&self.0.path)
            )),
        }
    }
}

impl LatchFile {
    fn lock(&self) -> MutexGuard<'_, LatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, failure: Option<String>) {
        let mut state = self.lock();
        state.writing -= 1;
        state.failure = failure;
        drop(state);
        self.written.notify_all();
    }
}

fn write_latch(latch: &Path) -> Fact {
    let Err(error) = latch_kill(latch) else {
        return Ok("the kill is on disk and outlasts the host".to_owned());
    };
    let consequence = match error.downcast_ref::<WriteError>() {
        Some(error) if error.step == WriteStep::SyncFolder => {
            "a power cut may lose the record of the kill, and then the next start trades"
        }
        _ => "the kill could not be recorded, and the next start will trade",
    };
    Err(format!("{consequence}: {}", sentence(&error)))
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
        let rest = match self.orders.len() {
            0 => "no order is working any more".to_owned(),
            left => format!("{left} left"),
        };
        for orders in lists(gone.iter(), names) {
            report(Ok(format!("gone: {orders}; {rest}")));
        }
    }

    fn give_up(&self, names: &Names, report: &mut dyn FnMut(Fact)) {
        let seconds = CONFIRMED_WITHIN.as_secs();
        if self.latching.is_some() {
            report(Err(format!(
                "the kill is not on the disk after {seconds} s: if the host ends before it is, the next start will trade"
            )));
        }
        for orders in lists(self.orders.iter(), names) {
            report(Err(format!(
                "not confirmed by the venue within {seconds} s: {orders}; their cancels were sent; check the orders at the venue"
            )));
        }
    }
}

/// Names every order, in as many lists as it takes.
fn lists<'a>(orders: impl Iterator<Item = &'a ClientOrderId>, names: &Names) -> Vec<String> {
    let name = |id: &ClientOrderId| format!("{}/{}", names.strategy(id.strategy), id.number);
    let named: Vec<String> = orders.map(name).collect();
    let lists = named.chunks(MOST_NAMED).map(|list| list.join(", "));
    lists.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{Registry, StrategyId};

    #[test]
    fn every_order_is_named_however_many_there_are() {
        let orders: Vec<ClientOrderId> = (1..=45)
            .map(|number| ClientOrderId {
                strategy: StrategyId(1),
                number,
            })
            .collect();
        let names = Names::new(Arc::new(Registry::new()), None);
        let lists = lists(orders.iter(), &names);
        assert_eq!(lists.len(), 3);
        let named: Vec<&str> = lists.iter().flat_map(|list| list.split(", ")).collect();
        assert_eq!(named.len(), 45);
        assert!(named[44].ends_with("/45"), "{named:?}");
    }

    #[test]
    fn a_kill_that_is_not_in_force_at_once_is_reported_while_it_is_awaited() {
        let (hold, in_force) = channel();
        let mut facts = Vec::new();
        let held = hold_kill(&in_force, &mut |fact| {
            facts.push(fact.unwrap());
            hold.send(CommandInForce::default()).unwrap();
        });
        assert!(held.is_ok());
        assert_eq!(facts.len(), 1);
        assert!(facts[0].contains("not in force after 10 ms"), "{facts:?}");
    }

    #[test]
    fn the_end_of_the_host_waits_for_a_latch_that_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let latch = KillLatch::at(folder.path().join("killed"));
        latch.settle().unwrap();
        let _written = latch.begin();
        latch.settle().unwrap();
        assert!(folder.path().join("killed").exists());
    }

    #[test]
    fn a_latch_that_never_arrives_is_reported_when_the_host_ends() {
        let latch = KillLatch::at("folder/killed".into());
        latch.0.lock().writing += 1;
        let why = latch.settle_within(Duration::ZERO).unwrap_err();
        assert!(why.contains("not on the disk"), "{why}");
        assert!(why.contains("folder/killed"), "{why}");
    }

    #[test]
    fn a_latch_that_could_not_be_written_is_reported_again_when_the_host_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let latch = KillLatch::at(file.join("killed"));
        let _written = latch.begin();
        let why = latch.settle().unwrap_err();
        assert!(why.contains("the next start will trade"), "{why}");
    }
}
