//! Decisions of the strategies: gathered from the workers, merged with their causes, hashed.

use crate::intent::{AT_END, Intent, hash_intent};
use crate::router::Router;
use tickdeck_model::Event;
use xxhash_rust::xxh3::Xxh3;

/// The decisions that wait to be carried out, and the hash of those that were.
#[derive(Default)]
pub(crate) struct Decisions {
    pending: Vec<Intent>,
    /// Carried out by the free-running kernel and not hashed yet.
    unhashed: Vec<Intent>,
    hash: Xxh3,
    /// When the first action was carried out, by the clock.
    first_action_ns: Option<u64>,
}

impl Decisions {
    /// Where the workers' decisions are gathered.
    pub(crate) const fn pending(&mut self) -> &mut Vec<Intent> {
        &mut self.pending
    }

    /// Replaces the decisions that wait to be carried out.
    pub(crate) fn set_pending(&mut self, intents: Vec<Intent>) {
        self.pending = intents;
    }

    /// The hash over every action that was carried out.
    pub(crate) fn digest(&self) -> u128 {
        self.hash.digest128()
    }

    /// When the first action was carried out, by the clock.
    pub(super) const fn first_action_ns(&self) -> Option<u64> {
        self.first_action_ns
    }

    /// Notes when the first action was carried out, if one was.
    pub(super) fn note_first_action(&mut self, router: &Router, now_ns: impl FnOnce() -> u64) {
        if self.first_action_ns.is_none() && router.has_acted() {
            self.first_action_ns = Some(now_ns());
        }
    }

    /// Adds a decision to the hash of all decisions.
    pub(crate) fn hash(&mut self, intent: &Intent) {
        hash_intent(&mut self.hash, intent);
    }

    /// Sorts the pending decisions into the order in which they are carried out.
    pub(super) fn sort(&mut self) {
        self.pending.sort_unstable_by_key(Intent::key);
    }

    /// Feeds `events` to the router, and carries out each decision right after its cause. Call [`Decisions::sort`] first.
    /// What takes effect at the end of the window stays.
    pub(super) fn carry_out_after(&mut self, events: &[Event], router: &mut Router) {
        if self.pending.is_empty() {
            return events.iter().for_each(|event| router.on_event(event));
        }
        let mut intents = self.pending.iter().peekable();
        for event in events {
            router.on_event(event);
            while let Some(intent) = intents.next_if(|intent| intent.cause <= event.sequence) {
                hash_intent(&mut self.hash, intent);
                router.on_intent(intent);
            }
        }
        let done = self.pending.len() - intents.count();
        self.pending.drain(..done);
    }

    /// Carries out decisions in order of arrival; returns whether there were any. What takes effect at the end of a step
    /// stays.
    pub(super) fn carry_out_now(&mut self, router: &mut Router) -> bool {
        let Self {
            pending, unhashed, ..
        } = self;
        let before = pending.len();
        pending.retain(|intent: &Intent| {
            if intent.cause == AT_END {
                return true;
            }
            router.on_intent(intent);
            unhashed.push(*intent);
            false
        });
        pending.len() < before
    }

    /// Hashes what [`Decisions::carry_out_now`] carried out, off the critical path.
    pub(super) fn hash_carried_out(&mut self) {
        for intent in self.unhashed.drain(..) {
            hash_intent(&mut self.hash, &intent);
        }
    }

    /// Takes what takes effect at the end of a window, in order; [`Decisions::return_memory`] returns the allocation.
    pub(super) fn take_settled(&mut self) -> Vec<Intent> {
        let mut intents = std::mem::take(&mut self.pending);
        intents.sort_unstable_by_key(Intent::key);
        intents
    }

    /// Returns the emptied list, so that its allocation is reused. Nothing was decided since it was taken.
    pub(super) fn return_memory(&mut self, emptied: Vec<Intent>) {
        debug_assert!(emptied.is_empty() && self.pending.is_empty());
        self.pending = emptied;
    }
}
