//! Exchanges of our own: [`Exchange`], a whole simulated market, and [`ScriptedVenue`], a tiny one that follows a script.
//!
//! [`Exchange`] is three parts: [`matching`], a real order book; [`flow`], the seeded orders of everyone else; and the
//! crate's desk, which keeps our account. Ours and the others' orders meet in the same book, so our orders have a queue
//! position and a market impact. Everything happens in event time and follows from the configuration, its seed and the
//! commands sent.

mod config;
mod exchange;
pub mod flow;
mod market_data;
pub mod matching;
mod rng;
mod script;

pub use config::{
    DEFAULT_START, MAX_EVENTS_PER_SECOND, MAX_INSTRUMENTS, OpeningBalance, SimConfig, SimInstrument,
};
pub use exchange::Exchange;
pub use script::{Beat, Script, ScriptedInstrument, ScriptedTick, ScriptedVenue};
