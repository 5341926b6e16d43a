//! Requests of operators, and the changes of strategies that are under way.

use crate::change_origin::ChangeOrigin;
use crate::handle::{ChangeAnswer, EngineHandle, Haste, ReceivedCommand, Request};
use std::sync::mpsc::Sender;
use tickdeck_model::StrategyId;

/// The engine's end of the operators' handle. However the engine ends, nobody is left waiting for an answer.
#[derive(Default)]
pub(crate) struct OperatorInbox(EngineHandle);

impl OperatorInbox {
    /// A handle for operators.
    pub(super) fn handle(&self) -> EngineHandle {
        self.0.clone()
    }

    /// Whether a stop was requested.
    pub(crate) fn is_stop_requested(&self) -> bool {
        self.0.stopping()
    }

    /// Whether anything was asked for since the last look, a stop included.
    pub(super) fn has_news(&self) -> bool {
        self.0.is_waiting() || self.0.is_commanded() || self.0.stopping()
    }

    /// Whether a command waits.
    pub(super) fn is_commanded(&self) -> bool {
        self.0.is_commanded()
    }

    /// Whether the end of the run waits for less than this.
    pub(super) fn is_in_haste(&self, haste: Haste) -> bool {
        self.0.is_in_haste(haste)
    }

    /// Takes the commands since the last look; costs one load when there are none.
    pub(super) fn take_commands(&self) -> Vec<ReceivedCommand> {
        self.0.take_commands()
    }

    /// Takes the changes since the last look; costs one load when there are none.
    pub(super) fn take_requests(&self) -> Vec<Request> {
        self.0.take_requests()
    }

    /// Accepts no more changes; those who wait for an answer learn it by their receiver.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Drop for OperatorInbox {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Changes that were begun and are completed in a later window.
#[derive(Default)]
pub(crate) struct PendingChanges {
    /// Swaps that wait for the window in which the old version's last call is timed.
    announced_swaps: Vec<Request>,
    /// Strategies whose new version failed its probation.
    failed_probations: Vec<StrategyId>,
    /// The origin of the change that is carried out now.
    origin: Option<ChangeOrigin>,
    /// Answers to requests, sent after the notices.
    answers: Vec<(Sender<ChangeAnswer>, ChangeAnswer)>,
}

impl PendingChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.announced_swaps.is_empty() && self.failed_probations.is_empty()
    }

    pub(super) fn announce_swap(&mut self, request: Request) {
        self.announced_swaps.push(request);
    }

    pub(super) fn take_announced_swaps(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.announced_swaps)
    }

    pub(super) fn add_failed_probation(&mut self, strategy: StrategyId) {
        self.failed_probations.push(strategy);
    }

    pub(super) fn take_failed_probations(&mut self) -> Vec<StrategyId> {
        std::mem::take(&mut self.failed_probations)
    }

    /// A tape says when a strategy's failed probation is acted upon: it no longer waits.
    pub(crate) fn forget_failed_probation(&mut self, strategy: StrategyId) {
        self.failed_probations.retain(|other| *other != strategy);
    }

    /// Drops everything: nothing is swapped or rolled back any more.
    pub(super) fn clear(&mut self) {
        self.announced_swaps.clear();
        self.failed_probations.clear();
    }

    /// A requested change is carried out from now on; its notices carry this origin.
    pub(super) fn begin(&mut self, origin: Option<ChangeOrigin>) {
        self.origin = origin;
    }

    /// The origin of the change that is carried out now.
    pub(super) fn origin(&self) -> Option<ChangeOrigin> {
        self.origin.clone()
    }

    /// The requested change is carried out, with this answer.
    pub(super) fn end(&mut self, sender: Sender<ChangeAnswer>, answer: ChangeAnswer) {
        self.origin = None;
        self.answers.push((sender, answer));
    }

    /// Sends the answers of completed requests.
    pub(super) fn send_answers(&mut self) {
        for (sender, answer) in self.answers.drain(..) {
            // The caller may have given up.
            let _ = sender.send(answer);
        }
    }
}
