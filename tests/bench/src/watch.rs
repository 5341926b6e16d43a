//! Observes a strategy: the times of its calls, the duration of failed calls, and its final state.

use crate::clock::ns_since;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy};
use tickdeck_model::{Action, Event};
use tickdeck_portfolio::StrategyBook;

/// The observations of a strategy, across its instances.
pub(crate) struct Watch {
    epoch: Instant,
    /// Whether calls are timed, which costs two readings of the clock for each.
    timed: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
pub(crate) struct Seen {
    /// The gaps between a call's end and the start of the next call of the same instance, in us.
    pub(crate) gaps_us: Vec<f64>,
    /// The durations of failed calls, in ms.
    pub(crate) failed_ms: Vec<f64>,
    /// The state at the end of the run.
    pub(crate) state: Option<Vec<u8>>,
}

impl Watch {
    pub(crate) fn new(timed: bool) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            timed,
            seen: Mutex::default(),
        })
    }

    /// Takes the observations.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the same code with its calls observed.
pub(crate) fn watched(code: Arc<dyn Code>, watch: &Arc<Watch>) -> Arc<dyn Code> {
    let watch = Arc::clone(watch);
    Arc::new(WatchedCode { code, watch })
}

struct WatchedCode {
    code: Arc<dyn Code>,
    watch: Arc<Watch>,
}

impl WatchedCode {
    fn around(&self, strategy: Box<dyn Strategy>) -> Box<dyn Strategy> {
        Box::new(Watched {
            strategy,
            watch: Arc::clone(&self.watch),
            ended_ns: None,
            gaps_us: Vec::new(),
        })
    }
}

impl Code for WatchedCode {
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

struct Watched {
    strategy: Box<dyn Strategy>,
    watch: Arc<Watch>,
    ended_ns: Option<u64>,
    gaps_us: Vec<f64>,
}

impl Strategy for Watched {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        if !self.watch.timed {
            return self.strategy.on_events(batch, book, actions);
        }
        let began = ns_since(self.watch.epoch);
        let handled = self.strategy.on_events(batch, book, actions);
        let ended = ns_since(self.watch.epoch);
        match &handled {
            Ok(_) => {
                let gap = self.ended_ns.map(|before| began.saturating_sub(before));
                self.gaps_us.extend(gap.map(|ns| ns as f64 / 1e3));
                self.ended_ns = Some(ended);
            }
            Err(_) => {
                let took = ended.saturating_sub(began) as f64 / 1e6;
                self.watch.seen().failed_ms.push(took);
            }
        }
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
        if reason == StopReason::Shutdown {
            let state = self.strategy.save()?.map_err(Fault)?;
            self.watch.seen().state = Some(state);
        }
        self.strategy.stop(reason)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.seen().gaps_us.append(&mut self.gaps_us);
    }
}
