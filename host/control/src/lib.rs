//! The local socket that operators speak to a running host through.
//!
//! One connection carries one request and its answer, each a line of JSON ([`protocol`]). The host opens a [`Server`]
//! at [`socket_path`] and answers through a [`Handler`]; the command line asks through a [`Client`]. The socket belongs
//! to one user: it lies in a folder of mode 0700, is itself of mode 0600, and both ends look at the other's user.
//!
//! This crate knows nothing of the engine: what is shown is text, which whoever implements [`Handler`] words.
#![forbid(unsafe_code)]

mod client;
mod error;
mod line;
mod path;
mod peer;
pub mod protocol;
mod server;

pub use client::Client;
pub use error::ControlError;
pub use path::socket_path;
pub use protocol::{Answer, Request};
pub use server::{Handler, Server};
