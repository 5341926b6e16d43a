//! A strategy that is not called: its decisions are those on the tape.
//!
//! A strategy that crashed the host, or that decides differently now, must not be called to bring a run back to where it was
//! interrupted. What it decided is on the tape. In its place, an instance hands out exactly that, each decision at the event that
//! caused it, so that the workers, the router and the others stand where they stood.

use crate::port::{Code, Fault, State, StopReason, Strategy, Version};
use crate::worker::actions::MAX_ACTIONS;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_model::{Action, Event};
use tickdeck_portfolio::StrategyBook;

/// Reads the decisions of a strategy.
pub trait DecisionSource: Send {
    /// Returns the next decision that an event caused, with the event's sequence; none at the end.
    ///
    /// # Errors
    /// The tape cannot be read; the text says why.
    fn next(&mut self) -> Result<Option<(u64, Action)>, String>;
}

/// The decisions of a strategy on a tape; clones share the place up to which they were handed out.
#[derive(Clone)]
pub struct RecordedDecisions(Arc<Mutex<Reading>>);

struct Reading {
    source: Box<dyn DecisionSource>,
    /// The first that was not handed out, once one was read.
    next: Option<Option<(u64, Action)>>,
}

impl RecordedDecisions {
    /// Hands out what `source` reads.
    pub fn new(source: Box<dyn DecisionSource>) -> Self {
        Self(Arc::new(Mutex::new(Reading { source, next: None })))
    }

    /// Puts the recorded decisions in the place of a version's code.
    pub fn in_place_of(&self, version: Version) -> Version {
        let code = Arc::new(RecordedCode {
            decisions: self.clone(),
            code: version.code,
        });
        Version { code, ..version }
    }

    /// Appends the decisions that the event of this sequence caused. Those of earlier events are out of date.
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

/// The code of a version of which nothing is called.
struct RecordedCode {
    decisions: RecordedDecisions,
    /// Asked for its schemas only.
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

/// An instance that hands out recorded decisions.
struct RecordedStrategy {
    decisions: RecordedDecisions,
    /// It is about to fault as it did, and nothing that it returns counts.
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
