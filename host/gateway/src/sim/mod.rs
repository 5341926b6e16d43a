//! A simulated exchange, [`Exchange`]: a whole market in one process.
//!
//! It has three parts: [`matching`], a real order book; [`flow`], the seeded orders of all other participants; and the
//! [`broker`](crate::broker), which keeps our account. All orders meet in the same book, so ours have a queue position
//! and a market impact. Everything happens in event time and follows from the configuration, its seed and the
//! commands sent.

mod config;
mod exchange;
pub mod flow;
mod market_data;
pub mod matching;
mod rng;

pub use config::{
    DEFAULT_START, MAX_EVENTS_PER_SECOND, MAX_INSTRUMENTS, OpeningBalance, SimConfig, SimInstrument,
};
pub use exchange::Exchange;
