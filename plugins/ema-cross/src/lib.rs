//! An example strategy: ema-cross.
