//! The stream of events that the kernel publishes: totally ordered, stamped and hashed.

use crate::error::EngineError;
use crate::intent::Intent;
use crate::kernel::recording::Recording;
use crate::kernel::safety_path::SafetyPath;
use crate::worker::pool::WorkerPool;
use tickdeck_model::{Event, Timestamp};
use tickdeck_ring::Producer;
use xxhash_rust::xxh3::Xxh3;
use zerocopy::IntoBytes;

/// Publishes events, window by window.
pub(crate) struct EventPublisher {
    producer: Producer<Event>,
    /// The events being gathered; once published, stamped with their sequences.
    window: Vec<Event>,
    next_sequence: u64,
    /// Host time of the last event.
    now: Timestamp,
    hash: Xxh3,
}

impl EventPublisher {
    pub(super) fn new(producer: Producer<Event>, next_sequence: u64) -> Self {
        Self {
            producer,
            window: Vec::new(),
            next_sequence,
            now: 0,
            hash: Xxh3::new(),
        }
    }

    /// Host time of the last published event.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The sequence of the next event, which is also the number of events published so far.
    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The hash over every published event.
    pub(crate) fn hash(&self) -> u128 {
        self.hash.digest128()
    }

    /// The current window.
    pub(crate) fn window(&self) -> &[Event] {
        &self.window
    }

    /// Empties the window and returns it to be filled.
    pub(crate) fn begin_window(&mut self) -> &mut Vec<Event> {
        self.window.clear();
        &mut self.window
    }

    /// Takes the window out, so that it can be read while the kernel is modified; [`EventPublisher::return_window`] returns
    /// its allocation.
    pub(crate) fn take_window(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.window)
    }

    /// Puts back what [`EventPublisher::take_window`] took.
    pub(crate) fn return_window(&mut self, window: Vec<Event>) {
        self.window = window;
    }

    /// Sorts the window by host time. The sort is stable: for equal times, the order of the sources is kept.
    pub(super) fn sort_window(&mut self) {
        if !self.window.is_sorted_by_key(|event| event.ts_host) {
            self.window.sort_by_key(|event| event.ts_host);
        }
    }

    /// Moves events in the past to now, where the kernel runs freely: the host's own answer to a late decision is due in the
    /// past. Its two times stay equal, which distinguishes it from a venue's.
    pub(super) fn restamp_late(&mut self) {
        for event in &mut self.window {
            if event.ts_host < self.now {
                if event.ts_venue == event.ts_host {
                    event.ts_venue = self.now;
                }
                event.ts_host = self.now;
            }
        }
    }

    /// Puts the window on the ring; decisions that workers make in the meantime are appended to `pending`.
    pub(crate) fn publish(
        &mut self,
        pool: &mut WorkerPool,
        pending: &mut Vec<Intent>,
        safety: &mut SafetyPath<'_>,
    ) -> Result<(), EngineError> {
        if self.window.is_empty() {
            return Ok(());
        }
        self.stamp();
        let published = pool.publish(&mut self.producer, &self.window, pending, safety);
        // The workers have already begun, but none of their decisions is carried out before this is recorded.
        self.record(safety.recording);
        Ok(published?)
    }

    /// Processes the window without the workers, which get no more events.
    pub(super) fn take_in_without_workers(&mut self, recording: &mut Recording) {
        if !self.window.is_empty() {
            self.stamp();
            self.record(recording);
        }
    }

    /// Gives the events of the window their sequences.
    fn stamp(&mut self) {
        let (Some(first), Some(last)) = (self.window.first(), self.window.last()) else {
            return;
        };
        assert!(
            first.ts_host >= self.now,
            "host time never falls, which gathering has seen to"
        );
        self.now = last.ts_host;
        for event in &mut self.window {
            event.sequence = self.next_sequence;
            self.next_sequence += 1;
        }
    }

    fn record(&mut self, recording: &mut Recording) {
        recording.events(&self.window);
        self.hash.update(self.window.as_bytes());
    }
}
