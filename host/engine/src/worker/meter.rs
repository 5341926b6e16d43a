//! Measuring how long strategies keep a worker, as far as it matters.
//!
//! To read a clock costs as much as a small batch, so that not every call is timed: one in some is, at random, because a
//! strategy that knew which could be slow at the others. A call of a millisecond or more is known without a clock. Once
//! one call was long, or the others are late, every call is timed for a while.

use crate::port::Fault;
use crate::worker::budget::{Budget, BudgetRule, Company};
use crate::worker::load::DeckLoad;
use crate::worker::slot::{Counters, Slot};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A sampled call from which on every call is timed.
const LONG_NS: u64 = 100_000;

/// A call of which no CPU time is known took no more: its thread was not running for the rest.
const SHORT_NS: u64 = 1_000_000;

/// How long every call is timed, after the last that was long.
const WATCH_NS: u64 = 1_000_000_000;

/// A strategy that took this long of a stretch of events makes the next one shorter ...
const CUT_FROM_NS: u64 = 2_000_000;

/// ... so that it takes this long.
const CUT_TO_NS: u64 = 1_000_000;

/// The clock of a call, as far as it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallClock {
    /// The end of the call is timed too.
    pub(super) is_timed: bool,
    /// A version waits to take over: its pause begins with the end of this call.
    pub(super) is_expecting: bool,
    /// When the call began; 0 where nobody needs to know.
    pub(super) started_ns: u64,
}

impl CallClock {
    /// Starts the clock of the next call of a strategy.
    pub(super) fn start(slot: &mut Slot, watches: bool, now_ns: &dyn Fn() -> u64) -> Self {
        let is_expecting = slot.counters.expecting.load(Ordering::Relaxed);
        let is_timed = slot.is_sampled() || is_expecting || watches;
        let is_read = is_timed || slot.pause_from.is_some();
        Self {
            is_timed,
            is_expecting,
            started_ns: if is_read { now_ns() } else { 0 },
        }
    }
}

/// How long a call took.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallTime {
    /// By the clock, if it was read.
    pub(super) timed_ns: Option<u64>,
    /// In CPU time, if the call was long.
    pub(super) long_ns: Option<u64>,
    /// When it ended, by the clock.
    pub(super) now_ns: u64,
    pub(super) faulted: bool,
}

/// A worker's measurements.
pub(super) struct Meter {
    /// None: nothing depends on time.
    rule: Option<BudgetRule>,
    load: Arc<DeckLoad>,
    /// The worker's number.
    worker: usize,
    /// Strategies of this worker that get events.
    running: usize,
    turn: u64,
    company: Company,
    /// Until when every call is timed; 0: only samples are.
    watch_until_ns: u64,
    /// The longest that a strategy took in this turn.
    longest_ns: u64,
    /// Most events of the next stretch.
    most: usize,
}

impl Meter {
    pub(super) fn new(rule: Option<BudgetRule>, load: Arc<DeckLoad>, worker: usize) -> Self {
        Self {
            rule,
            load,
            worker,
            running: 0,
            turn: 0,
            company: Company::None,
            watch_until_ns: 0,
            longest_ns: 0,
            most: usize::MAX,
        }
    }

    /// Whether anything is measured at all.
    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.rule.is_some()
    }

    /// Whether every call has to be timed.
    #[inline]
    pub(super) const fn watches(&self) -> bool {
        self.watch_until_ns > 0 || matches!(self.company, Company::Late(_) | Company::Behind)
    }

    /// So many strategies of this worker get events from now on.
    pub(super) fn count_running(&mut self, running: usize) {
        self.load.count_running(self.running, running);
        self.running = running;
    }

    /// Most events that are handled before everybody had a turn.
    pub(super) const fn most_events(&self) -> usize {
        self.most
    }

    /// A stretch of events begins; those that wait span `lag_ns`. In lockstep a window, which all wait for, is one turn.
    pub(super) fn begin_stretch(&mut self, lag_ns: u64, is_first: bool) {
        self.load.begin(self.worker, lag_ns);
        let Some(rule) = &self.rule else {
            return;
        };
        if rule.is_lockstep && !is_first {
            return;
        }
        self.turn += 1;
        self.longest_ns = 0;
        self.company = rule.company(self.running, self.load.running(), lag_ns);
    }

    /// A stretch of events ended, and the worker has taken so many off the ring.
    pub(super) fn end_stretch(&mut self, events: usize, handled: u64) {
        self.load.end(self.worker, handled);
        if self.rule.is_none_or(|rule| rule.is_lockstep) {
            return;
        }
        if self.longest_ns >= CUT_FROM_NS {
            let fits = events as u64 * CUT_TO_NS / self.longest_ns;
            self.most = usize::try_from(fits).unwrap_or(usize::MAX).max(1);
        } else if events >= self.most {
            self.most = self.most.saturating_mul(2);
        }
    }

    /// Takes in how long a call of a strategy took.
    pub(super) fn charge(&mut self, budget: &mut Budget, counters: &Counters, call: CallTime) {
        self.charge_account(budget, call);
        let (charged_ns, debt_ns) = (budget.charged_ns(), budget.debt_ns());
        counters.charged_ns.store(charged_ns, Ordering::Relaxed);
        counters.debt_ns.store(debt_ns, Ordering::Relaxed);
    }

    /// Takes in how long a call took, on an account that nobody is shown.
    pub(super) fn charge_account(&mut self, budget: &mut Budget, call: CallTime) {
        let Some(rule) = &self.rule else {
            return;
        };
        let is_long = call.long_ns.is_some() || call.timed_ns.is_some_and(|ns| ns >= LONG_NS);
        if is_long {
            self.watch_until_ns = call.now_ns + WATCH_NS;
        } else if call.now_ns > self.watch_until_ns {
            self.watch_until_ns = 0;
        }
        let took_ns = match (call.long_ns, call.timed_ns) {
            (Some(cpu_ns), _) => cpu_ns,
            (None, Some(timed_ns)) if is_long || self.watches() => timed_ns.min(SHORT_NS),
            _ => return,
        };
        let at = (self.turn, call.now_ns);
        budget.charge(rule, self.company, at, (took_ns, call.faulted));
        self.longest_ns = self.longest_ns.max(budget.taken_ns());
    }

    /// Why a strategy with this account is held, if it is.
    #[inline]
    pub(super) fn verdict(&self, budget: &Budget) -> Option<Fault> {
        match budget.is_overdrawn() {
            true => self.reason(budget),
            false => None,
        }
    }

    fn reason(&self, budget: &Budget) -> Option<Fault> {
        let rule = self.rule.as_ref().filter(|rule| rule.ends())?;
        // The others may have ended since, and nobody waits any more.
        let is_awaited = self.company != Company::None;
        is_awaited.then(|| Fault(budget.problem(rule)))
    }
}
