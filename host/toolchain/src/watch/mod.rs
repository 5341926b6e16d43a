//! The sources of a crate, looked at until they stand still.

pub mod debounce;
pub mod sources;
