//! Toolchains of guest languages: creates a new crate from a template, builds it, and watches its sources.
//!
//! It must never see a host: it produces a file in a plugins folder, which the host's watcher picks up like any other.
//!
//! There is one folder per language; start reading at [`rust`].
#![forbid(unsafe_code)]

pub mod rust;
pub mod scaffold;
pub mod watch;
