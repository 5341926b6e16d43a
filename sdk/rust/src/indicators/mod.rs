//! Technical indicators, updated one value at a time, in constant memory, and part of a strategy's saved state.
//!
//! All take and give `f64`: feed them price units or decimals, as long as it is always the same. Each names the
//! source of its formula, for charts differ in how they start an average.

mod average;
mod spread;
mod wilder;

pub use average::{Ema, MAX_PERIOD, Sma, Vwap};
pub use spread::{Bands, Bollinger, MovingStats};
pub use wilder::{Atr, Rsi};
