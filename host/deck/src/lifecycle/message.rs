//! The messages to the manager's thread.

use crate::compile_queue::Outcome;
use crate::lifecycle::retention_timer::RetentionTimer;
use std::sync::mpsc::Sender;
use tickdeck_model::ModuleHash;
use tickdeck_strategy::watch::PluginChange;

/// A command of an operator about a strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrategyCommand {
    /// Reloads its module, even one that failed before.
    Reload,
    /// Returns to the previous version, or stops the shadow.
    RollBack,
    /// Makes the shadow trade.
    Promote,
    /// Stops it cleanly, although its file stays.
    Remove,
    /// Grants what it requests, if that is still this; `None`: whatever it is.
    Approve(Option<String>),
}

/// The engine reported a change of another kind than requested: a bug in tickdeck.
pub(super) const UNEXPECTED: &str = "the engine reported something else";

/// Where the answer to an operator's command goes.
pub(super) type Reply = Sender<Result<String, String>>;

/// A message to the manager's thread.
pub(super) enum Message {
    /// The plugins folder changed.
    Folder(PluginChange),
    /// A module was compiled, or refused, by the hash of its file.
    Compiled(ModuleHash, Outcome),
    /// The engine reported a change, which waits in a queue of its own.
    Reported,
    /// An operator's command about a strategy, and where its answer goes.
    Command(String, StrategyCommand, Reply),
    /// Keeps the reels to a budget from now on.
    Retention(RetentionTimer),
    /// Ends the thread.
    Stop,
}
