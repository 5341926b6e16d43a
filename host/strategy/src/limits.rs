//! The resource limits of a strategy: memory, CPU time, and bytes that cross the boundary in one call.

use crate::account::{Charge, DeckIsFull};
use crate::footprint::{Footprint, MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES};
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

/// Interval at which the epoch advances, which is the resolution of time limits.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks after which a call that is still running is checked for the first time. With one tick, every call that happens to
/// span a tick would be checked.
pub(crate) const FIRST_LOOK_TICKS: u64 = 2;

/// Elements of one table. The largest interpreters need about ten thousand.
const MAX_TABLE_ELEMENTS: usize = 1 << 20;

/// Bytes of an element of a table: a pointer, and as much again while the table moves to grow.
pub(crate) const TABLE_ELEMENT: usize = 16;

/// The resources that one strategy may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Memory of one instance: its linear memories, tables, globals and core instances together.
    pub memory_mib: u32,
    /// CPU time of one batch of events.
    pub time_ms: u32,
    /// CPU time of one lifecycle call that nothing waits for: instantiation, describe, and the first init.
    pub lifecycle_ms: u32,
    /// CPU time of `save`, `restore`, `stop`, and of `init` in place of another instance: other strategies on the same thread
    /// wait for these.
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

/// The time limit of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    pub(crate) ms: u32,
    /// The name of its setting.
    pub(crate) setting: &'static str,
}

/// Whether the thread that starts an instance has strategies waiting on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// A thread that can wait: nothing trades yet, or another instance does.
    Ahead,
    /// A trading thread, where an instance takes the place of another.
    InPlace,
}

impl ResourceLimits {
    /// The limit of `on-events`.
    pub(crate) const fn of_events(&self) -> TimeLimit {
        TimeLimit {
            ms: self.time_ms,
            setting: "time_ms",
        }
    }

    /// The limit of a lifecycle call that others wait for.
    pub(crate) const fn of_handover(&self) -> TimeLimit {
        TimeLimit {
            ms: self.handover_ms,
            setting: "handover_ms",
        }
    }

    /// The limit of instantiating and of `init`.
    pub(crate) const fn of_start(&self, start: Start) -> TimeLimit {
        match start {
            Start::Ahead => TimeLimit {
                ms: self.lifecycle_ms,
                setting: "lifecycle_ms",
            },
            Start::InPlace => self.of_handover(),
        }
    }

    pub(crate) const fn memory_bytes(&self) -> usize {
        (self.memory_mib as usize) << 20
    }
}

/// Counts all host memory that an instance uses, in one sum: its memories and tables as they grow, and the rest from the
/// beginning.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: usize,
    charge: Charge,
    /// Bytes that the last growth added, to be taken back if the system then refuses it.
    added: usize,
    refused: Option<usize>,
}

impl Limiter {
    /// Limits an instance with this footprint, which `charge` already includes.
    ///
    /// # Errors
    /// The instance alone takes more than its strategy may.
    pub(crate) fn new(
        limits: &ResourceLimits,
        footprint: &Footprint,
        charge: Charge,
    ) -> Result<Self, String> {
        let limit = limits.memory_bytes();
        if charge.used() > limit {
            return Err(format!(
                "its {} core instances with {} globals and {} functions take {} MiB, the limit is {} MiB: raise `memory_mib`",
                footprint.instances,
                footprint.globals,
                footprint.items,
                charge.used().div_ceil(1 << 20),
                limits.memory_mib
            ));
        }
        Ok(Self {
            limit,
            charge,
            added: 0,
            refused: None,
        })
    }

    /// Total bytes that the guest requested in this call and was refused.
    pub(crate) const fn refused(&self) -> Option<usize> {
        self.refused
    }

    pub(crate) const fn used(&self) -> usize {
        self.charge.used()
    }

    pub(crate) const fn begin_call(&mut self) {
        self.refused = None;
    }

    fn grow(&mut self, added: usize) -> Result<bool, DeckIsFull> {
        let wanted = self.used().saturating_add(added);
        if wanted > self.limit {
            // Not a trap: an interpreter may collect its garbage and continue.
            self.refused = Some(wanted);
            return Ok(false);
        }
        // A trap: the answer to a strategy must not depend on the others, or a replay would diverge.
        self.charge.grow(added)?;
        self.added = added;
        Ok(true)
    }

    fn take_back(&mut self) {
        // Also called right after the limiter itself refused, when nothing was added.
        if self.refused.is_none() {
            self.charge.shrink(std::mem::take(&mut self.added));
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        Ok(self.grow(desired.saturating_sub(current))?)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        if desired > MAX_TABLE_ELEMENTS {
            return Ok(false);
        }
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(TABLE_ELEMENT))?)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.take_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }
}

/// The time limit of the call in progress. No clock is read until the call is [`FIRST_LOOK_TICKS`] old, so a call that
/// ends in time reads none.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    limit: Duration,
    /// The name of the limit's setting.
    setting: &'static str,
    first_look: Option<Duration>,
    /// Whether the limit applies unscaled, whatever the runtime's factor.
    is_strict: bool,
}

/// A call used up its CPU time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped after {} ms of CPU time", limit.as_millis())]
pub(crate) struct TimeIsUp {
    pub(crate) limit: Duration,
}

impl Deadline {
    /// Starts the clock for a call under this limit.
    pub(crate) fn arm(&mut self, limit: TimeLimit) {
        self.limit = Duration::from_millis(limit.ms.into());
        self.setting = limit.setting;
        self.first_look = None;
    }

    /// The name of the setting of the limit.
    pub(crate) const fn setting(&self) -> &'static str {
        self.setting
    }

    /// Applies the limit without the runtime's factor from now on.
    pub(crate) const fn restore_time_limit(&mut self) {
        self.is_strict = true;
    }

    /// Returns the CPU time of the call, if it was long enough to be checked. Its time before the first check, one to two ticks,
    /// counts as one.
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
    use crate::account::{MemoryAccount, Newcomer};

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
        let limit = TimeLimit {
            ms: 20,
            setting: "time_ms",
        };
        deadline.arm(limit);
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
        deadline.arm(limit);
        assert_eq!(
            continues(deadline.reached(MS * 120, 1)),
            Some(19),
            "the next call starts afresh"
        );
    }

    fn limiter(memory_mib: u32) -> Limiter {
        let limits = ResourceLimits {
            memory_mib,
            ..ResourceLimits::default()
        };
        let footprint = Footprint::default();
        let account = MemoryAccount::default();
        let charge = account.open("x", &footprint, Newcomer::Instance).unwrap();
        Limiter::new(&limits, &footprint, charge).unwrap()
    }

    #[test]
    fn the_time_of_a_call_is_known_if_it_was_long() {
        let mut deadline = Deadline::default();
        let limit = TimeLimit {
            ms: 20,
            setting: "time_ms",
        };
        deadline.arm(limit);
        assert_eq!(deadline.used(|| MS * 100), None, "nobody looked");
        let _ = deadline.reached(MS * 100, 1);
        assert_eq!(deadline.used(|| MS * 107), Some(MS * 8));
        deadline.arm(limit);
        assert_eq!(deadline.used(|| MS * 108), None, "of the next call");
    }

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = limiter(2);
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        assert!(!limiter.memory_growing(1 << 20, 3 << 20, None).unwrap());
        assert_eq!(limiter.refused(), Some(4 << 20));
        limiter.begin_call();
        assert_eq!((limiter.refused(), limiter.used()), (None, 2 << 20));
    }

    #[test]
    fn tables_count_towards_the_same_limit() {
        let mut limiter = limiter(2);
        assert!(limiter.memory_growing(0, 1 << 20, None).unwrap());
        assert!(limiter.table_growing(0, 32 << 10, None).unwrap());
        assert!(limiter.table_growing(0, 32 << 10, None).unwrap());
        assert_eq!(limiter.used(), 2 << 20);
        assert!(!limiter.table_growing(0, 1, None).unwrap());
        limiter
            .table_grow_failed(wasmtime::format_err!("refused"))
            .unwrap();
        assert_eq!(limiter.used(), 2 << 20, "nothing was added");
    }

    #[test]
    fn a_growth_that_the_system_refuses_is_given_back() {
        let mut limiter = limiter(2);
        for _ in 0..2 {
            assert!(limiter.table_growing(0, 64 << 10, None).unwrap());
            limiter
                .table_grow_failed(wasmtime::format_err!("no memory"))
                .unwrap();
            assert_eq!(limiter.used(), 0);
        }
    }
}
