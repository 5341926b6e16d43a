//! Moving averages.

use serde::{Deserialize, Serialize};

/// The longest period of an indicator that keeps its inputs.
pub const MAX_PERIOD: u32 = 100_000;

/// Simple moving average of the last `period` values.
///
/// The sum is recomputed each time the window wraps, so that rounding errors do not accumulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sma {
    window: Window,
}

impl Sma {
    /// Creates an average over `period` values.
    ///
    /// # Panics
    /// `period` is 0 or above [`MAX_PERIOD`].
    pub fn new(period: u32) -> Self {
        Self {
            window: Window::new(period),
        }
    }

    /// Adds a value; returns the average once `period` values were added.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        self.window.push(value);
        self.value()
    }

    /// Returns the average, once `period` values were added.
    pub fn value(&self) -> Option<f64> {
        self.window.is_full().then(|| self.window.mean())
    }
}

/// Exponential moving average: `value += 2 / (period + 1) * (input - value)`.
///
/// It starts from the simple average of the first `period` values, as do TA-Lib's `EMA` and StockCharts' ChartSchool
/// ("Moving Averages - Simple and Exponential").
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
    /// The number of values added, up to `period`.
    seen: u32,
    /// The mean of the values so far, then the average.
    value: f64,
    weight: f64,
}

impl Ema {
    /// Creates an average that gives a new value the weight `2 / (period + 1)`.
    ///
    /// # Panics
    /// `period` is 0.
    pub fn new(period: u32) -> Self {
        assert!(period > 0, "a period is at least 1");
        Self {
            period,
            seen: 0,
            value: 0.0,
            weight: 2.0 / (f64::from(period) + 1.0),
        }
    }

    /// Adds a value; returns the average once `period` values were added.
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

    /// Returns the average, once `period` values were added.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        (self.seen == self.period).then_some(self.value)
    }

    /// Returns the period.
    pub const fn period(&self) -> u32 {
        self.period
    }
}

/// Volume-weighted average price since the start or the last [`reset`](Self::reset): the sum of price times size
/// divided by the sum of sizes (StockCharts' ChartSchool, "Volume-Weighted Average Price").
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vwap {
    value: f64,
    volume: f64,
}

impl Vwap {
    /// Creates an average without volume.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a trade; returns the average once there was volume.
    pub fn update(&mut self, price: f64, size: f64) -> Option<f64> {
        self.volume += size;
        if self.volume > 0.0 {
            // Moves the mean instead of growing two sums, so that no digits are lost in a long session.
            self.value += (price - self.value) * (size / self.volume);
        }
        self.value()
    }

    /// Returns the average, once there was volume.
    pub fn value(&self) -> Option<f64> {
        (self.volume > 0.0).then_some(self.value)
    }

    /// Resets to the initial state, as at the start of a session.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}

/// The last `period` values and their sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    period: u32,
    values: Vec<f64>,
    /// The index of the oldest value, once the window is full.
    oldest: u32,
    sum: f64,
}

impl Window {
    pub(super) fn new(period: u32) -> Self {
        assert!(
            (1..=MAX_PERIOD).contains(&period),
            "a period is 1 to {MAX_PERIOD}"
        );
        Self {
            period,
            values: Vec::with_capacity(period as usize),
            oldest: 0,
            sum: 0.0,
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        if !self.is_full() {
            self.values.push(value);
            self.sum += value;
            return;
        }
        let left = core::mem::replace(&mut self.values[self.oldest as usize], value);
        self.oldest = (self.oldest + 1) % self.period;
        self.sum = if self.oldest == 0 {
            self.values.iter().sum()
        } else {
            self.sum + value - left
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ema_matches_chartschools_example() {
        let closes = [
            22.27, 22.19, 22.08, 22.17, 22.18, 22.13, 22.23, 22.43, 22.24, 22.29, 22.15, 22.39,
            22.38, 22.61, 23.36, 24.05, 23.75, 23.83, 23.95, 23.63,
        ];
        let mut ema = Ema::new(10);
        let values: Vec<_> = closes
            .iter()
            .filter_map(|close| ema.update(*close))
            .collect();
        let expected = [
            22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97, 23.13, 23.28, 23.34,
        ];
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!(
                (value - expected).abs() < 0.0051,
                "{value} is not {expected}"
            );
        }
    }

    #[test]
    fn sma_is_the_mean_of_the_window_however_long_it_runs() {
        let mut sma = Sma::new(3);
        let values = [11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0].map(|value| sma.update(value));
        assert_eq!(
            values,
            [
                None,
                None,
                Some(12.0),
                Some(13.0),
                Some(14.0),
                Some(15.0),
                Some(16.0)
            ]
        );
        sma.update(1e16);
        for value in [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] {
            sma.update(value);
        }
        assert_eq!(
            sma.value(),
            Some(5.0),
            "what a huge value did to the sum is gone with it"
        );
    }

    #[test]
    fn vwap_weighs_by_size() {
        let mut vwap = Vwap::new();
        assert_eq!(vwap.update(10.0, 0.0), None);
        assert_eq!(vwap.update(10.0, 1.0), Some(10.0));
        assert_eq!(vwap.update(20.0, 3.0), Some(17.5));
        vwap.reset();
        assert_eq!(vwap.value(), None);
    }
}
