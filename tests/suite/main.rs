//! Tests of the whole: real plugins built to WebAssembly, in the real engine, on the real venues.

#![allow(clippy::unwrap_used, reason = "tests")]

mod architecture;
mod command_line;
mod deck;
mod dev;
mod folder;
mod golden;
mod guests;
mod hosted;
mod hostile;
mod invariance;
mod journal;
mod native;
mod operators;
mod reels;
mod stale;
mod swap;
mod upgrades;
