//! The idle priority: for work that trading must never wait for.

/// Has this thread give way to everything else that runs, and with it the threads and processes that it starts from now on. A
/// thread of an ordinary priority that wakes up takes the core from it at once; from one that is merely nice it may wait for
/// a whole time slice. Where it is refused, only the precedence is lost.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "a system call that no safe library of the tree wraps"
)]
pub fn take_idle_priority() {
    /// The lowest of the ordinary priorities, where the idle one is refused.
    const LOWEST: i32 = 19;
    let idle = libc::sched_param { sched_priority: 0 };
    // SAFETY: the call reads the structure that it is given, which outlives it, and changes how this thread is scheduled.
    let refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const idle) } != 0;
    if refused {
        let _ = rustix::process::setpriority_process(None, LOWEST);
    }
}

/// As on Linux, where there is such a priority.
#[cfg(not(target_os = "linux"))]
pub fn take_idle_priority() {}
