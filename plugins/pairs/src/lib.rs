//! An example strategy: pairs.
