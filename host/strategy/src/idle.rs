//! The idle priority: for work that trading must never wait for.

/// Makes this thread, and the threads and processes that it starts from now on, yield to everything else. A thread of ordinary
/// priority that wakes up preempts it at once; a merely nice thread may keep the core for a whole time slice. If the priority is
/// refused, only that precedence is lost.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "a system call that no safe library of the tree wraps"
)]
pub fn take_idle_priority() {
    /// The lowest of the ordinary priorities, in case the idle one is refused.
    const LOWEST: i32 = 19;
    let idle = libc::sched_param { sched_priority: 0 };
    // SAFETY: the call reads the structure that it is given, which outlives it, and changes how this thread is scheduled.
    let refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const idle) } != 0;
    if refused {
        let _ = rustix::process::setpriority_process(None, LOWEST);
    }
}

/// Does nothing: only Linux has such a priority.
#[cfg(not(target_os = "linux"))]
pub fn take_idle_priority() {}
