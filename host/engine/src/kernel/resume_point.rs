//! What is left of an interrupted run, for the run that resumes it.

use tickdeck_model::{Event, Timestamp};

/// Where a resumed run takes over.
#[derive(Default)]
pub(crate) struct ResumePoint {
    /// The rest of the window that was cut short by the interruption.
    left_over: Vec<Event>,
    /// The end of that window: what takes effect there has not been carried out yet.
    window_end: Option<Timestamp>,
    /// The strategies were stopped before the interruption.
    was_stopping: bool,
}

impl ResumePoint {
    pub(crate) fn new(
        mut left_over: Vec<Event>,
        window_end: Option<Timestamp>,
        was_stopping: bool,
    ) -> Self {
        left_over.sort_by_key(|event| event.ts_host);
        Self {
            left_over,
            window_end,
            was_stopping,
        }
    }

    pub(super) const fn was_stopping(&self) -> bool {
        self.was_stopping
    }

    /// Whether events of the cut window still wait.
    pub(super) fn has_left_over(&self) -> bool {
        !self.left_over.is_empty()
    }

    /// When the first of them is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.left_over.first().map(|event| event.ts_host)
    }

    /// Moves them to the current window.
    pub(super) fn append_left_over(&mut self, window: &mut Vec<Event>) {
        window.append(&mut self.left_over);
    }

    /// The end of the cut window, if nothing more of it comes before `start`.
    pub(super) fn take_window_end(&mut self, start: Timestamp) -> Option<Timestamp> {
        self.window_end.take_if(|end| *end <= start)
    }

    /// Continues the cut window: from now on, it ends like any other.
    pub(super) fn continue_window(&mut self) {
        self.window_end = None;
    }
}
