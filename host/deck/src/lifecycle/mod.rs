//! Starts, swaps and removes strategies of a running deck: turns a changed file in the plugins folder, or an operator's
//! command, into a change of the engine.
//!
//! One thread, the manager's, does everything that takes time: it verifies, compiles, decides on permissions, and tries a
//! new version on the strategy's last events. Only then does it request the handover, which takes microseconds. Whoever
//! requested a change, the engine reports it once, and the manager applies it in one place, `changes`.

mod changes;
mod commands;
mod compiled;
mod history;
mod history_entries;
mod managed;
mod manager;
mod message;
mod new_names;
mod pending;
mod retention_timer;
mod setup;
mod thread;

pub use crate::lifecycle::history::{
    Generation, RecordedPermission, StrategyHistory, StrategyRecord,
};
pub use crate::lifecycle::history_entries::{first_generation, waits};
pub use crate::lifecycle::message::StrategyCommand;
pub(crate) use crate::lifecycle::setup::quarantined;
pub use crate::lifecycle::setup::{EndedStrategy, ManagerSetup, SaveNames};
pub use crate::lifecycle::thread::{ManagerHandle, StrategyManager};
pub use tickdeck_settings::config::ParameterValue;
