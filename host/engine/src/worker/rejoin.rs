//! Bringing a suspended strategy back, between two windows, slice by slice: an instance of its version, or of the one before
//! if it was on probation, is ready now.
//!
//! In its own version the instance is first brought to where the last one was. Then it is offered what waited; the version
//! before, also what the failed one had handled. What it decides on that comes too late to be sent, as for a version that
//! catches up.
//!
//! The others wait for a slice, so it is short, and after it the strategy rests. What the instance sees depends on the moment
//! at which the first slice began, and not on the slices: that moment is on the tape, and a replay needs only one.

use crate::port::{Fault, Strategy};
use crate::worker::catching_up::{CatchingUp, CaughtUp, Restarted};
use crate::worker::dispatch::SlotIndex;
use crate::worker::handover::saved_base;
use crate::worker::late_events::LateEvents;
use crate::worker::recovery_budget::{RECOVERY_NS, RecoveryBudget, too_slow};
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::{MAX_WAITING, Slot, SnapshotPoint};
use tickdeck_model::Event;

/// The time after which no more calls are made in a slice. With the longest call, the others wait for 20 ms.
const SLICE_NS: u64 = 5_000_000;

/// A strategy that came back.
pub(crate) struct Rejoined {
    /// Number of events that the instance was offered again, or late.
    pub(crate) events: u32,
    /// Time that this took, without the pauses.
    pub(crate) took_ns: u64,
}

impl StrategyRunner {
    /// Lets a suspended strategy catch up for a slice; returns the instance once it has caught up. The strategy ends if that
    /// fails, or takes too long in all.
    pub(crate) fn catch_up_further(
        &mut self,
        place: SlotIndex,
    ) -> Result<Option<CaughtUp>, String> {
        if !self.slots[place].is_suspended() {
            return Err("it is not suspended".to_owned());
        }
        let caught_up = self.next_slice(place);
        caught_up.map_err(|fault| self.give_up(place, fault))
    }

    fn next_slice(&mut self, place: SlotIndex) -> Result<Option<CaughtUp>, Fault> {
        self.recorded_faults.refusal().map_err(Fault)?;
        if self.slots[place].is_overfull() {
            let why = format!("{MAX_WAITING} events came before it was back");
            return Err(Fault(why));
        }
        let mut progress = match self.slots[place].catching_up.take() {
            Some(progress) => progress,
            None => self.catching_up(place)?,
        };
        let budget = self.recovery_budget(SLICE_NS);
        let is_done = self.go_on(place, &mut progress, &budget)?;
        progress.taken_ns += budget.taken_ns();
        if let Some(instance) = progress.instance.take_if(|_| is_done) {
            return Ok(Some(progress.complete(instance)));
        }
        if progress.taken_ns > RECOVERY_NS {
            return Err(too_slow(RECOVERY_NS));
        }
        let slot = &mut self.slots[place];
        slot.counters.await_instance(None);
        // The kernel lets the whole deck rest after a slice.
        slot.counters.rest(0);
        slot.catching_up = Some(progress);
        slot.note_held();
        Ok(None)
    }

    /// Takes the copies that a suspended strategy catches up with, where a tape says that it began.
    pub(crate) fn begin_to_catch_up(&mut self, place: SlotIndex) {
        if self.slots[place].is_suspended() {
            self.slots[place].catching_up = self.catching_up(place).ok();
        }
    }

    /// A suspended strategy that begins to catch up now.
    fn catching_up(&self, place: SlotIndex) -> Result<Box<CatchingUp>, Fault> {
        let [handled, waiting] = self.slots[place].late_lists();
        let late = self.late_events(place, handled.len() + waiting.len())?;
        Ok(Box::new(CatchingUp::new(late, (self.now_ns)())))
    }

    /// Goes on as long as there is time; returns whether all is done.
    fn go_on(
        &self,
        place: SlotIndex,
        progress: &mut CatchingUp,
        budget: &RecoveryBudget,
    ) -> Result<bool, Fault> {
        let slot = &self.slots[place];
        // The time runs from here, because to start an instance takes some too.
        budget.taken_ns();
        let late = &mut progress.late;
        let instance = match &mut progress.instance {
            Some(instance) => instance,
            vacant => vacant.insert(self.started_again(place, late)?),
        };
        let strategy = &mut *instance.strategy;
        if let Some(again) = &mut instance.again
            && !again.offer(strategy, slot.backlog.handled(), budget)?
        {
            return Ok(false);
        }
        let has_handled_all = late.offer(strategy, slot.late_lists(), budget)?;
        // Then it saves its state, which may take as long as a call.
        Ok(has_handled_all && !budget.is_over())
    }

    /// Starts the instance that a suspended strategy waited for.
    fn started_again(&self, place: SlotIndex, late: &mut LateEvents) -> Result<Restarted, Fault> {
        let slot = &self.slots[place];
        let previous = slot.previous.as_ref().filter(|_| slot.is_on_probation());
        let code = &*previous
            .map_or(&slot.version, |previous| &previous.version)
            .code;
        if !code.is_ready() {
            let why = "no instance could be created in time: the host is busy creating others";
            return Err(Fault(why.to_owned()));
        }
        let strategy = match (previous, &slot.backlog.base) {
            (None, Some(base)) => return self.restarted(place, base),
            (None, None) => code.start_in_place(late.book_mut()?)?,
            (Some(previous), _) => match &previous.state {
                Some(origin) => origin.begin(code, late.book_mut()?)?,
                None => return Err(Fault("the version before left no state".to_owned())),
            },
        };
        Ok(Restarted {
            strategy,
            again: None,
        })
    }

    /// Lets the instance of a suspended strategy's own version take over.
    pub(crate) fn rejoin(&mut self, place: SlotIndex, caught_up: CaughtUp) -> Rejoined {
        self.pass_on_late(place, caught_up.late);
        self.put_back(place, caught_up.strategy);
        Rejoined {
            events: u32::try_from(caught_up.events).unwrap_or(u32::MAX),
            took_ns: caught_up.taken_ns,
        }
    }

    fn put_back(&mut self, place: SlotIndex, mut strategy: Box<dyn Strategy>) {
        // The next fault must not bring back what was late.
        let base = saved_base(&mut *strategy, &self.slots[place].version);
        let book = self.portfolio.book(self.slots[place].id).cloned();
        let slot = &mut self.slots[place];
        slot.strategy = Some(strategy);
        slot.counters.await_instance(None);
        slot.backlog.rebase(base.map(|origin| SnapshotPoint {
            origin,
            book: Box::new(book.unwrap_or_default()),
        }));
        slot.backlog.clear();
    }

    /// Ends a suspended strategy that cannot be brought back; returns why.
    fn give_up(&mut self, place: SlotIndex, next: Fault) -> String {
        let slot = &mut self.slots[place];
        if slot.is_on_probation() {
            slot.counters.note(&next);
            (slot.previous, slot.probation) = (None, None);
        } else {
            let last = slot.counters.last();
            let both = format!("{last}; it could not be recovered: {next}");
            slot.counters.note(&Fault(both));
        }
        self.end(place);
        next.0
    }
}

impl Slot {
    /// The events that an instance which takes over is offered late: those that another version has handled, and those that
    /// wait.
    fn late_lists(&self) -> [&[Event]; 2] {
        match &self.previous {
            Some(previous) if self.is_on_probation() => [&previous.since, self.backlog.all()],
            _ => [&[], self.backlog.all_waiting()],
        }
    }
}
