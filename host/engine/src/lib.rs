//! The engine: kernel, workers, router, middleware and risk, between the ports for venues, strategies and time.
//!
//! It never sees a clock, a file, a socket, a random source or an adapter: events go in, commands come out, and the same
//! events give the same commands. Adapters implement the traits of [`port`] and never see each other.
//!
//! Start reading at [`Engine::run`] (`kernel/mod.rs`), then `worker/mod.rs` and `worker/runner.rs` for the path of an event
//! to a strategy, `router/mod.rs` for that of a decision to a venue, `worker/handover.rs` for swaps, and `replay/mod.rs`.
#![forbid(unsafe_code)]

mod batches;
mod cancel;
mod change_origin;
mod command;
mod config;
mod earlier;
mod effect;
mod error;
mod handle;
mod intent;
mod kernel;
pub mod middleware;
pub mod port;
mod quarantine_cause;
mod replay;
mod report;
mod router;
mod waker;
mod worker;

pub use crate::batches::{BatchPlace, BatchSource, OfferedBatches, RecordedBatches};
pub use crate::command::{CommandInForce, OperatorCommand};
pub use crate::effect::{
    AppliedAction, CommandAhead, Effect, RecordError, RecordedChange, Recorder, SentKind,
    StrategyOutcome,
};
pub use crate::error::EngineError;
pub use crate::handle::{ChangeResult, EngineHandle, Haste, Mode, StrategyChange, Swapped};
pub use crate::kernel::Engine;
pub use crate::quarantine_cause::QuarantineCause;
pub use crate::replay::{
    DecisionSource, Divergence, Finding, RecordedDecisions, Replayed, Resumed, Standing, Tape,
    TapeError,
};
pub use crate::router::checks::Checks;
pub use crate::worker::dry_run::DryRun;
pub use crate::worker::handover::StateSource;
pub use crate::worker::pool::WorkerError;
pub use crate::worker::slot::{ShadowDifference, TIME_BUCKETS};
pub use cancel::CancelToken;
pub use change_origin::ChangeOrigin;
pub use config::{
    BudgetConfig, EngineConfig, InstrumentLimits, MiddlewareConfig, OrderLimits, OrderRate,
    Overload, RiskConfig, Stepping,
};
pub use report::{
    Ending, ExitProblem, InstrumentStatus, Notice, NullObserver, Observer, Report,
    STATUS_INTERVAL_NS, ShadowStatus, Status, StrategyResult, StrategyState, StrategyStatus,
    VersionChange, WorkingOrder,
};
pub use tickdeck_ring::Wait;
