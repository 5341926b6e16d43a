//! Technical indicators that are updated one value at a time, use constant memory, and can be part of a strategy's saved
//! state.
//!
//! All of them take and return `f64`: feed them price units or decimals, but do not mix the two. Each names the source of
//! its formula, because charts differ in how they start an average.

mod average;
mod spread;
mod wilder;

pub use average::{Ema, MAX_PERIOD, Sma, Vwap};
pub use spread::{Bands, Bollinger, MovingStats};
pub use wilder::{Atr, Rsi};
