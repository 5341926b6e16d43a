//! Toolchains of guest languages: a new crate from its template, a build, the sources watched for a change.
//!
//! One folder a language; start reading at [`rust`]. It must never see a host: what it makes is a file in a plugins
//! folder, and from there a module takes the way of every module.
#![forbid(unsafe_code)]

pub mod rust;
pub mod scaffold;
pub mod watch;
