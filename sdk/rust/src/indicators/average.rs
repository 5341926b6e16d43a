//! Moving averages.

use serde::{Deserialize, Serialize};

/// The longest period an indicator that keeps its inputs may have.
pub const MAX_PERIOD: u32 = 100_000;

/// Simple moving average of the last `period` values.
///
/// The mean of the window, summed anew at each wrap of the window so that rounding errors do not add up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sma {
    window: Window,
}

impl Sma {
    /// An average over `period` values.
    ///
    /// # Panics
    /// `period` is 0 or above [`MAX_PERIOD`].
    pub fn new(period: u32) -> Self {
        Self { window: Window::new(period) }
    }

    /// Takes a value; returns the average once there were `period` of them.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        self.window.push(value);
        self.value()
    }

    /// The average, once there were `period` values.
    pub fn value(&self) -> Option<f64> {
        self.window.is_full().then(|| self.window.mean())
    }
}

/// Exponential moving average: `value += 2 / (period + 1) * (input - value)`.
///
/// It starts, as TA-Lib's `EMA` and StockCharts' ChartSchool ("Moving Averages - Simple and Exponential") do, from
/// the simple average of the first `period` values.
///
/// ```
/// use tickdeck_sdk::indicators::Ema;
///
/// let mut ema = Ema::new(3);
/// assert_eq!((ema.update(1.0), ema.update(2.0)), (None, None));
/// assert_eq!(ema.update(3.0), Some(2.0));
/// assert_eq!(ema.update(4.0), Some(3.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ema {
    period: u32,
    /// Values seen, up to `period`.
    seen: u32,
    /// The mean so far, then the average.
    value: f64,
    weight: f64,
}

impl Ema {
    /// An average that weighs a new value with `2 / (period + 1)`.
    ///
    /// # Panics
    /// `period` is 0.
    pub fn new(period: u32) -> Self {
        assert!(period > 0, "a period is at least 1");
        Self { period, seen: 0, value: 0.0, weight: 2.0 / (f64::from(period) + 1.0) }
    }

    /// Takes a value; returns the average once there were `period` of them.
    #[inline]
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if self.seen == self.period {
            self.value += self.weight * (value - self.value);
            return Some(self.value);
        }
        self.seen += 1;
        self.value += (value - self.value) / f64::from(self.seen);
        self.value()
    }

    /// The average, once there were `period` values.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        (self.seen == self.period).then_some(self.value)
    }

    /// The period.
    pub const fn period(&self) -> u32 {
        self.period
    }
}

/// The last `period` values and their sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    period: u32,
    values: Vec<f64>,
    /// Where the oldest value lies, once the window is full.
    oldest: u32,
    sum: f64,
}

impl Window {
    pub(super) fn new(period: u32) -> Self {
        assert!((1..=MAX_PERIOD).contains(&period), "a period is 1 to {MAX_PERIOD}");
        Self { period, values: Vec::with_capacity(period as usize), oldest: 0, sum: 0.0 }
    }

    pub(super) fn push(&mut self, value: f64) {
        if !self.is_full() {
            self.values.push(value);
            self.sum += value;
            return;
        }
        let left = core::mem::replace(&mut self.values[self.oldest as usize], value);
        self.oldest = (self.oldest + 1) % self.period;
        self.sum = if self.oldest == 0 { self.values.iter().sum() } else { self.sum + value - left };
    }

    pub(super) const fn is_full(&self) -> bool {
        self.values.len() == self.period as usize
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.period)
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }
}
