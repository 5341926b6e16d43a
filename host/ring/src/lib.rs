//! A ring buffer of many producers, one global sequence and consumers that come and go.

mod consumer;
mod error;
mod gates;
mod producer;
mod ring;
mod shared;
mod slots;
mod sync;
mod wait;

#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::{Consumer, MAX_PINNED, Read, SlowPolicy, Wake};
pub use error::RingError;
pub use gates::MAX_CONSUMERS;
pub use producer::Producer;
pub use ring::{Config, MAX_CAPACITY, Ring, ring};
pub use wait::{PARK_LIMIT, Wait};
