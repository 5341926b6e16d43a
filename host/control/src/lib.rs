//! The local socket through which operators inspect and control a running host.
//!
//! It must never see the engine or any other crate of ours: everything in the messages is text and numbers.
//!
//! Start reading at [`protocol`], which defines the messages and the read model of a host. One connection carries one
//! request and its answer, each a line of JSON, and the facts that follow the answer to a kill. The host opens a [`Server`] at [`socket_path`] and answers through a
//! [`Handler`]; the command line asks through a [`Client`]. The socket belongs to one user: its folder has mode 0700, the
//! socket mode 0600, and both ends check the other's user.
#![forbid(unsafe_code)]

mod client;
mod error;
mod line;
mod path;
mod peer;
pub mod protocol;
mod server;
mod shorten;

pub use client::Client;
pub use error::ControlError;
pub use path::socket_path;
pub use protocol::{Answer, Request};
pub use server::{Handler, Server};
