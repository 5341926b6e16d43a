//! A running deck: assembles it from its settings, its plugins folder and its data folder, swaps its strategies while it
//! trades, answers operators, and replays recorded runs.
//!
//! Start reading at [`start`], then [`assemble`], [`lifecycle`] (a changed file becomes a swapped instance) and
//! [`replay`].
//!
//! It must never see a terminal, a command line or cargo: displays read the [`feed`], operators ask the [`operator`].
#![forbid(unsafe_code)]

pub mod affinity;
pub mod assemble;
mod attempt;
mod call_marks;
mod change_cause;
pub mod clock;
mod compile_queue;
pub mod compiling;
pub mod data_monitors;
pub mod feed;
pub mod folder;
pub mod lifecycle;
pub mod loading;
mod machine_memory;
mod open_venues;
pub mod operator;
pub mod private_process;
pub mod read_model;
pub mod replay;
pub mod request;
pub mod safety;
mod start;
mod start_compiling;
pub mod venues;

pub use crate::start::{RunningDeck, start};
