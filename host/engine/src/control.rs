//! The operator's hand on a running engine: stop, pause, reduce, kill. Taken at the next window.

use crate::report::StrategyState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_model::StrategyId;

/// What an operator can order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// New orders of one strategy, or of all, are denied; cancels pass.
    Pause(Option<StrategyId>),
    /// Only orders that reduce a position pass.
    Reduce(Option<StrategyId>),
    /// Back to normal; does not lift a kill.
    Resume(Option<StrategyId>),
    /// Cancels every order and denies new ones until the latch is cleared.
    Kill,
}

/// A handle that other threads hold.
#[derive(Debug, Clone, Default)]
pub struct Controls(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stop: AtomicBool,
    waiting: AtomicBool,
    orders: Mutex<Vec<Order>>,
}

impl Controls {
    /// Ends the run in order: strategies are stopped, their orders handled by policy.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
    }

    /// Whether a stop was asked for.
    pub fn stopping(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    /// Leaves an order for the kernel.
    pub fn order(&self, order: Order) {
        self.0
            .orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(order);
        self.0.waiting.store(true, Ordering::Release);
    }

    /// Takes what was ordered since the last look; costs one load when there is nothing.
    pub(crate) fn take(&self) -> Vec<Order> {
        if !self.0.waiting.load(Ordering::Relaxed) || !self.0.waiting.swap(false, Ordering::Acquire)
        {
            return Vec::new();
        }
        std::mem::take(&mut *self.0.orders.lock().unwrap_or_else(PoisonError::into_inner))
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
