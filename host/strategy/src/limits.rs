//! The resource limits of a strategy: memory, CPU time, and bytes that cross the boundary in one call.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use wasmtime::{ResourceLimiter, Result, UpdateDeadline};

/// Actions that one call may return, as `wit/hot.wit` promises.
pub const MAX_ACTIONS: usize = 256;

/// Bytes of a saved state, as `wit/lifecycle.wit` promises.
pub const MAX_STATE: usize = 16 << 20;

/// Bytes of stack that a thread needs to run strategies: the guest's own stack and the host's frames around it.
pub const THREAD_STACK: usize = 4 << 20;

/// Bytes of stack that a guest may use before it traps.
pub(crate) const GUEST_STACK: usize = 1 << 20;

/// Bytes that a guest may pass to the host in one call on the hot path.
pub(crate) const HOT_FUEL: usize = 1 << 20;

/// Bytes that a guest may pass to the host in one lifecycle call: a state, and slack for other text.
pub(crate) const LIFECYCLE_FUEL: usize = MAX_STATE + (64 << 10);

/// Interval at which the epoch advances; it is the precision of time limits.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks after which a call that still runs is checked for the first time. With one, every call that happens to span a
/// tick would be checked.
pub(crate) const FIRST_LOOK_TICKS: u64 = 2;

/// Elements of one table. The largest interpreters need some ten thousand.
const MAX_TABLE_ELEMENTS: usize = 1 << 20;

/// Core instances, tables and memories of one strategy, each. A Python strategy has some thirty of each.
const MAX_INSTANCES: usize = 256;

/// The resources that one strategy may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Size of all the strategy's memories together.
    pub memory_mib: u32,
    /// CPU time of one batch of events.
    pub time_ms: u32,
    /// CPU time of one lifecycle call that nothing waits for: describe, init, stop.
    pub lifecycle_ms: u32,
    /// CPU time of `save` and of `restore`, for which other strategies on the same thread wait.
    pub handover_ms: u32,
    /// Log lines per second; further lines are counted and dropped.
    pub log_lines_per_s: u32,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            time_ms: 15,
            lifecycle_ms: 1_000,
            handover_ms: 20,
            log_lines_per_s: 200,
        }
    }
}

impl ResourceLimits {
    /// Returns the time limit of a call of this function, and the name of its setting.
    pub(crate) fn of_call(&self, function: &str) -> (u32, &'static str) {
        match function {
            "on-events" => (self.time_ms, "time_ms"),
            "save" | "restore" => (self.handover_ms, "handover_ms"),
            _ => (self.lifecycle_ms, "lifecycle_ms"),
        }
    }

    pub(crate) const fn memory_bytes(&self) -> usize {
        (self.memory_mib as usize) << 20
    }
}

/// Counts the growth of the store's memories and tables.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    used: usize,
    /// Bytes that the last growth added, to be taken back if the system then refuses it.
    added: usize,
    refused: Option<usize>,
}

impl Limiter {
    pub(crate) const fn new(limits: &ResourceLimits) -> Self {
        Self {
            limit: limits.memory_bytes(),
            used: 0,
            added: 0,
            refused: None,
        }
    }

    /// Bytes, for all memories together, that the guest asked for in this call and was refused.
    pub(crate) const fn refused(&self) -> Option<usize> {
        self.refused
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    pub(crate) const fn begin_call(&mut self) {
        self.refused = None;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let added = desired.saturating_sub(current);
        let wanted = self.used.saturating_add(added);
        if wanted > self.limit {
            // Not a trap: an interpreter may collect its garbage and continue.
            self.refused = Some(wanted);
            return Ok(false);
        }
        (self.used, self.added) = (wanted, added);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        // Also called right after the limiter itself refused, when nothing was added.
        if self.refused.is_none() {
            self.used -= std::mem::take(&mut self.added);
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }
}

/// The time limit of the call in progress. No clock is read until the call is [`FIRST_LOOK_TICKS`] old, so a call that
/// ends in time reads none.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    limit: Duration,
    first_look: Option<Duration>,
    /// Whether the limit applies as it is, whatever the runtime's factor.
    is_strict: bool,
}

/// A call used up its CPU time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped after {} ms of CPU time", limit.as_millis())]
pub(crate) struct TimeIsUp {
    pub(crate) limit: Duration,
}

impl Deadline {
    /// Starts the clock for a call that may use `limit_ms`.
    pub(crate) fn arm(&mut self, limit_ms: u32) {
        self.limit = Duration::from_millis(limit_ms.into());
        self.first_look = None;
    }

    /// From now on applies the limit without the runtime's factor.
    pub(crate) const fn restore_time_limit(&mut self) {
        self.is_strict = true;
    }

    /// Returns the CPU time of the call, if it was long enough to be looked at. Its time before the first look, one to two
    /// ticks, is taken for one.
    pub(crate) fn used(&self, thread_time: impl FnOnce() -> Duration) -> Option<Duration> {
        let first_look = self.first_look?;
        Some(TICK + thread_time().saturating_sub(first_look))
    }

    /// Decides, when the epoch reaches the deadline, how much longer the call may run if it may run `factor` times its
    /// limit.
    pub(crate) fn reached(&mut self, thread_time: Duration, factor: u32) -> Result<UpdateDeadline> {
        let limit = self
            .limit
            .saturating_mul(if self.is_strict { 1 } else { factor });
        // The time left at the first check, one to two ticks into the call.
        let after_look = limit
            .saturating_sub(TICK * (FIRST_LOOK_TICKS as u32 - 1))
            .max(TICK);
        let Some(first_look) = self.first_look else {
            self.first_look = Some(thread_time);
            return Ok(UpdateDeadline::Continue(ticks(after_look)));
        };
        let left = after_look.saturating_sub(thread_time.saturating_sub(first_look));
        if left.is_zero() {
            return Err(TimeIsUp { limit }.into());
        }
        // The thread was descheduled; time in which it did not run does not count.
        Ok(UpdateDeadline::Continue(ticks(left)))
    }
}

/// Returns the number of ticks that cover `time`, at least one.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos()))
        .unwrap_or(u64::MAX)
        .max(1)
}

/// Returns the CPU time of this thread.
pub(crate) fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn continues(update: Result<UpdateDeadline>) -> Option<u64> {
        match update {
            Ok(UpdateDeadline::Continue(ticks)) => Some(ticks),
            _ => None,
        }
    }

    #[test]
    fn time_that_the_thread_did_not_run_is_not_counted() {
        let mut deadline = Deadline::default();
        deadline.arm(20);
        assert_eq!(
            continues(deadline.reached(MS * 100, 1)),
            Some(19),
            "the first check only records the time"
        );
        assert_eq!(
            continues(deadline.reached(MS * 105, 1)),
            Some(14),
            "ran 5 of 19 ms"
        );
        assert_eq!(
            continues(deadline.reached(MS * 118, 1)),
            Some(1),
            "ran 18 of 19 ms"
        );
        assert_eq!(
            continues(deadline.reached(MS * 119, 100)),
            Some(1_980),
            "a hundred times the limit"
        );
        let error = deadline.reached(MS * 119, 1).err().unwrap();
        assert_eq!(
            error.downcast_ref::<TimeIsUp>().unwrap().limit,
            MS * 20,
            "{error}"
        );
        deadline.arm(20);
        assert_eq!(
            continues(deadline.reached(MS * 120, 1)),
            Some(19),
            "the next call starts afresh"
        );
    }

    #[test]
    fn the_time_of_a_call_is_known_if_it_was_long() {
        let mut deadline = Deadline::default();
        deadline.arm(20);
        assert_eq!(deadline.used(|| MS * 100), None, "nobody looked");
        let _ = deadline.reached(MS * 100, 1);
        assert_eq!(deadline.used(|| MS * 107), Some(MS * 8));
        deadline.arm(20);
        assert_eq!(deadline.used(|| MS * 108), None, "of the next call");
    }

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(&ResourceLimits {
            memory_mib: 2,
            ..ResourceLimits::default()
        });
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        assert!(!limiter.memory_growing(1 << 20, 3 << 20, None).unwrap());
        assert_eq!(limiter.refused(), Some(4 << 20));
        limiter.begin_call();
        assert_eq!((limiter.refused(), limiter.used()), (None, 2 << 20));
    }
}
