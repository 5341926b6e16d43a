//! When a strategy was called: the ends of its calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy};
use tickdeck_model::{Action, Event, Timestamp};
use tickdeck_portfolio::StrategyBook;

/// The ends of calls, since an epoch.
pub(super) type Beats = Arc<Mutex<Vec<Timestamp>>>;

/// The same code with the ends of its calls noted.
pub(super) fn beating(code: Arc<dyn Code>, epoch: Instant, beats: &Beats) -> Arc<dyn Code> {
    let beats = Arc::clone(beats);
    Arc::new(Beating { code, epoch, beats })
}

struct Beating {
    code: Arc<dyn Code>,
    epoch: Instant,
    beats: Beats,
}

impl Beating {
    fn around(&self, strategy: Box<dyn Strategy>) -> Box<dyn Strategy> {
        Box::new(Instance {
            strategy,
            epoch: self.epoch,
            beats: Arc::clone(&self.beats),
            own: Vec::new(),
        })
    }
}

impl Code for Beating {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.code.start(book).map(|strategy| self.around(strategy))
    }

    fn start_in_place(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        let started = self.code.start_in_place(book);
        started.map(|strategy| self.around(strategy))
    }

    fn is_ready(&self) -> bool {
        self.code.is_ready()
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let restored = self.code.restore(book, state);
        restored.map(|strategy| self.around(strategy))
    }

    fn schema(&self) -> u32 {
        self.code.schema()
    }

    fn restores(&self) -> &[u32] {
        self.code.restores()
    }
}

struct Instance {
    strategy: Box<dyn Strategy>,
    epoch: Instant,
    beats: Beats,
    own: Vec<Timestamp>,
}

impl Strategy for Instance {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        let handled = self.strategy.on_events(batch, book, actions);
        let now = self.epoch.elapsed().as_nanos();
        self.own
            .push(Timestamp::try_from(now).unwrap_or(Timestamp::MAX));
        handled
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.strategy.save()
    }

    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        self.strategy.save_into(state)
    }

    fn long_call_ns(&self) -> Option<u64> {
        self.strategy.long_call_ns()
    }

    fn thread_time_ns(&self) -> Option<u64> {
        self.strategy.thread_time_ns()
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.strategy.stop(reason)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.append(&mut self.own);
    }
}
