//! Threads that run strategies.

use anyhow::{Context, Result};
use std::thread::{Builder, JoinHandle};

/// Stack of a thread that runs strategies: a guest may use all that it is granted, and the host's frames come on top.
const STACK: usize = 2 * tickdeck_strategy::THREAD_STACK;

/// Returns a builder for a thread with a stack that is large enough to run strategies.
pub(crate) fn builder(name: &str) -> Builder {
    Builder::new().name(name.to_owned()).stack_size(STACK)
}

/// Starts a thread that is able to run strategies.
///
/// # Errors
/// The system has no thread to spare.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let thread = builder(name).spawn(work);
    thread.with_context(|| format!("cannot start the thread `{name}`"))
}

/// Waits for a thread and returns its result; a panic on it continues here.
///
/// # Errors
/// The thread's own error.
pub(crate) fn join<T, E>(thread: JoinHandle<Result<T, E>>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    match thread.join() {
        Ok(done) => Ok(done?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs `work` on a thread that is able to run strategies, and waits for it.
///
/// # Errors
/// The system has no thread to spare, or `work` fails.
pub(crate) fn run<T: Send + 'static, E>(
    name: &str,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    join(spawn(name, work)?)
}
