//! The engine: ports, kernel, workers, middlewares, risk and routing. It reads no clock and does no I/O.
//!
//! [`Engine::run`] is the kernel; start reading there. Venues and strategies come in through the traits of [`port`].
#![forbid(unsafe_code)]

mod action_ring;
mod allowance;
mod beside;
mod build;
mod catch_up;
mod changes;
mod checks;
mod config;
mod control;
mod crew;
mod desk;
mod dispatch;
mod engine;
mod fault;
mod forced;
mod free;
mod guided;
mod handover;
mod judge;
mod market;
pub mod middleware;
mod orders;
mod party;
pub mod port;
mod record;
mod rehearsal;
mod replay;
mod report;
mod risk;
mod router;
mod shard;
mod slot;
mod status;
mod timers;

pub use checks::Checks;
pub use config::{
    EngineConfig, InstrumentLimits, MiddlewareConfig, OrderLimits, OrderRate, RiskConfig, Stepping,
};
pub use control::{ChangeResult, EngineHandle, Mode, OperatorCommand, StrategyChange, Swapped};
pub use crew::WorkerError;
pub use engine::{Engine, EngineError};
pub use guided::{Divergence, Finding, Replayed, Resumed, Standing, Tape, TapeError};
pub use handover::StateSource;
pub use record::{
    AppliedAction, Effect, RecordError, RecordedChange, Recorder, SentKind, StrategyOutcome,
};
pub use rehearsal::DryRun;
pub use report::{
    Ending, InstrumentStatus, Notice, NullObserver, Observer, Report, STATUS_INTERVAL_NS,
    ShadowStatus, Status, StrategyResult, StrategyState, StrategyStatus, VersionChange,
    WorkingOrder,
};
pub use slot::{ShadowDifference, TIME_BUCKETS};
pub use tickdeck_ring::Wait;
