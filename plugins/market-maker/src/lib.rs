//! An example strategy: market-maker.
