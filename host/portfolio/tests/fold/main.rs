//! The fold as its users see it: golden numbers, order lifecycles, and properties of random streams.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;
mod golden;
mod lifecycle;
mod properties;
mod refusals;
