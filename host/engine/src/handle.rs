//! The operators' handle of a running engine: stop, pause, reduce, kill, and changes of strategies.
//!
//! A command is carried out as soon as the kernel's thread gets to it, even while that thread waits for workers; a change
//! of strategies takes effect at the next window.

use crate::change_origin::ChangeOrigin;
use crate::command::{CommandInForce, OperatorCommand};
use crate::port::{Strategy, StrategyStart, Version};
use crate::quarantine_cause::QuarantineCause;
use crate::report::StrategyState;
use crate::worker::dry_run::DryRun;
use crate::worker::handover::StateSource;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::StrategyId;

/// A change of the strategies that run.
pub enum StrategyChange {
    /// Starts a strategy, or restarts one that ended.
    Start(Box<StrategyStart>),
    /// Makes another version take over, or run as a shadow if its policy says so.
    Swap(StrategyId, Box<Version>),
    /// Makes the shadow version take over.
    Promote(StrategyId),
    /// Makes the previous version take over again; if there is a shadow version, ends that instead.
    RollBack(StrategyId),
    /// Removes a strategy.
    Remove(StrategyId),
    /// Ends a strategy that must not continue after an interruption.
    Quarantine {
        /// The strategy.
        strategy: StrategyId,
        /// The reason, as text for people.
        why: String,
        /// What causes the quarantine.
        cause: QuarantineCause,
    },
    /// Changes nothing: returns the strategy's current position in the run, for trying out a new version.
    DryRun(StrategyId),
}

/// The result of a change.
pub enum ChangeResult {
    /// The strategy gets events; the number counts its versions.
    Started(u32),
    /// Another version took over.
    Swapped(Swapped),
    /// A version runs as a shadow of the live one.
    Shadow(Swapped),
    /// The shadow version with this label ended.
    ShadowEnded(String),
    /// The strategy gets no more events. Its instance is returned, to be stopped and dropped off the trading threads.
    Removed(Option<Box<dyn Strategy>>),
    /// The strategy's current position in the run.
    DryRun(Box<DryRun>),
}

/// A handover that worked.
pub struct Swapped {
    /// The version that is now live, or runs as a shadow.
    pub label: String,
    /// Number of versions so far, this one included; for a shadow, the number of live versions so far.
    pub generation: u32,
    /// The state that it started from.
    pub inherited: StateSource,
    /// Time from `save` until the new instance was ready.
    pub took_ns: u64,
    /// The instance that was replaced, to be stopped and dropped off the trading threads.
    pub retired: Option<Box<dyn Strategy>>,
}

/// The answer to a request: the error says in a sentence why nothing changed.
pub(crate) type ChangeAnswer = Result<ChangeResult, String>;

/// A change that waits for the kernel.
pub(crate) struct Request {
    pub(crate) change: StrategyChange,
    pub(crate) origin: Option<ChangeOrigin>,
    pub(crate) answer: Sender<ChangeAnswer>,
}

/// A handle for other threads; clones share it.
#[derive(Clone, Default)]
pub struct EngineHandle(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: AtomicBool,
    /// How little the end of the run waits for: a [`Haste`].
    haste: AtomicU8,
    /// A command waits.
    commanded: AtomicBool,
    /// A change waits.
    waiting: AtomicBool,
    received: Mutex<Received>,
}

/// What was requested since the last poll.
#[derive(Default)]
struct Received {
    commands: Vec<ReceivedCommand>,
    requests: Vec<Request>,
    /// No more changes are accepted.
    closed: bool,
    /// Nothing more is accepted.
    ended: bool,
}

/// A command that waits for the kernel, and the channel on which it is confirmed.
pub(crate) struct ReceivedCommand {
    pub(crate) command: OperatorCommand,
    pub(crate) held: Sender<CommandInForce>,
}

/// How little the end of a run still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// For the strategies to stop, and for the venues to confirm cancels.
    Patient = 0,
    /// For the venues only: strategies that do not return are left behind.
    WithoutWorkers = 1,
    /// For nothing: what is not confirmed stays unconfirmed.
    AtOnce = 2,
}

impl EngineHandle {
    /// Requests a clean end of the run: strategies are stopped, their orders handled by policy.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
    }

    /// Sets how little the end of the run still waits for; it can only be reduced.
    pub fn hasten(&self, haste: Haste) {
        self.0.haste.fetch_max(haste as u8, Ordering::AcqRel);
    }

    /// Whether the end of the run waits for less than this.
    pub(crate) fn is_in_haste(&self, haste: Haste) -> bool {
        self.0.haste.load(Ordering::Acquire) >= haste as u8
    }

    /// Whether a stop was requested.
    pub fn stopping(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    /// Queues a command for the kernel, without confirmation.
    pub fn order(&self, order: OperatorCommand) {
        drop(self.command(order));
    }

    /// Queues a command for the kernel, which confirms when it is in force: no later order leaves, and every cancel was handed
    /// to its gateway. If the engine ends first, the receiver reports that the sender is gone.
    pub fn command(&self, command: OperatorCommand) -> Receiver<CommandInForce> {
        let (held, receiver) = channel();
        let mut received = self.received();
        if !received.ended {
            received.commands.push(ReceivedCommand { command, held });
        }
        drop(received);
        self.0.commanded.store(true, Ordering::Release);
        if command == OperatorCommand::Stop {
            self.stop();
        }
        receiver
    }

    /// Queues a change for the kernel. The answer comes after the current window; if the engine ends first, the receiver
    /// reports that the sender is gone. The inner error says in a sentence why nothing changed.
    pub fn change(&self, change: StrategyChange) -> Receiver<Result<ChangeResult, String>> {
        self.request(change, None)
    }

    /// Like [`EngineHandle::change`], with an origin that is returned in the notice of the change. Observers get the notice
    /// before the answer is sent.
    pub fn change_from(
        &self,
        change: StrategyChange,
        origin: ChangeOrigin,
    ) -> Receiver<Result<ChangeResult, String>> {
        self.request(change, Some(origin))
    }

    fn request(
        &self,
        change: StrategyChange,
        origin: Option<ChangeOrigin>,
    ) -> Receiver<Result<ChangeResult, String>> {
        let (answer, receiver) = channel();
        let mut received = self.received();
        if !received.closed {
            received.requests.push(Request {
                change,
                origin,
                answer,
            });
        }
        drop(received);
        self.0.waiting.store(true, Ordering::Release);
        receiver
    }

    /// Whether a command waits.
    pub(crate) fn is_commanded(&self) -> bool {
        self.0.commanded.load(Ordering::Relaxed)
    }

    /// Whether a change waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Takes the commands since the last poll; costs one load when there are none.
    pub(crate) fn take_commands(&self) -> Vec<ReceivedCommand> {
        match take(&self.0.commanded) {
            true => std::mem::take(&mut self.received().commands),
            false => Vec::new(),
        }
    }

    /// Takes the changes since the last poll; costs one load when there are none.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        match take(&self.0.waiting) {
            true => std::mem::take(&mut self.received().requests),
            false => Vec::new(),
        }
    }

    /// Stops accepting changes; pending receivers are disconnected.
    pub(crate) fn close(&self) {
        let mut received = self.received();
        received.closed = true;
        received.requests.clear();
    }

    /// Stops accepting anything; pending receivers are disconnected.
    pub(crate) fn end(&self) {
        self.close();
        let mut received = self.received();
        received.ended = true;
        received.commands.clear();
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.0
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clears a flag; returns whether it was set.
fn take(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed) && flag.swap(false, Ordering::Acquire)
}

/// What a strategy, or the whole deck, may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Everything within its limits.
    #[default]
    Trade,
    /// Only orders that reduce a position.
    Reduce,
    /// Only cancels.
    Pause,
}

impl Mode {
    pub(crate) const fn state(self) -> StrategyState {
        match self {
            Self::Trade => StrategyState::Running,
            Self::Reduce => StrategyState::Reducing,
            Self::Pause => StrategyState::Paused,
        }
    }
}
