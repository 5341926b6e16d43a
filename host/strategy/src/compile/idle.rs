//! The idle priority of a compiling child: trading never waits for it, and it must not wait for ever.

use std::process::Child;
use std::time::Duration;

/// How long a child may wait for the CPU before it is judged.
const PATIENCE: Duration = Duration::from_secs(2);

/// A child that had less than this part of the time since it began is starved.
const LEAST_SHARE: u32 = 10;

/// Makes a child yield to everything else: a thread of ordinary priority that wakes up preempts it at once. Returns false if the
/// system refuses or has no such priority; then the child keeps the priority of the thread that started it.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "a system call that no safe library of the tree wraps"
)]
pub(super) fn make_idle(child: &Child) -> bool {
    let Ok(pid) = libc::pid_t::try_from(child.id()) else {
        return false;
    };
    let idle = libc::sched_param { sched_priority: 0 };
    // SAFETY: the call reads the structure that it is given, which outlives it. The process is a child that has not been waited
    // for, so its number is its own.
    unsafe { libc::sched_setscheduler(pid, libc::SCHED_IDLE, &raw const idle) == 0 }
}

/// Only Linux has such a priority.
#[cfg(not(target_os = "linux"))]
pub(super) fn make_idle(_: &Child) -> bool {
    false
}

/// Whether a child, by its process number, that began `elapsed` ago gets next to nothing of the CPU, because other work keeps every core busy.
pub(super) fn is_starved(child: u32, elapsed: Duration) -> bool {
    elapsed >= PATIENCE && cpu_time(child).is_some_and(|used| used < elapsed / LEAST_SHARE)
}

/// The CPU time of a process, as Linux counts it; `None` where that is not known.
fn cpu_time(pid: u32) -> Option<Duration> {
    /// `USER_HZ`, the unit of the times in `/proc`: 100 a second on every architecture that has a system call filter here.
    const TICK: Duration = Duration::from_millis(10);
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    TICK.checked_mul(parse_ticks(&line)?)
}

/// The ticks in user and system mode, out of the line of `/proc/PID/stat`.
fn parse_ticks(line: &str) -> Option<u32> {
    // The second field is the name in parentheses, which may contain anything; the 14th and 15th are the times.
    let (_, fields) = line.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut next = || times.next()?.parse::<u32>().ok();
    next()?.checked_add(next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticks_of_a_process_are_read_whatever_its_name_is() {
        let line = "7 (a ) 9 (b) R 1 7 7 0 -1 4194304 90 0 0 0 31 11 0 0 39 19 1 0 100";
        assert_eq!(parse_ticks(line), Some(42));
        for broken in [
            "",
            "7 (a",
            "7 (a) R 1",
            "7 (a) R 1 7 7 0 -1 4194304 90 0 0 0 x 1",
        ] {
            assert_eq!(parse_ticks(broken), None, "{broken}");
        }
        assert!(cpu_time(std::process::id()).is_some() || !cfg!(target_os = "linux"));
        assert_eq!(cpu_time(u32::MAX), None);
    }
}
