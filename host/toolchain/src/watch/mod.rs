//! Watches the sources of a crate and decides when to build them.

pub mod debounce;
pub mod sources;
