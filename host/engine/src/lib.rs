//! The engine: ports, kernel, shards, middlewares, risk and routing. It reads no clock and does no I/O.

pub mod port;
