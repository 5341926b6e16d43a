//! Random numbers from a seed that a failed test prints.

use std::time::{SystemTime, UNIX_EPOCH};

/// A sequence of random numbers (xorshift64).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Starts at a seed.
    pub(crate) fn from(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Returns the next number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % u64::from(end)) as u32
    }
}

/// Returns `TICKDECK_SEED`, or a seed from the time, and prints it so that a failure can be reproduced.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("TICKDECK_SEED") {
        Ok(seed) => seed.parse().expect("TICKDECK_SEED is a number"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64),
    };
    println!("TICKDECK_SEED={seed}");
    seed
}
