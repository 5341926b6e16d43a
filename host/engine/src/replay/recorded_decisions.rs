//! A strategy that is not called: its decisions are read from the tape.
//!
//! A strategy that crashed the host, or that decides differently now, must not be called to bring a run back to where it was
//! interrupted. Its decisions are on the tape. A stand-in instance returns exactly those, each at the event that caused it, so
//! that the workers, the router and the other strategies reach the state in which they were.

use crate::port::{Code, Fault, State, StopReason, Strategy, Version};
use crate::worker::actions::MAX_ACTIONS;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_model::{Action, Event};
use tickdeck_portfolio::StrategyBook;

/// Reads the decisions of a strategy.
pub trait DecisionSource: Send {
    /// Returns the next decision caused by an event, with the event's sequence; none at the end.
    ///
    /// # Errors
    /// The tape cannot be read; the text says why.
    fn next(&mut self) -> Result<Option<(u64, Action)>, String>;
}

/// The decisions of a strategy on a tape; clones share the read position.
#[derive(Clone)]
pub struct RecordedDecisions(Arc<Mutex<Reading>>);

struct Reading {
    source: Box<dyn DecisionSource>,
    /// The first decision not yet returned, once one was read.
    next: Option<Option<(u64, Action)>>,
}

impl RecordedDecisions {
    /// Returns the decisions that `source` reads.
    pub fn new(source: Box<dyn DecisionSource>) -> Self {
        Self(Arc::new(Mutex::new(Reading { source, next: None })))
    }

    /// Replaces a version's code by the recorded decisions.
    pub fn in_place_of(&self, version: Version) -> Version {
        let code = Arc::new(RecordedCode {
            decisions: self.clone(),
            code: version.code,
        });
        Version { code, ..version }
    }

    /// Appends the decisions caused by the event with this sequence. Those of earlier events are skipped.
    fn take(&self, sequence: u64, actions: &mut Vec<Action>) -> Result<(), String> {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Reading { source, next } = &mut *reading;
        loop {
            let current = match next {
                Some(current) => current,
                None => next.insert(source.next()?),
            };
            match current {
                Some((cause, _)) if *cause < sequence => {}
                Some((cause, action)) if *cause == sequence && actions.len() < MAX_ACTIONS => {
                    actions.push(*action);
                }
                _ => return Ok(()),
            }
            *current = source.next()?;
        }
    }
}

/// The code of a version that is never called.
struct RecordedCode {
    decisions: RecordedDecisions,
    /// Used only for its schemas.
    code: Arc<dyn Code>,
}

impl RecordedCode {
    fn instance(&self) -> Box<dyn Strategy> {
        Box::new(RecordedStrategy {
            decisions: self.decisions.clone(),
            is_silent: false,
        })
    }
}

impl Code for RecordedCode {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(self.instance())
    }

    fn restore(&self, _: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        Ok(self.instance())
    }

    fn schema(&self) -> u32 {
        self.code.schema()
    }

    fn restores(&self) -> &[u32] {
        self.code.restores()
    }
}

/// An instance that returns recorded decisions.
struct RecordedStrategy {
    decisions: RecordedDecisions,
    /// It is about to reproduce a fault, so nothing that it returns counts.
    is_silent: bool,
}

impl Strategy for RecordedStrategy {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        if self.is_silent {
            return Ok(batch.len());
        }
        for (event, handled) in batch.iter().zip(1..) {
            let taken = self.decisions.take(event.sequence, actions);
            taken.map_err(Fault)?;
            if !actions.is_empty() {
                return Ok(handled);
            }
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Ok(Vec::new()))
    }

    fn restore_time_limit(&mut self) {
        self.is_silent = true;
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}
