//! Recorded runs: replayed as they were ([`prepare_replay`]), resumed where they were interrupted (`resume`), and played
//! with another module ([`prepare_what_if`]).

mod authority;
mod command_clock;
mod prepare;
mod recorded_venue;
mod recorded_versions;
mod replay_clock;
pub(crate) mod resume;
mod resumed_strategies;
mod what_if;

pub use crate::replay::prepare::{PreparedReplay, ReplayScope, prepare_replay, settings};
pub use crate::replay::recorded_versions::RecordedVersions;
pub use crate::replay::what_if::{DecidedActions, WhatIf, prepare_what_if};
