//! The tickdeck command: demo, dev, run, new, build, sign, check, data check, doctor, bench.
//!
//! This crate sees everything and holds no trading logic. [`cli`] is the way in, one file a subcommand; `demo` and `run`
//! read settings ([`config`]), put a deck together ([`wiring`]) and run it while someone watches ([`session`]).
#![forbid(unsafe_code)]

pub mod cli;
pub mod dev;
pub mod display;
pub mod output;
