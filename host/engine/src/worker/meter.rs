//! Measuring how long strategies occupy a worker, as far as it matters.
//!
//! Reading a clock costs as much as a small batch, so only a sample of the calls is timed. The sample is random, because a
//! strategy that could predict it could be slow in the other calls. A call of a millisecond or more is detected without a
//! clock. Once a call was long, or the others are late, every call is timed for a while.

use crate::port::Fault;
use crate::worker::budget::{Budget, BudgetRule, Charge, Company, SPENT_NS};
use crate::worker::load::DeckLoad;
use crate::worker::slot::{Counters, Slot};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_model::Timestamp;

/// Duration of a sampled call from which on every call is timed.
const LONG_NS: u64 = 100_000;

/// Upper bound on the CPU time of a call for which none is known: its thread was not running for the rest.
const SHORT_NS: u64 = 1_000_000;

/// Lateness of the others from which every call is timed.
const LATE_NS: u64 = 5_000_000;

/// How long a reading of the CPU time remains usable, less the clock time spent since.
const MARK_FOR_NS: u64 = 100_000;

/// How long every call is timed after the last long one.
const WATCH_NS: u64 = 1_000_000_000;

/// A strategy that took this long in a stretch of events makes the next one shorter ...
const CUT_FROM_NS: u64 = 2_000_000;

/// ... so that it takes this long.
const CUT_TO_NS: u64 = 1_000_000;

/// The timing of a call, as far as it is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallClock {
    /// The end of the call is timed too.
    pub(super) is_timed: bool,
    /// A version is about to take over: its pause begins at the end of this call.
    pub(super) is_expecting: bool,
    /// When the call began; 0 if not needed.
    pub(super) started_ns: u64,
}

/// The CPU time of the thread at a moment since when it had no reason to block.
#[derive(Debug, Clone, Copy)]
struct CpuMark {
    cpu_ns: u64,
    at_ns: u64,
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
    /// None if nothing depends on time.
    rule: Option<BudgetRule>,
    load: Arc<DeckLoad>,
    /// The worker's number.
    worker: usize,
    /// Strategies of this worker that get events.
    running: usize,
    turn: u64,
    /// In lockstep: the window of the turn, by its number.
    window: Option<Timestamp>,
    company: Company,
    /// Until when every call is timed; 0: only samples.
    watch_until_ns: u64,
    /// The others are late, whoever's fault it is.
    is_late: bool,
    /// A reading in the current stretch, if a call was timed in it.
    mark: Option<CpuMark>,
    /// The time that all strategies took, as far as measured.
    busy_ns: u64,
    /// The longest time that a strategy took in this turn.
    longest_ns: u64,
    /// What recoveries took of this turn.
    recovering_ns: u64,
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
            window: None,
            company: Company::None,
            watch_until_ns: 0,
            is_late: false,
            mark: None,
            busy_ns: 0,
            longest_ns: 0,
            recovering_ns: 0,
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
        self.watch_until_ns > 0 || self.is_late
    }

    /// Starts the clock of a strategy's next call of `on-events`.
    pub(super) fn start(&mut self, slot: &mut Slot, now_ns: &dyn Fn() -> u64) -> CallClock {
        let is_expecting = slot.counters.expecting.load(Ordering::Relaxed);
        let is_timed = slot.is_sampled() || is_expecting || self.watches();
        let is_read = is_timed || slot.pause_from.is_some();
        let clock = CallClock {
            is_timed,
            is_expecting,
            started_ns: if is_read { now_ns() } else { 0 },
        };
        self.set_mark(slot, clock)
    }

    /// Starts the clock of another call of a strategy.
    pub(super) fn start_other(&mut self, slot: &Slot, now_ns: &dyn Fn() -> u64) -> CallClock {
        let is_timed = self.watches();
        let clock = CallClock {
            is_timed,
            is_expecting: false,
            started_ns: if is_timed { now_ns() } else { 0 },
        };
        self.set_mark(slot, clock)
    }

    fn set_mark(&mut self, slot: &Slot, clock: CallClock) -> CallClock {
        let is_old = |mark: CpuMark| clock.started_ns.saturating_sub(mark.at_ns) >= MARK_FOR_NS;
        if self.watches() && self.mark.is_none_or(is_old) {
            self.mark = slot.thread_time_ns().map(|cpu_ns| CpuMark {
                cpu_ns,
                at_ns: clock.started_ns,
            });
        }
        clock
    }

    /// The CPU time of a call that ends now, if there is a mark: the thread's time since then, less the calls in between,
    /// which were short.
    fn cpu_since_mark(&mut self, slot: &Slot, clock: CallClock, now_ns: u64) -> Option<u64> {
        let (mark, cpu_ns) = (self.mark?, slot.thread_time_ns()?);
        let used_ns = cpu_ns.saturating_sub(mark.cpu_ns);
        let before_ns = clock.started_ns.saturating_sub(mark.at_ns);
        self.mark = Some(CpuMark {
            cpu_ns,
            at_ns: now_ns,
        });
        let took_ns = now_ns.saturating_sub(clock.started_ns);
        Some(used_ns.saturating_sub(before_ns).min(took_ns))
    }

    /// What is known about a call that ends now; nothing if it was short and not timed.
    pub(super) fn end(
        &mut self,
        slot: &Slot,
        (clock, faulted): (CallClock, bool),
        now_ns: &dyn Fn() -> u64,
    ) -> Option<CallTime> {
        let long_ns = match self.is_on() {
            true => slot.long_call_ns(),
            false => None,
        };
        if !clock.is_timed && long_ns.is_none() {
            return None;
        }
        let now_ns = now_ns();
        let took_ns = now_ns.saturating_sub(clock.started_ns);
        let cpu_ns = match clock.is_timed && took_ns >= SHORT_NS {
            true => self.cpu_since_mark(slot, clock, now_ns),
            false => None,
        };
        Some(CallTime {
            timed_ns: clock.is_timed.then_some(took_ns),
            long_ns: cpu_ns.or(long_ns),
            now_ns,
            faulted,
        })
    }

    /// Sets how many strategies of this worker get events.
    pub(super) fn count_running(&mut self, running: usize) {
        self.load.count_running(self.running, running);
        self.running = running;
    }

    /// Maximum number of events handled before every strategy has had a turn.
    pub(super) const fn most_events(&self) -> usize {
        self.most
    }

    /// A stretch of events begins, the first of them at `at`; those that wait span `lag_ns`. In lockstep a window, which all wait for, is one turn.
    pub(super) fn begin_stretch(&mut self, lag_ns: u64, at: Timestamp) {
        self.load.begin(self.worker, lag_ns);
        let Some(rule) = &self.rule else {
            return;
        };
        self.mark = None;
        // The next window may be there before this thread has looked whether there is one.
        let window = Some(at.div_euclid(rule.window_ns.max(1).cast_signed()));
        if rule.is_lockstep && std::mem::replace(&mut self.window, window) == window {
            return;
        }
        self.turn += 1;
        self.recovering_ns = 0;
        // In lockstep what waits is the window, whose length says nothing of lateness.
        let late_ns = match rule.is_lockstep {
            true => self.load.late_ns(),
            false => lag_ns,
        };
        self.is_late = late_ns >= LATE_NS;
        self.longest_ns = 0;
        self.company = rule.company(self.running, self.load.running(), late_ns);
    }

    /// Ends a stretch of events; the worker has consumed `handled` events from the ring.
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

    /// Charges a strategy for a call.
    pub(super) fn charge(&mut self, budget: &mut Budget, counters: &Counters, call: CallTime) {
        self.charge_account(budget, call);
        let (charged_ns, debt_ns) = (budget.charged_ns(), budget.debt_ns());
        counters.charged_ns.store(charged_ns, Ordering::Relaxed);
        counters.debt_ns.store(debt_ns, Ordering::Relaxed);
    }

    /// Charges a call to an account that is not reported.
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
        self.busy_ns += took_ns;
        let charge = Charge {
            turn: self.turn,
            now_ns: call.now_ns,
            busy_ns: self.busy_ns,
            took_ns,
            faulted: call.faulted,
        };
        budget.charge(rule, self.company, charge);
        self.longest_ns = self.longest_ns.max(budget.taken_ns());
    }

    /// Whether a strategy that faulted must not be called again in this turn, because others wait.
    pub(super) fn has_spent(&self, budget: &Budget) -> bool {
        self.left_ns(budget) == Some(0)
    }

    /// Whether anybody on the deck would wait for a strategy that takes its time.
    pub(super) fn has_others(&self) -> bool {
        self.is_on() && self.load.running() > 1
    }

    /// What a strategy may take of this turn for a recovery; none: as much as it needs, because nobody waits. Recoveries of
    /// several strategies share it.
    pub(super) fn left_ns(&self, budget: &Budget) -> Option<u64> {
        let is_awaited = self.is_on() && self.company != Company::None;
        let spent_ns = budget.spent_ns(self.turn) + self.recovering_ns;
        is_awaited.then(|| SPENT_NS.saturating_sub(spent_ns))
    }

    /// Takes in what a recovery took of this turn. It is not charged: faults have a limit of their own.
    pub(super) const fn spend(&mut self, took_ns: u64) {
        self.recovering_ns += took_ns;
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
        // The others may have ended since, so that nobody waits any more.
        let is_awaited = self.company != Company::None;
        is_awaited.then(|| Fault(budget.problem(rule)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BudgetConfig;

    const MS: u64 = 1_000_000;

    fn meter(is_lockstep: bool) -> Meter {
        let rule = BudgetRule {
            config: BudgetConfig::default(),
            is_lockstep,
            window_ns: MS,
        };
        let mut meter = Meter::new(Some(rule), Arc::new(DeckLoad::of(1)), 0);
        meter.count_running(2);
        meter
    }

    /// A stretch of `events` events, in which one call took `long_ns`.
    fn stretch(meter: &mut Meter, events: usize, long_ns: Option<u64>) {
        meter.begin_stretch(0, 0);
        let call = CallTime {
            timed_ns: None,
            long_ns,
            now_ns: MS,
            faulted: false,
        };
        meter.charge(&mut Budget::default(), &Counters::default(), call);
        meter.end_stretch(events, 0);
    }

    #[test]
    fn a_long_call_makes_the_next_stretch_short_and_quick_ones_make_it_long_again() {
        let mut meter = meter(false);
        stretch(&mut meter, 64, Some(8 * MS));
        assert_eq!(meter.most_events(), 8);
        stretch(&mut meter, 8, Some(8 * MS));
        assert_eq!(meter.most_events(), 1);
        stretch(&mut meter, 1, None);
        stretch(&mut meter, 2, None);
        assert_eq!(meter.most_events(), 4);
    }

    #[test]
    fn in_lockstep_a_window_is_never_cut() {
        let mut meter = meter(true);
        stretch(&mut meter, 64, Some(8 * MS));
        assert_eq!(meter.most_events(), usize::MAX);
    }

    #[test]
    fn in_lockstep_a_long_window_is_not_late_and_one_that_begins_late_is() {
        let mut meter = meter(true);
        meter.begin_stretch(500 * MS, 0);
        assert_eq!(meter.company, Company::InTime);
        assert!(!meter.is_late);
        meter.load.begin_window(500 * MS);
        meter.begin_stretch(0, MS.cast_signed());
        assert_eq!(meter.company, Company::Late(2));
        assert!(meter.is_late);
    }

    #[test]
    fn in_lockstep_each_window_is_a_turn_however_often_the_worker_looks() {
        let mut meter = meter(true);
        let mut turns = [0, 1, MS - 1, MS, 3 * MS].map(|at| {
            meter.begin_stretch(0, at.cast_signed());
            meter.turn
        });
        turns.iter_mut().for_each(|turn| *turn -= 1);
        assert_eq!(turns, [0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_long_call_has_every_call_timed_for_a_second() {
        let mut meter = meter(false);
        assert!(!meter.watches());
        stretch(&mut meter, 1, Some(2 * MS));
        assert!(meter.watches());
        let quick = CallTime {
            timed_ns: Some(100),
            long_ns: None,
            now_ns: 3 * WATCH_NS,
            faulted: false,
        };
        meter.charge(&mut Budget::default(), &Counters::default(), quick);
        assert!(!meter.watches());
    }

    #[test]
    fn a_thread_that_did_not_run_is_nobodys_fault() {
        let mut meter = meter(false);
        meter.begin_stretch(0, 0);
        let mut budget = Budget::default();
        let descheduled = CallTime {
            timed_ns: Some(500 * MS),
            long_ns: None,
            now_ns: MS,
            faulted: false,
        };
        meter.charge(&mut budget, &Counters::default(), descheduled);
        assert!(budget.debt_ns() < MS, "{budget:?}");
        assert!(meter.verdict(&budget).is_none());
    }

    #[test]
    fn a_strategy_that_faulted_after_a_long_call_is_not_called_again_in_this_turn() {
        let mut meter = meter(false);
        meter.begin_stretch(0, 0);
        let mut budget = Budget::default();
        let timed_out = CallTime {
            timed_ns: None,
            long_ns: Some(15 * MS),
            now_ns: MS,
            faulted: true,
        };
        meter.charge(&mut budget, &Counters::default(), timed_out);
        assert!(meter.has_spent(&budget));
        assert!(meter.verdict(&budget).is_none(), "it may come back");
        meter.begin_stretch(0, 0);
        assert!(!meter.has_spent(&budget), "the next turn");
    }
}
