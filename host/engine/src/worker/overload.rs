//! What happens to a strategy that keeps the others waiting.
//!
//! It is ended, like one that faulted too often, right before the next batch that it would have been offered. So the place
//! is on the tape, and a replay ends it there without measuring anything.

use crate::batches::BatchPlace;
use crate::port::Fault;
use crate::worker::dispatch::SlotIndex;
use crate::worker::meter::{CallClock, CallTime};
use crate::worker::recorded_faults::FaultOutcome;
use crate::worker::runner::StrategyRunner;

impl StrategyRunner {
    /// Why a strategy is not offered its next batch, if it is held.
    #[inline]
    pub(super) fn verdict(&self, place: SlotIndex) -> Option<Fault> {
        match self.recorded_faults.without_time_limit {
            true => None,
            false => self.meter.verdict(&self.slots[place].budget),
        }
    }

    /// Ends a strategy before the batch that waits for it; a version on probation is rolled back.
    pub(super) fn end_overloaded(&mut self, place: SlotIndex, fault: Fault) {
        let slot = &self.slots[place];
        let Some(next) = slot.backlog.waiting(1).first() else {
            return;
        };
        let (at, offered) = (next.ts_host, Some(BatchPlace::of(next, slot.last_place)));
        if slot.probation.is_none() || slot.previous.is_none() {
            self.recorded_faults.outcome = Some(FaultOutcome::Ends);
        }
        self.fault(place, at, offered, fault);
    }

    /// Accounts for the duration of a call of `on-events`, if measured. It handled `handled` events, unless it faulted.
    pub(super) fn measure(&mut self, place: SlotIndex, clock: CallClock, handled: Option<usize>) {
        let slot = &mut self.slots[place];
        let ended = (clock, handled.is_none());
        let Some(call) = self.meter.end(slot, ended, &*self.now_ns) else {
            return;
        };
        self.meter.charge(&mut slot.budget, &slot.counters, call);
        if let (Some(took_ns), Some(handled)) = (call.timed_ns, handled) {
            slot.counters.time(took_ns, handled);
            slot.choose_sample(call.now_ns);
            slot.last_call_ended = clock.is_expecting.then_some(call.now_ns);
        }
    }

    /// Starts the clock of a call of another function.
    pub(super) fn start_clock(&mut self, place: SlotIndex) -> CallClock {
        self.meter.start_other(&self.slots[place], &*self.now_ns)
    }

    /// Accounts for the duration of a call of another function. It has a limit of its own, so it does not make a turn too long.
    pub(super) fn measure_other(&mut self, place: SlotIndex, clock: CallClock) {
        let slot = &mut self.slots[place];
        if let Some(call) = self.meter.end(slot, (clock, true), &*self.now_ns) {
            self.meter.charge(&mut slot.budget, &slot.counters, call);
        }
    }

    /// Counts the strategies that get events and so share the worker's time.
    pub(super) fn count_running(&mut self) {
        let running = self.slots.iter().filter(|slot| slot.is_active()).count();
        self.meter.count_running(running);
    }

    /// Charges a shadow version for its long calls; one that keeps the others waiting is ended.
    pub(super) fn charge_shadow(&mut self, place: SlotIndex, long_ns: u64) {
        let slot = &mut self.slots[place];
        let Some(shadow) = slot.shadow.as_mut().filter(|_| long_ns > 0) else {
            return;
        };
        let call = CallTime {
            timed_ns: None,
            long_ns: Some(long_ns),
            now_ns: (self.now_ns)(),
            faulted: false,
        };
        self.meter.charge_account(&mut shadow.budget, call);
        let verdict = self.meter.verdict(&shadow.budget);
        if let Some(fault) = verdict.filter(|_| !self.recorded_faults.without_time_limit) {
            self.lose_shadow(place, fault);
        }
    }
}
