//! An example strategy: signal-follower.
