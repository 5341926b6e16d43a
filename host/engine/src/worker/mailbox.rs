//! The kernel's requests to a worker's thread, and the answers.

use crate::worker::{Done, Task};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One task at a time for a worker's thread, and its answer.
#[derive(Default)]
pub(super) struct Mailbox {
    waiting: AtomicBool,
    answered: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Default)]
struct Content {
    task: Option<Task>,
    answer: Option<Result<Done, String>>,
}

impl Mailbox {
    pub(super) fn post(&self, task: Task) {
        self.content().task = Some(task);
        self.waiting.store(true, Ordering::Release);
    }

    pub(super) fn take(&self) -> Option<Task> {
        if !self.waiting.swap(false, Ordering::Acquire) {
            return None;
        }
        self.content().task.take()
    }

    /// Whether a task waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    pub(super) fn reply(&self, answer: Result<Done, String>) {
        self.content().answer = Some(answer);
        self.answered.store(true, Ordering::Release);
    }

    pub(super) fn answer(&self) -> Option<Result<Done, String>> {
        if !self.answered.swap(false, Ordering::Acquire) {
            return None;
        }
        self.content().answer.take()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
