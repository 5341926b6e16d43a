//! The engine: ports, kernel, workers, middlewares, risk and routing. It reads no clock and does no I/O.
//!
//! [`Engine::run`] is the kernel; start reading there. Venues and strategies come in through the traits of [`port`].
#![forbid(unsafe_code)]

mod cancel;
mod config;
mod effect;
mod error;
mod handle;
mod intent;
mod kernel;
pub mod middleware;
pub mod port;
mod replay;
mod report;
mod router;
mod waker;
mod worker;

pub use crate::effect::{
    AppliedAction, Effect, RecordError, RecordedChange, Recorder, SentKind, StrategyOutcome,
};
pub use crate::error::EngineError;
pub use crate::handle::{
    ChangeOrigin, ChangeResult, EngineHandle, Mode, OperatorCommand, StrategyChange, Swapped,
};
pub use crate::kernel::Engine;
pub use crate::replay::{Divergence, Finding, Replayed, Resumed, Standing, Tape, TapeError};
pub use crate::router::checks::Checks;
pub use crate::worker::dry_run::DryRun;
pub use crate::worker::handover::StateSource;
pub use crate::worker::pool::WorkerError;
pub use crate::worker::slot::{ShadowDifference, TIME_BUCKETS};
pub use cancel::CancelToken;
pub use config::{
    EngineConfig, InstrumentLimits, MiddlewareConfig, OrderLimits, OrderRate, RiskConfig, Stepping,
};
pub use report::{
    Ending, InstrumentStatus, Notice, NullObserver, Observer, Report, STATUS_INTERVAL_NS,
    ShadowStatus, Status, StrategyResult, StrategyState, StrategyStatus, VersionChange,
    WorkingOrder,
};
pub use tickdeck_ring::Wait;
