//! Replays a recorded run at a pace: as fast as possible up to a position, then in real time or event by event.

use crate::tape::ReelTape;
use std::collections::VecDeque;
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::{Clock, Version};
use tickdeck_engine::{Effect, RecordedBatches, RecordedDecisions, Tape, TapeError};
use tickdeck_model::{Event, StrategyId};

/// Shows an event with the effects that followed it. If the flag is set, it returns the number of events until it is asked
/// again, or 0 to stop.
pub type Show = Box<dyn FnMut(&Event, &[Effect], bool) -> u64 + Send>;

/// The pace of a replay.
pub enum Pacing {
    /// As fast as possible.
    FlatOut,
    /// By a clock.
    By(Box<dyn Clock>),
    /// Shown one by one: each event with the effects that followed it, before the next one is replayed.
    Shown(Show),
}

/// A tape that is read at a pace.
pub struct PacedTape {
    tape: ReelTape,
    pacing: Pacing,
    from: u64,
    stop: CancelToken,
    last: Option<Event>,
    /// Effects that were read ahead, for the events that are shown.
    effects: VecDeque<(u64, Effect)>,
    pass: u64,
}

impl PacedTape {
    /// Reads `tape` at a pace from the event `from` on.
    pub const fn new(tape: ReelTape, pacing: Pacing, from: u64, stop: CancelToken) -> Self {
        Self {
            tape,
            pacing,
            from,
            stop,
            last: None,
            effects: VecDeque::new(),
            pass: 1,
        }
    }

    /// Shows the last event with the effects that followed it.
    fn show_last(&mut self) {
        let Some(last) = self.last.take() else {
            return;
        };
        let mut effects = Vec::new();
        while let Some((_, effect)) = self
            .effects
            .pop_front_if(|(position, _)| *position <= last.sequence + 1)
        {
            effects.push(effect);
        }
        let Pacing::Shown(show) = &mut self.pacing else {
            return;
        };
        self.pass = self.pass.saturating_sub(1);
        let asked = self.pass == 0;
        let answer = show(&last, &effects, asked);
        if asked {
            self.pass = answer;
            if answer == 0 {
                self.stop.ask();
            }
        }
    }
}

impl Tape for PacedTape {
    fn events(&mut self, most: usize, out: &mut Vec<Event>) -> Result<(), TapeError> {
        let next = self.tape.next_event();
        if self.stop.asked() {
            return Err(TapeError(format!("stopped at event {next}")));
        }
        if matches!(self.pacing, Pacing::FlatOut) || next < self.from {
            let left = usize::try_from(self.from.saturating_sub(next)).unwrap_or(usize::MAX);
            let flat_out = matches!(self.pacing, Pacing::FlatOut);
            return self
                .tape
                .events(if flat_out { most } else { most.min(left) }, out);
        }
        self.show_last();
        if self.stop.asked() {
            return Err(TapeError(format!("stopped at event {next}")));
        }
        self.tape.events(most.min(1), out)?;
        let Some(event) = out.last().copied() else {
            return Ok(());
        };
        match &mut self.pacing {
            Pacing::By(clock) => clock.wait_until(event.ts_host),
            Pacing::Shown(_) => self.last = Some(event),
            Pacing::FlatOut => {}
        }
        Ok(())
    }

    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError> {
        let effect = self.tape.effect()?;
        if matches!(self.pacing, Pacing::Shown(_))
            && let Some((position, effect)) = &effect
            && *position > self.from
        {
            self.effects.push_back((*position, effect.clone()));
        }
        Ok(effect)
    }

    fn version(&mut self, name: &str, spec: &str) -> Result<Version, TapeError> {
        self.tape.version(name, spec)
    }

    fn decisions(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedDecisions> {
        self.tape.decisions(strategy, life)
    }

    fn batches(&mut self, strategy: StrategyId, life: u32) -> Option<RecordedBatches> {
        self.tape.batches(strategy, life)
    }

    fn batches_from(&self) -> Option<u64> {
        self.tape.batches_from()
    }

    fn is_cut(&self) -> bool {
        self.tape.is_cut()
    }

    fn is_watched(&self) -> bool {
        matches!(self.pacing, Pacing::Shown(_)) && self.last.is_some() && self.pass <= 1
    }
}
