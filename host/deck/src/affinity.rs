//! Threads and cores: the stack that strategies need, trading on the cores that the settings name, everything else on
//! the others.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Stack size of a thread on which strategies run: their own, and as much again for the host around them.
const STRATEGY_STACK: usize = 2 * tickdeck_strategy::THREAD_STACK;

/// Returns a builder of a thread with the stack that strategies need.
pub fn strategy_thread(name: &str) -> Builder {
    Builder::new()
        .name(name.to_owned())
        .stack_size(STRATEGY_STACK)
}

/// Starts a thread that can run strategies.
///
/// # Errors
/// The system has no thread left.
pub fn spawn_for_strategies<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    strategy_thread(name).spawn(work)
}

/// Runs work on a thread that can run strategies, and waits for it. A panic of the work is passed on.
///
/// # Errors
/// The system has no thread left.
pub fn run_for_strategies<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = strategy_thread(name).spawn_scoped(scope, work)?;
        match thread.join() {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Keeps this thread, and those that it starts from now on, off these cores. Does nothing if no core would be left, or
/// if the system does not support it.
fn keep_off(cores: &[usize]) {
    #[cfg(target_os = "linux")]
    if !cores.is_empty()
        && let Ok(mut set) = rustix::thread::sched_getaffinity(None)
    {
        for core in cores
            .iter()
            .filter(|core| **core < rustix::thread::CpuSet::MAX_CPU)
        {
            set.unset(*core);
        }
        if set.count() > 0 {
            // If refused, the system places threads as it likes.
            let _ = rustix::thread::sched_setaffinity(None, &set);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cores;
}

/// Yields to trading: this thread, and those that it starts from now on, stay off the trading cores and run at a low priority
/// on the others. Not at the idle priority: where every core is busy, that would never let them through, while a strategy waits
/// for its next instance, the kernel for a lock of theirs, or an operator for a new version.
pub fn yield_to_trading(cores: &[usize]) {
    keep_off(cores);
    // Linux has per-thread priorities. If refused, only the precedence is lost.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, LOADING_NICE);
}

/// The priority of loading and compiling: well behind trading, well before idle work.
#[cfg(target_os = "linux")]
const LOADING_NICE: i32 = 10;

/// Pins this thread to a core. A core that does not exist leaves the thread where the system puts it; `doctor` reports
/// that.
pub fn pin(core: usize) {
    #[cfg(target_os = "linux")]
    if core < rustix::thread::CpuSet::MAX_CPU {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}
