//! One binary over the whole crate: what is written is read back, whatever happens to the process, the file or the disk.
//!
//! What is expected comes from [`independent`], a reader written from the description of the format alone.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod child;
mod damage;
mod faults;
mod fixture;
mod full;
mod independent;
mod kill;
mod order;
mod property;
mod qualification;
mod records;
mod replacing;
#[path = "../support/mod.rs"]
mod support;
