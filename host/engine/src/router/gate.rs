//! The switches of the deck, the operators and the recorder that apply to the orders of every strategy.

use crate::handle::Mode;
use tickdeck_model::Timestamp;

/// The switches that apply to the orders of every strategy.
#[derive(Debug)]
pub(crate) struct OrderGate {
    deck_mode: Mode,
    killed: bool,
    /// The run is ending: new orders and changes are denied, as if the deck were paused.
    stopping: bool,
    /// The run cannot be recorded: new orders and changes are denied, as if the deck were paused.
    halted: bool,
    /// The current decision came too late: new orders and changes are denied, as if the strategy were paused.
    late: bool,
    /// When the current decision leaves, if that is later than its cause.
    leaves_at: Timestamp,
}

impl Default for OrderGate {
    fn default() -> Self {
        Self {
            deck_mode: Mode::Trade,
            killed: false,
            stopping: false,
            halted: false,
            late: false,
            leaves_at: Timestamp::MIN,
        }
    }
}

impl OrderGate {
    /// What a strategy in mode `own` may do, the deck's mode included.
    pub(crate) fn mode_with(&self, own: Mode) -> Mode {
        own.max(self.deck_mode)
    }

    /// Like [`OrderGate::mode_with`], for the current decision.
    pub(super) fn mode_now(&self, own: Mode) -> Mode {
        match self.late || self.halted || self.stopping {
            true => Mode::Pause,
            false => self.mode_with(own),
        }
    }

    pub(super) fn set_deck_mode(&mut self, mode: Mode) {
        self.deck_mode = mode;
    }

    pub(crate) const fn is_killed(&self) -> bool {
        self.killed
    }

    /// Denies every new order from here on.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
    }

    /// Whether the run is ending.
    pub(crate) const fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Marks the run as ending: nothing new leaves.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    pub(crate) const fn is_halted(&self) -> bool {
        self.halted
    }

    /// Denies new orders because nothing can be recorded; returns whether they already were for that reason.
    pub(crate) fn halt(&mut self) -> bool {
        std::mem::replace(&mut self.halted, true)
    }

    /// Allows new orders again: everything is recorded.
    pub(crate) fn lift_halt(&mut self) {
        self.halted = false;
    }

    pub(super) fn set_late(&mut self, late: bool) {
        self.late = late;
    }

    pub(crate) const fn leaves_at(&self) -> Timestamp {
        self.leaves_at
    }

    pub(crate) fn set_leaves_at(&mut self, at: Timestamp) {
        self.leaves_at = at;
    }
}
