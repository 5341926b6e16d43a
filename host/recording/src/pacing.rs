//! A recorded run at a pace: as fast as the machine can up to a place, then as time went by, or event by event.

use super::ReelTape;
use std::collections::VecDeque;
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::{Clock, Version};
use tickdeck_engine::{Effect, Tape, TapeError};
use tickdeck_model::Event;

/// Shows an event with the deeds that it led to. Where it is asked, it gives how many more may pass before it is asked again, 0
/// to stop.
pub type Show = Box<dyn FnMut(&Event, &[Effect], bool) -> u64 + Send>;

/// How a run is played.
pub enum Pacing {
    /// As fast as the machine can.
    FlatOut,
    /// By a clock.
    By(Box<dyn Clock>),
    /// Shown one by one: each with the deeds that it led to, before the next one is played.
    Shown(Show),
}

/// A tape at a pace.
pub struct PacedTape {
    tape: ReelTape,
    rhythm: Pacing,
    from: u64,
    stop: CancelToken,
    last: Option<Event>,
    /// Deeds that were read ahead, for the events that are shown.
    effects: VecDeque<(u64, Effect)>,
    pass: u64,
}

impl PacedTape {
    /// Plays `tape` by `rhythm` from the event `from` on.
    pub const fn new(tape: ReelTape, rhythm: Pacing, from: u64, stop: CancelToken) -> Self {
        Self {
            tape,
            rhythm,
            from,
            stop,
            last: None,
            effects: VecDeque::new(),
            pass: 1,
        }
    }

    /// Shows the last event with what it led to, when its turn has come.
    fn show_last(&mut self) {
        let Some(last) = self.last.take() else {
            return;
        };
        let mut led_to = Vec::new();
        while let Some((_, effect)) = self
            .effects
            .pop_front_if(|(position, _)| *position <= last.sequence + 1)
        {
            led_to.push(effect);
        }
        let Pacing::Shown(show) = &mut self.rhythm else {
            return;
        };
        self.pass = self.pass.saturating_sub(1);
        let asked = self.pass == 0;
        let answer = show(&last, &led_to, asked);
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
        let begun = self.tape.next_event();
        if self.stop.asked() {
            return Err(TapeError(format!("stopped at event {begun}")));
        }
        if matches!(self.rhythm, Pacing::FlatOut) || begun < self.from {
            let left = usize::try_from(self.from.saturating_sub(begun)).unwrap_or(usize::MAX);
            let flat_out = matches!(self.rhythm, Pacing::FlatOut);
            return self
                .tape
                .events(if flat_out { most } else { most.min(left) }, out);
        }
        self.show_last();
        if self.stop.asked() {
            return Err(TapeError(format!("stopped at event {begun}")));
        }
        self.tape.events(most.min(1), out)?;
        let Some(event) = out.last().copied() else {
            return Ok(());
        };
        match &mut self.rhythm {
            Pacing::By(clock) => clock.wait_until(event.ts_host),
            Pacing::Shown(_) => self.last = Some(event),
            Pacing::FlatOut => {}
        }
        Ok(())
    }

    fn effect(&mut self) -> Result<Option<(u64, Effect)>, TapeError> {
        let effect = self.tape.effect()?;
        if matches!(self.rhythm, Pacing::Shown(_))
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

    fn is_cut(&self) -> bool {
        self.tape.is_cut()
    }

    fn is_watched(&self) -> bool {
        matches!(self.rhythm, Pacing::Shown(_)) && self.last.is_some() && self.pass <= 1
    }
}
