//! Requests for changes to the engine, and the single path back.
//!
//! A request carries its cause. The engine reports every change once, in a notice that returns the cause, before it answers
//! the request; a change that it makes by itself, such as a rollback during a trial, is reported the same way.
//! [`Manager::apply`] is the only place that applies changes, in the order in which the engine made them.

use crate::change_cause::ChangeCause;
use crate::feed::ReportedChange;
use crate::lifecycle::history_entries;
use crate::lifecycle::managed::ManagedStrategy;
use crate::lifecycle::manager::Manager;
use crate::lifecycle::message::UNEXPECTED;
use std::time::{Duration, Instant};
use tickdeck_engine::port::{StopReason, Strategy, Version};
use tickdeck_engine::{ChangeOrigin, ChangeResult, DryRun, StrategyChange, VersionChange};
use tickdeck_model::StrategyId;

/// How long to wait for an instance before a change is requested without it.
const INSTANCE_WITHIN: Duration = Duration::from_secs(5);
/// Polling interval of that wait.
const INSTANCE_LOOK: Duration = Duration::from_millis(2);

/// The reason for a request without an outcome.
const SHUTTING_DOWN: &str = "the host is shutting down";

impl Manager {
    /// Requests a change, and returns it once the engine has made it and it has been applied.
    pub(super) fn request(
        &mut self,
        change: StrategyChange,
        cause: ChangeCause,
    ) -> Result<VersionChange, String> {
        let origin = ChangeOrigin::new(cause);
        let answer = self.engine.change_from(change, origin.clone()).recv();
        let result = answer.map_err(|_| SHUTTING_DOWN.to_owned())??;
        retire(result);
        let own = self.apply_reported(Some(&origin));
        own.ok_or_else(|| UNEXPECTED.to_owned())
    }

    /// Applies the changes that the engine has reported, and returns the one with this origin.
    pub(super) fn apply_reported(
        &mut self,
        origin: Option<&ChangeOrigin>,
    ) -> Option<VersionChange> {
        let mut own = None;
        while let Ok(reported) = self.reported.try_recv() {
            self.apply(&reported);
            if reported.origin.is_some() && reported.origin.as_ref() == origin {
                own = Some(reported.change);
            }
        }
        own
    }

    /// Applies a change that the engine made, whoever requested it.
    fn apply(&mut self, reported: &ReportedChange) {
        let name = self.names.strategy(reported.strategy);
        let cause = ChangeCause::of(reported.origin.as_ref());
        let entry = self.entry(&name);
        entry.id = Some(reported.strategy);
        entry.apply(&reported.change, cause);
        let content = entry.live().cloned();
        self.history.change(&name, |record| {
            record.id = Some(reported.strategy);
            if !matches!(reported.change, VersionChange::Live { .. }) {
                record.settle();
                if let Some(content) = &content {
                    history_entries::runs_with(record, content);
                }
            }
            history_entries::record_change(record, reported.at, &reported.change, cause);
        });
    }

    /// Tries a version on the last events of the running one, starting from its state.
    pub(super) fn try_out(&self, id: StrategyId, version: &Version) -> Result<(), String> {
        let tried = self.dry_run(id)?.run(version);
        tried.map(drop).map_err(|fault| {
            format!(
                "version {} failed on the last events: {fault}",
                version.label
            )
        })
    }

    /// Waits until an instance of a strategy's shadow, or of its previous version, can take over: this thread has time. If it
    /// takes too long, the engine says so.
    pub(super) fn await_instances(&self, id: StrategyId) -> Result<(), String> {
        let deadline = Instant::now() + INSTANCE_WITHIN;
        let stands = self.dry_run(id)?;
        while !stands.are_others_ready() && Instant::now() < deadline {
            std::thread::park_timeout(INSTANCE_LOOK);
        }
        Ok(())
    }

    /// Asks the engine for a strategy's current state, which changes nothing.
    pub(super) fn dry_run(&self, id: StrategyId) -> Result<Box<DryRun>, String> {
        let answer = self.engine.change(StrategyChange::DryRun(id)).recv();
        match answer.map_err(|_| SHUTTING_DOWN.to_owned())?? {
            ChangeResult::DryRun(dry_run) => Ok(dry_run),
            _ => Err(UNEXPECTED.to_owned()),
        }
    }
}

impl ManagedStrategy {
    /// Applies a change.
    fn apply(&mut self, change: &VersionChange, cause: Option<&ChangeCause>) {
        match (change, cause) {
            (
                VersionChange::Started { generation, .. }
                | VersionChange::Swapped { generation, .. },
                Some(ChangeCause::Module { content, .. }),
            ) => {
                self.shadow = None;
                self.set_live(*generation, content.clone());
            }
            (VersionChange::Swapped { generation, .. }, Some(ChangeCause::Promote)) => {
                if let Some(content) = self.shadow.take() {
                    self.set_live(*generation, content);
                }
            }
            (VersionChange::Swapped { generation, .. }, Some(ChangeCause::RollBack))
            | (VersionChange::RolledBack { generation, .. }, _) => self.roll_back(*generation),
            (VersionChange::Shadow { .. }, Some(ChangeCause::Module { content, .. })) => {
                self.shadow = Some(content.clone());
            }
            (VersionChange::ShadowEnded { .. }, _) => self.give_up_shadow(),
            (VersionChange::Removed, _) => self.remove(),
            // No other requests are made here.
            (
                VersionChange::Live { .. }
                | VersionChange::Started { .. }
                | VersionChange::Swapped { .. }
                | VersionChange::Shadow { .. },
                _,
            ) => {}
        }
    }
}

/// Stops and drops the instance that a change retired, on this thread, which has time.
fn retire(result: ChangeResult) {
    let (instance, reason): (Option<Box<dyn Strategy>>, _) = match result {
        ChangeResult::Swapped(swapped) | ChangeResult::Shadow(swapped) => {
            (swapped.retired, StopReason::Replaced)
        }
        ChangeResult::Removed(instance) => (instance, StopReason::Removed),
        _ => return,
    };
    if let Some(mut instance) = instance {
        // A fault no longer matters: the instance is dropped either way.
        let _ = instance.stop(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change_cause::{Content, Requester, content};
    use tickdeck_engine::StateSource;

    fn swapped(generation: u32) -> VersionChange {
        VersionChange::Swapped {
            from: "1".to_owned(),
            to: "2".to_owned(),
            hash: String::new(),
            generation,
            inherited: StateSource::Nothing,
            lost: None,
            took_ns: 1,
        }
    }

    fn module(content: &Content) -> ChangeCause {
        ChangeCause::Module {
            requester: Requester::Folder,
            content: content.clone(),
            preparation: String::new(),
        }
    }

    #[test]
    fn a_swap_is_taken_over_by_its_cause() {
        let [one, two, three] = [b"one", b"two", b"3.."].map(|bytes| content(bytes));
        let mut entry = ManagedStrategy::default();
        entry.set_live(1, one.clone());
        entry.apply(&swapped(2), Some(&module(&two)));
        assert!(entry.runs(two.fingerprint));
        let shadow = VersionChange::Shadow {
            version: "3".to_owned(),
        };
        entry.apply(&shadow, Some(&module(&three)));
        assert!(entry.runs(two.fingerprint), "a shadow does not trade");
        entry.apply(&swapped(3), Some(&ChangeCause::Promote));
        assert!(entry.runs(three.fingerprint) && entry.shadow.is_none());
        entry.apply(&swapped(4), Some(&ChangeCause::RollBack));
        assert!(entry.runs(two.fingerprint));
        assert!(entry.failed.contains(&three.fingerprint));
    }

    #[test]
    fn a_rollback_by_the_engine_before_a_swap_is_taken_over_before_it() {
        let [one, two, three] = [b"one", b"two", b"3.."].map(|bytes| content(bytes));
        let mut entry = ManagedStrategy::default();
        entry.set_live(1, one);
        entry.set_live(2, two.clone());
        let rolled_back = VersionChange::RolledBack {
            from: "2".to_owned(),
            to: "1".to_owned(),
            hash: String::new(),
            generation: 3,
            problem: "trapped".to_owned(),
        };
        entry.apply(&rolled_back, None);
        entry.apply(&swapped(4), Some(&module(&three)));
        assert!(entry.runs(three.fingerprint));
        assert!(entry.failed.contains(&two.fingerprint));
    }

    #[test]
    fn a_removed_strategy_runs_nothing_and_a_failed_shadow_is_not_loaded_again() {
        let [one, two] = [b"one", b"two"].map(|bytes| content(bytes));
        let mut entry = ManagedStrategy::default();
        entry.set_live(1, one.clone());
        entry.shadow = Some(two.clone());
        let ended = VersionChange::ShadowEnded {
            problem: "trapped".to_owned(),
        };
        entry.apply(&ended, None);
        assert!(entry.failed.contains(&two.fingerprint));
        entry.apply(&VersionChange::Removed, Some(&ChangeCause::Remove));
        assert!(!entry.started && !entry.runs(one.fingerprint));
    }
}
