//! Tests of the whole: real plugins built to WebAssembly, in the real engine, on the real venues.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod advisories;
mod architecture;
mod bindings;
mod command_line;
mod compiling;
mod contract;
mod dev;
mod folder;
mod golden;
mod hostile;
mod hostile_files;
mod invariance;
mod journal;
mod memory;
mod operators;
mod overload;
mod reels;
mod resume;
mod stale;
mod swap;
mod toolchains;
mod untrusted;
mod upgrades;
mod venues;
