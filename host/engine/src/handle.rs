//! The operator's hand on a running engine: stop, pause, reduce, kill, and the change of strategies. Taken at the next
//! window.

use crate::port::{Strategy, StrategyStart, Version};
use crate::report::StrategyState;
use crate::worker::dry_run::DryRun;
use crate::worker::handover::StateSource;
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_model::StrategyId;

/// What an operator can order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorCommand {
    /// New orders of one strategy, or of all, are denied; cancels pass.
    Pause(Option<StrategyId>),
    /// Only orders that reduce a position pass.
    Reduce(Option<StrategyId>),
    /// Back to normal; does not lift a kill.
    Resume(Option<StrategyId>),
    /// Cancels every order and denies new ones until the latch is cleared.
    Kill,
}

/// A change of the strategies that run.
pub enum StrategyChange {
    /// A strategy comes, or comes back.
    Start(Box<StrategyStart>),
    /// Another version takes over, or runs beside if its policy says so.
    Swap(StrategyId, Box<Version>),
    /// The version that runs beside takes over.
    Promote(StrategyId),
    /// The version before takes over again; a version that runs beside ends.
    RollBack(StrategyId),
    /// It leaves in order.
    Remove(StrategyId),
    /// Nothing changes: where it stands, to try a new version on.
    DryRun(StrategyId),
}

/// What became of a change.
pub enum ChangeResult {
    /// The strategy gets events, as the version of this number.
    Started(u32),
    /// Another version counts.
    Swapped(Swapped),
    /// A version runs beside the one that counts.
    Shadow(Swapped),
    /// The version of this label no longer runs beside.
    ShadowEnded(String),
    /// The strategy gets no more events. Its instance, to be stopped and dropped where there is time.
    Removed(Option<Box<dyn Strategy>>),
    /// Where it stands.
    DryRun(Box<DryRun>),
}

/// A handover that worked.
pub struct Swapped {
    /// The version that now counts, or runs beside.
    pub label: String,
    /// How many versions there were, this one included; of one that runs beside, those that counted so far.
    pub generation: u32,
    /// What it took over.
    pub inherited: StateSource,
    /// From `save` to the new instance standing ready.
    pub took_ns: u64,
    /// The instance that is done, to be stopped and dropped where there is time.
    pub retired: Option<Box<dyn Strategy>>,
}

/// Who asked for a change of a strategy and why. Opaque to the engine, which hands it back in the notice of the change.
///
/// Two origins are equal if they are the same one.
#[derive(Clone)]
pub struct ChangeOrigin(Arc<dyn Any + Send + Sync>);

impl ChangeOrigin {
    /// Wraps what the asker knows of the change.
    pub fn new(origin: impl Any + Send + Sync) -> Self {
        Self(Arc::new(origin))
    }

    /// Returns what the asker wrapped, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl PartialEq for ChangeOrigin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for ChangeOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChangeOrigin")
    }
}

/// What an asker gets: the error says in a sentence why nothing changed.
pub(crate) type ChangeAnswer = Result<ChangeResult, String>;

/// A change that waits for the kernel.
pub(crate) struct Request {
    pub(crate) change: StrategyChange,
    pub(crate) origin: Option<ChangeOrigin>,
    pub(crate) answer: Sender<ChangeAnswer>,
}

/// A handle that other threads hold.
#[derive(Clone, Default)]
pub struct EngineHandle(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stop: AtomicBool,
    waiting: AtomicBool,
    received: Mutex<Received>,
}

/// What was asked for since the last look.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) commands: Vec<OperatorCommand>,
    pub(crate) requests: Vec<Request>,
    closed: bool,
}

impl EngineHandle {
    /// Ends the run in order: strategies are stopped, their orders handled by policy.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
    }

    /// Whether a stop was requested.
    pub fn stopping(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    /// Leaves an order for the kernel.
    pub fn order(&self, order: OperatorCommand) {
        self.received().commands.push(order);
        self.0.waiting.store(true, Ordering::Release);
    }

    /// Leaves a change for the kernel. The answer comes after the window at hand; it never comes if the engine ends
    /// first, and then the receiver says so. The inner error says in a sentence why nothing changed.
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

    /// Whether something was asked for since the last look.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Takes what was asked for since the last look; costs one load when there is nothing.
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

    /// Nothing is changed any more; those who wait for an answer learn it by their receiver.
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
