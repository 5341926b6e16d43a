//! Settings of a deck and of its plugins, permissions of strategies, and signatures of modules.
//!
//! This crate reads texts that people write (TOML, grants, keys). It returns checked values, or errors that name the key,
//! the line and the fix. It must never see the strategy host (the requests of a module are plain values here) nor a
//! gateway (settings of a venue are plain values; `tickdeck-deck` opens the venue).
//!
//! Start reading at [`config`], then `permissions/table.rs`, then [`operator_rules`].
#![forbid(unsafe_code)]

pub mod config;
pub mod grants;
pub mod operator_rules;
pub mod permissions;
pub mod public_key;
mod reader;
pub mod resolver;
pub mod risk_limits;
pub mod run_difference;
pub mod signature;
