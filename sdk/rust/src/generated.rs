//! Bindings that wit-bindgen generates from `wit/`: the imports, and the exports of `lifecycle`. The hot function is
//! skipped: [`raw`](crate::raw) exports it by hand, so that a batch is read in place.
//!
//! The suite's test `bindings` holds the files against the contract, and renews them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    reason = "generated code"
)]

#[cfg(not(feature = "bytes"))]
include!("generated/strategy.rs");

#[cfg(feature = "bytes")]
include!("generated/strategy_bytes.rs");
