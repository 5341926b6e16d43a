//! The spread of values around their mean.

use super::average::Window;
use serde::{Deserialize, Serialize};

/// Bollinger bands: a simple average, and `width` standard deviations above and below it.
///
/// The deviation is that of the population (divided by the period), as in StockCharts' ChartSchool ("Bollinger Bands")
/// and TA-Lib's `BBANDS`; Bollinger's own setting is a period of 20 and a width of 2. An update takes
/// `period` steps, so that rounding errors do not accumulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bollinger {
    window: Window,
    width: f64,
}

/// The three lines of [`Bollinger`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bands {
    /// The average plus `width` deviations.
    pub upper: f64,
    /// The average.
    pub middle: f64,
    /// The average minus `width` deviations.
    pub lower: f64,
}

impl Bollinger {
    /// Creates bands of `width` deviations over `period` values.
    ///
    /// # Panics
    /// `period` is 0 or above [`MAX_PERIOD`](super::MAX_PERIOD).
    pub fn new(period: u32, width: f64) -> Self {
        Self {
            window: Window::new(period),
            width,
        }
    }

    /// Adds a value; returns the bands once `period` values were added.
    pub fn update(&mut self, value: f64) -> Option<Bands> {
        self.window.push(value);
        self.value()
    }

    /// Returns the bands, once `period` values were added.
    pub fn value(&self) -> Option<Bands> {
        if !self.window.is_full() {
            return None;
        }
        let middle = self.window.mean();
        let squares: f64 = self
            .window
            .values()
            .iter()
            .map(|value| (value - middle) * (value - middle))
            .sum();
        let reach = self.width * (squares / self.window.values().len() as f64).sqrt();
        Some(Bands {
            upper: middle + reach,
            middle,
            lower: middle - reach,
        })
    }
}

/// Exponentially weighted mean and variance, in constant time and memory.
///
/// T. Finch, "Incremental calculation of weighted mean and variance" (2009), section 9, with the weight
/// `2 / (period + 1)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovingStats {
    period: u32,
    seen: u32,
    weight: f64,
    mean: f64,
    variance: f64,
}

impl MovingStats {
    /// Creates statistics that give a new value the weight `2 / (period + 1)`.
    ///
    /// # Panics
    /// `period` is 0.
    pub fn new(period: u32) -> Self {
        assert!(period > 0, "a period is at least 1");
        Self {
            period,
            seen: 0,
            weight: 2.0 / (f64::from(period) + 1.0),
            mean: 0.0,
            variance: 0.0,
        }
    }

    /// Adds a value.
    pub fn update(&mut self, value: f64) {
        if self.seen == 0 {
            self.mean = value;
        }
        self.seen = self.seen.saturating_add(1);
        let difference = value - self.mean;
        let step = self.weight * difference;
        self.mean += step;
        self.variance = (1.0 - self.weight) * (self.variance + difference * step);
    }

    /// Returns the mean.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns the variance.
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    /// Returns the period.
    pub const fn period(&self) -> u32 {
        self.period
    }

    /// Returns the distance of `value` from the mean in standard deviations; `None` before `period` values were added,
    /// or while all of them were equal.
    pub fn z_score(&self, value: f64) -> Option<f64> {
        let known = self.seen >= self.period && self.variance > 0.0;
        known.then(|| (value - self.mean) / self.variance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_those_of_the_population() {
        // 2, 4, 4, 4, 5, 5, 7, 9 has mean 5 and population deviation 2.
        let mut bands = Bollinger::new(8, 2.0);
        for value in [100.0, 2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0] {
            bands.update(value);
        }
        assert_eq!(
            bands.update(9.0),
            Some(Bands {
                upper: 9.0,
                middle: 5.0,
                lower: 1.0
            })
        );
    }

    #[test]
    fn moving_statistics_are_the_weighted_sums() {
        let values = [3.0, 5.0, 4.0, 8.0, 1.0];
        let mut stats = MovingStats::new(3);
        values.iter().for_each(|value| stats.update(*value));
        // Weight 1/2: the first value counts 1/16, then 1/16, 1/8, 1/4, 1/2.
        let weights = [0.0625, 0.0625, 0.125, 0.25, 0.5];
        let mean: f64 = values
            .iter()
            .zip(weights)
            .map(|(value, weight)| value * weight)
            .sum();
        let variance: f64 = values
            .iter()
            .zip(weights)
            .map(|(value, weight)| weight * (value - mean).powi(2))
            .sum();
        assert!((stats.mean() - mean).abs() < 1e-12);
        assert!((stats.variance() - variance).abs() < 1e-12);
        assert_eq!(stats.z_score(mean), Some(0.0));
    }
}
