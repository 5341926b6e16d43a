//! The kernel's recorder, and what it last reported.

use crate::effect::{AppliedAction, Effect, RecordError, Recorder};
use tickdeck_model::Event;

/// Events between two looks at the strategies' states.
pub(crate) const STATES_EVERY: u64 = 1 << 16;

/// The kernel's recorder, if it has one, and what it last said.
#[derive(Default)]
pub(crate) struct Recording {
    pub(super) recorder: Option<Box<dyn Recorder>>,
    /// Whether orders wait for the next commit.
    pub(super) orders: bool,
    /// Actions handed over since the last commit.
    pub(super) fresh: u32,
    /// Everything is kept again, and what was denied until now was carried out.
    pub(super) resumes: bool,
    /// The run has to end, and why.
    pub(crate) overflow: Option<String>,
}

impl Recording {
    pub(crate) fn events(&mut self, events: &[Event]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.events(events);
        }
    }

    pub(crate) fn effect(&mut self, position: u64, effect: &Effect) {
        if let Some(recorder) = &mut self.recorder {
            recorder.effect(position, effect);
        }
    }

    /// Keeps a decision before it is carried out.
    pub(super) fn acted(&mut self, position: u64, acted: &AppliedAction) {
        self.orders |= acted.is_order();
        self.fresh += 1;
        self.effect(position, &Effect::Applied(*acted));
    }

    pub(crate) fn take(&mut self) -> Option<Box<dyn Recorder>> {
        self.recorder.take()
    }

    pub(crate) fn put(&mut self, recorder: Option<Box<dyn Recorder>>) {
        self.recorder = recorder;
    }

    pub(crate) fn end(&mut self) -> Result<(), RecordError> {
        match &mut self.recorder {
            Some(recorder) => recorder.end(),
            None => Ok(()),
        }
    }
}
