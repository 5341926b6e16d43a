//! Reading the tape in stretches, and the batches that strategies are offered from them.

use super::stop::ReplayStop;
use super::tape::Tape;
use crate::kernel::Engine;
use crate::replay::cursor::ReplayCursor;
use crate::worker::recorded_faults::RecordedFault;
use tickdeck_model::StrategyId;

impl Engine {
    /// Has a strategy offered the recorded batches of its current life, if required.
    pub(super) fn offer_recorded_batches(
        &mut self,
        cursor: &ReplayCursor,
        tape: &mut dyn Tape,
        strategy: StrategyId,
    ) -> Result<(), ReplayStop> {
        match tape.batches(strategy, cursor.life_of(strategy)) {
            Some(batches) => self.impose(strategy, RecordedFault::Batches(strategy, Some(batches))),
            None => Ok(()),
        }
    }

    /// Reads the next stretch of events. If recorded batches have to be offered, it is the rest of a window: no batch crosses
    /// the end of one.
    pub(super) fn read_stretch(
        &mut self,
        cursor: &mut ReplayCursor,
        tape: &mut dyn Tape,
        most: usize,
    ) -> Result<(), ReplayStop> {
        let next = self.events.next_sequence();
        let from = cursor.batches_from.filter(|_| self.time.is_lockstep());
        let Some(from) = from.filter(|_| most > 0) else {
            tape.events(most, self.events.begin_window())?;
            return Ok(());
        };
        let until = cursor.next_barrier();
        if next < from && cursor.held.is_none() {
            let free = usize::try_from(from - next).unwrap_or(usize::MAX);
            tape.events(most.min(free), self.events.begin_window())?;
            return Ok(());
        }
        let mut stretch = std::mem::take(self.events.begin_window());
        while next + (stretch.len() as u64) < until {
            let before = stretch.len();
            match cursor.held.take() {
                Some(held) => stretch.push(held),
                None => tape.events(1, &mut stretch)?,
            }
            if stretch.len() == before {
                cursor.ended_within = cursor.venues;
                break;
            }
            let end = stretch
                .first()
                .map(|first| self.time.window_end(first.ts_host));
            cursor.held = stretch.pop_if(|last| end.is_some_and(|end| last.ts_host >= end));
            if cursor.held.is_some() {
                break;
            }
        }
        self.events.return_window(stretch);
        Ok(())
    }
}
