//! The settings of a deck and of its plugins, what strategies may do, and whose signatures count.
//!
//! Everything here reads text that a person wrote (TOML, grants, keys) and answers with a checked value or with one
//! sentence that names the key, the line and the fix. Start reading at [`config`], then [`permissions`].
//!
//! It must never see the strategy host (what a module asks for comes in as plain values) nor a gateway (a venue's
//! settings are values; `tickdeck-deck` makes the venue).
#![forbid(unsafe_code)]

pub mod config;
pub mod grants;
pub mod permissions;
pub mod public_key;
pub mod resolver;
pub mod risk_limits;
pub mod run_difference;
pub mod signature;
