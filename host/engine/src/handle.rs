//! The operators' handle of a running engine: stop, pause, reduce, kill, and changes of strategies. Each takes effect at
//! the next window.

use crate::change_origin::ChangeOrigin;
use crate::port::{Strategy, StrategyStart, Version};
use crate::report::StrategyState;
use crate::worker::dry_run::DryRun;
use crate::worker::handover::StateSource;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::StrategyId;

/// A command of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorCommand {
    /// New orders of one strategy, or of all, are denied; cancels pass.
    Pause(Option<StrategyId>),
    /// Only orders that reduce a position pass.
    Reduce(Option<StrategyId>),
    /// Returns to normal; does not lift a kill.
    Resume(Option<StrategyId>),
    /// Cancels every order and denies new ones until the latch is cleared.
    Kill,
}

impl OperatorCommand {
    /// Returns the name, as reels spell it, and the strategy that the command is about; none for all.
    pub const fn to_parts(self) -> (&'static str, Option<StrategyId>) {
        match self {
            Self::Pause(strategy) => ("pause", strategy),
            Self::Reduce(strategy) => ("reduce", strategy),
            Self::Resume(strategy) => ("resume", strategy),
            Self::Kill => ("kill", None),
        }
    }

    /// Returns the command of a name, if there is one.
    pub fn from_parts(name: &str, strategy: Option<StrategyId>) -> Option<Self> {
        let commands = [
            Self::Pause(strategy),
            Self::Reduce(strategy),
            Self::Resume(strategy),
            Self::Kill,
        ];
        commands
            .into_iter()
            .find(|command| command.to_parts().0 == name)
    }
}

/// A change of the strategies that run.
pub enum StrategyChange {
    /// Starts a strategy, or one that ended once more.
    Start(Box<StrategyStart>),
    /// Lets another version take over, or run as a shadow if its policy says so.
    Swap(StrategyId, Box<Version>),
    /// Lets the shadow version take over.
    Promote(StrategyId),
    /// Lets the version before take over again; a shadow version ends instead.
    RollBack(StrategyId),
    /// Removes a strategy.
    Remove(StrategyId),
    /// Changes nothing: returns where the strategy stands, to try a new version on it.
    DryRun(StrategyId),
}

/// The result of a change.
pub enum ChangeResult {
    /// The strategy gets events; the number counts its versions.
    Started(u32),
    /// Another version took over.
    Swapped(Swapped),
    /// A version runs as a shadow of the one that counts.
    Shadow(Swapped),
    /// The shadow version of this label ended.
    ShadowEnded(String),
    /// The strategy gets no more events. Its instance is returned, to be stopped and dropped off the trading threads.
    Removed(Option<Box<dyn Strategy>>),
    /// Where the strategy stands.
    DryRun(Box<DryRun>),
}

/// A handover that worked.
pub struct Swapped {
    /// The version that now counts, or runs as a shadow.
    pub label: String,
    /// Number of versions so far, this one included; for a shadow, of those that counted so far.
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
    waiting: AtomicBool,
    received: Mutex<Received>,
}

/// What was requested since the last look.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) commands: Vec<OperatorCommand>,
    pub(crate) requests: Vec<Request>,
    closed: bool,
}

impl EngineHandle {
    /// Requests a clean end of the run: strategies are stopped, their orders handled by policy.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
    }

    /// Whether a stop was requested.
    pub fn stopping(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    /// Leaves a command for the kernel.
    pub fn order(&self, order: OperatorCommand) {
        self.received().commands.push(order);
        self.0.waiting.store(true, Ordering::Release);
    }

    /// Leaves a change for the kernel. The answer comes after the current window; if the engine ends first, the receiver
    /// reports that the sender is gone. The inner error says in a sentence why nothing changed.
    pub fn change(&self, change: StrategyChange) -> Receiver<Result<ChangeResult, String>> {
        self.request(change, None)
    }

    /// As [`EngineHandle::change`], with an origin that comes back in the notice of the change. Observers get the notice
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

    /// Whether anything was requested since the last look.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Takes what was requested since the last look; costs one load when there is nothing.
    pub(crate) fn take(&self) -> Option<Received> {
        if !self.0.waiting.load(Ordering::Relaxed) || !self.0.waiting.swap(false, Ordering::Acquire)
        {
            return None;
        }
        let mut received = self.received();
        let closed = received.closed;
        let open = Received {
            closed,
            ..Received::default()
        };
        Some(std::mem::replace(&mut *received, open))
    }

    /// Accepts no more changes; those who wait for an answer learn it by their receiver.
    pub(crate) fn close(&self) {
        let mut received = self.received();
        received.closed = true;
        received.requests.clear();
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.0
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a strategy, or the whole deck, may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Everything within its limits.
    #[default]
    Trade,
    /// Only what reduces a position.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_again_by_its_name() {
        for strategy in [None, Some(StrategyId(3))] {
            for command in [
                OperatorCommand::Pause(strategy),
                OperatorCommand::Reduce(strategy),
                OperatorCommand::Resume(strategy),
                OperatorCommand::Kill,
            ] {
                let (name, strategy) = command.to_parts();
                assert_eq!(OperatorCommand::from_parts(name, strategy), Some(command));
            }
        }
        assert_eq!(OperatorCommand::from_parts("flatten", None), None);
    }
}
