//! Operators' requests, and the changes of strategies in progress.

use crate::change_origin::ChangeOrigin;
use crate::handle::{ChangeAnswer, EngineHandle, Haste, ReceivedCommand, Request};
use crate::kernel::strategies::StrategyEntries;
use std::sync::mpsc::Sender;
use tickdeck_model::StrategyId;

/// The engine's end of the operators' handle. However the engine ends, no caller is left waiting for an answer.
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

    /// Whether anything was requested since the last poll, including a stop.
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

    /// Takes the commands since the last poll; costs one load when there are none.
    pub(super) fn take_commands(&self) -> Vec<ReceivedCommand> {
        self.0.take_commands()
    }

    /// Takes the changes since the last poll; costs one load when there are none.
    pub(super) fn take_requests(&self) -> Vec<Request> {
        self.0.take_requests()
    }

    /// Stops accepting changes; pending receivers are disconnected.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Drop for OperatorInbox {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Changes that have begun and will be completed in a later window.
#[derive(Default)]
pub(crate) struct PendingChanges {
    /// Swaps that wait for the window in which the old version's last call is timed.
    announced_swaps: Vec<Request>,
    /// Strategies that wait for another instance, and since when by the clock.
    suspended: Vec<(StrategyId, u64)>,
    /// None of them comes back before this time by the clock: the others are to have their turns.
    not_before_ns: u64,
    /// The origin of the current change.
    origin: Option<ChangeOrigin>,
    /// Answers to requests, sent after the notices.
    answers: Vec<(Sender<ChangeAnswer>, ChangeAnswer)>,
}

impl PendingChanges {
    /// Whether anything can be completed now.
    pub(super) fn is_due(&self, strategies: &StrategyEntries, now_ns: impl Fn() -> u64) -> bool {
        self.has_announced_swaps() || self.returning(strategies, now_ns).is_some()
    }

    pub(super) fn announce_swap(&mut self, request: Request) {
        self.announced_swaps.push(request);
    }

    /// Whether a swap waits to be completed.
    #[inline]
    pub(super) const fn has_announced_swaps(&self) -> bool {
        !self.announced_swaps.is_empty()
    }

    pub(super) fn take_announced_swaps(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.announced_swaps)
    }

    /// Notes that a strategy waits for another instance from `now_ns` on.
    pub(super) fn suspend(&mut self, strategy: StrategyId, now_ns: u64) {
        self.suspended.push((strategy, now_ns));
    }

    /// Takes the strategy out that can be brought back now, or has waited too long: the one that waits longest.
    pub(super) fn take_returning(
        &mut self,
        strategies: &StrategyEntries,
        now_ns: impl Fn() -> u64,
    ) -> Option<StrategyId> {
        let returning = self.returning(strategies, now_ns);
        returning.map(|at| self.suspended.remove(at).0)
    }

    fn returning(&self, strategies: &StrategyEntries, now_ns: impl Fn() -> u64) -> Option<usize> {
        if self.suspended.is_empty() {
            return None;
        }
        let now_ns = now_ns();
        if now_ns < self.not_before_ns {
            return None;
        }
        self.suspended.iter().position(|(strategy, since)| {
            strategies.can_return(*strategy, now_ns.saturating_sub(*since))
        })
    }

    /// Lets no suspended strategy come back before this time by the clock.
    pub(super) fn rest_until(&mut self, now_ns: u64) {
        self.not_before_ns = now_ns;
    }

    /// Notes that a strategy no longer waits: it was removed, or a tape says when it is brought back.
    pub(crate) fn forget_suspended(&mut self, strategy: StrategyId) {
        self.suspended.retain(|(other, _)| *other != strategy);
    }

    /// Drops everything: no more swaps or rollbacks.
    pub(super) fn clear(&mut self) {
        self.announced_swaps.clear();
        self.suspended.clear();
    }

    /// Begins a requested change; its notices carry this origin.
    pub(super) fn begin(&mut self, origin: Option<ChangeOrigin>) {
        self.origin = origin;
    }

    /// The origin of the current change.
    pub(super) fn origin(&self) -> Option<ChangeOrigin> {
        self.origin.clone()
    }

    /// Ends the requested change with this answer.
    pub(super) fn end(&mut self, sender: Sender<ChangeAnswer>, answer: ChangeAnswer) {
        self.origin = None;
        self.answers.push((sender, answer));
    }

    /// Sends the answers of completed requests.
    pub(super) fn send_answers(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        for (sender, answer) in self.answers.drain(..) {
            // The caller may have given up.
            let _ = sender.send(answer);
        }
    }
}
