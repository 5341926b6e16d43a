//! The engine: ports, kernel, workers, middlewares, risk and routing. It reads no clock and does no I/O.
//!
//! [`Engine::run`] is the kernel; start reading there. Venues and strategies come in through the traits of [`port`].
#![forbid(unsafe_code)]

mod action_ring;
mod allowance;
mod config;
mod control;
mod crew;
mod dispatch;
mod engine;
mod market;
pub mod middleware;
mod orders;
pub mod port;
mod report;
mod risk;
mod router;
mod shard;
mod status;
mod timers;

pub use config::{EngineConfig, InstrumentLimits, Limits, MiddlewareConfig, OrderRate, RiskConfig};
pub use control::{Controls, Mode, Order};
pub use crew::CrewError;
pub use engine::{Engine, EngineError};
pub use report::{
    Ending, InstrumentStatus, Notice, Observer, Report, STATUS_INTERVAL_NS, Status, StrategyResult,
    StrategyState, StrategyStatus, WorkingOrder,
};
pub use tickdeck_ring::Wait;
