//! The output of a worker's strategies: decisions for the router, and changes for the worker itself.

use crate::intent::{Intent, Outlet};
use crate::worker::actions::FeedChange;
use crate::worker::dispatch::SlotIndex;
use std::vec::Drain;

/// Where decisions go, and what the worker has to process after calling its strategies.
pub(super) struct Output {
    outlet: Outlet,
    /// Changes of feeds requested since the last call.
    feed_changes: Vec<FeedChange>,
    /// Strategies that ended since the last call.
    ended: Vec<SlotIndex>,
}

impl Output {
    pub(super) const fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            feed_changes: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Passes decisions to the router.
    #[inline]
    pub(super) fn publish(&mut self, intents: &[Intent]) {
        self.outlet.publish(intents);
    }

    /// Takes the decisions, if the kernel and the worker share a thread.
    pub(super) fn take_intents(&mut self, into: &mut Vec<Intent>) {
        if let Outlet::Local(intents) = &mut self.outlet {
            into.append(intents);
        }
    }

    #[inline]
    pub(super) fn request_feed_change(&mut self, change: Option<FeedChange>) {
        self.feed_changes.extend(change);
    }

    /// Whether a change of feeds was requested since the last call.
    #[inline]
    pub(super) const fn has_feed_changes(&self) -> bool {
        !self.feed_changes.is_empty()
    }

    pub(super) fn drain_feed_changes(&mut self) -> Drain<'_, FeedChange> {
        self.feed_changes.drain(..)
    }

    /// Notes that a strategy ended: its feeds have to end too.
    pub(super) fn note_end(&mut self, place: SlotIndex) {
        self.ended.push(place);
    }

    /// Whether a strategy ended since the last call.
    #[inline]
    pub(super) const fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    pub(super) fn take_ended(&mut self) -> Vec<SlotIndex> {
        std::mem::take(&mut self.ended)
    }
}
