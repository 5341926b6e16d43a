//! The tickdeck command: demo, dev, run, new, build, sign, check, data check, doctor, bench.
//!
//! This crate sees everything and holds no trading logic. [`cli`] is the way in, one file a subcommand; `demo` and `run`
//! read settings ([`config`]), put a deck together ([`wiring`]) and run it while someone watches ([`session`]).
#![forbid(unsafe_code)]

pub mod affinity;
pub mod board;
pub mod builder;
pub mod casting;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decisions;
pub mod deck;
pub mod dev;
pub mod figures;
mod going_on;
pub mod grants;
pub mod limits;
pub mod lookup;
pub mod names;
pub mod operator;
pub mod output;
pub mod permissions;
pub mod plain;
pub mod reel;
pub mod scaffold;
pub mod sealed;
pub mod session;
pub mod signature;
pub mod stage;
pub mod table;
pub mod tables;
pub mod tale;
pub mod venue;
pub mod view;
pub mod wire;
pub mod wiring;
