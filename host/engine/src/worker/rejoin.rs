//! Bringing a suspended strategy back, between two windows, once an instance of its version is ready.
//!
//! The instance is brought to the state of the last one, and then offered the waiting events. Its decisions on those come too
//! late to be sent, as for a version that catches up.

use crate::port::{Fault, Strategy};
use crate::worker::catch_up::CaughtUp;
use crate::worker::dispatch::SlotIndex;
use crate::worker::handover::saved_base;
use crate::worker::runner::StrategyRunner;
use crate::worker::slot::{MAX_WAITING, SnapshotPoint};

/// A strategy that came back.
pub(crate) struct Rejoined {
    /// Number of events that the instance was offered again, or late.
    pub(crate) events: u32,
    /// Time that this took.
    pub(crate) took_ns: u64,
}

impl StrategyRunner {
    /// Brings a suspended strategy back; it ends if that fails.
    pub(crate) fn rejoin(&mut self, place: SlotIndex) -> Result<Rejoined, String> {
        if !self.slots[place].is_suspended() {
            return Err("it is not suspended".to_owned());
        }
        let started = (self.now_ns)();
        match self.brought_back(place) {
            Ok((strategy, events, late)) => {
                self.put_back(place, strategy, late);
                let took_ns = (self.now_ns)().saturating_sub(started);
                Ok(Rejoined { events, took_ns })
            }
            Err(next) => {
                let counters = &self.slots[place].counters;
                let both = format!("{}; it could not be recovered: {next}", counters.last());
                counters.note(&Fault(both));
                self.end(place);
                Err(next.0)
            }
        }
    }

    fn brought_back(
        &mut self,
        place: SlotIndex,
    ) -> Result<(Box<dyn Strategy>, u32, CaughtUp), Fault> {
        self.recorded_faults.refusal().map_err(Fault)?;
        let slot = &self.slots[place];
        if !slot.version.code.is_ready() {
            let why = "no instance could be created in time: the host is busy creating others";
            return Err(Fault(why.to_owned()));
        }
        if slot.is_overfull() {
            let why = format!("{MAX_WAITING} events came before an instance was ready");
            return Err(Fault(why));
        }
        let waiting = slot.backlog.all_waiting().to_vec();
        let (mut strategy, again) = self.restarted(place)?;
        let late = self.catch_up(place, &mut *strategy, &waiting)?;
        let events = again.saturating_add(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
        Ok((strategy, events, late))
    }

    fn put_back(&mut self, place: SlotIndex, mut strategy: Box<dyn Strategy>, late: CaughtUp) {
        self.pass_on_late(place, late);
        // Save a new base, so that the next fault does not bring the late events back.
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
}
