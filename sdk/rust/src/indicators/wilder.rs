//! Indicators of J. Welles Wilder, "New Concepts in Technical Trading Systems" (1978). His averages give a new value the
//! weight `1 / period` and start from the simple mean of the first `period` values.

use serde::{Deserialize, Serialize};

/// Wilder's average.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Smoothed {
    period: u32,
    seen: u32,
    mean: f64,
}

impl Smoothed {
    fn new(period: u32) -> Self {
        assert!(period > 0, "a period is at least 1");
        Self {
            period,
            seen: 0,
            mean: 0.0,
        }
    }

    fn update(&mut self, value: f64) {
        self.seen += u32::from(self.seen < self.period);
        self.mean += (value - self.mean) / f64::from(self.seen);
    }

    const fn is_ready(&self) -> bool {
        self.seen == self.period
    }
}

/// Relative strength index, 0 to 100: mean gain over mean gain plus mean loss (Wilder 1978; StockCharts'
/// ChartSchool, "Relative Strength Index"; TA-Lib's `RSI`).
///
/// The index is 50 if the values did not change at all, where the formula is undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rsi {
    last: Option<f64>,
    gain: Smoothed,
    loss: Smoothed,
}

impl Rsi {
    /// Creates an index over `period` changes; Wilder used 14.
    ///
    /// # Panics
    /// `period` is 0.
    pub fn new(period: u32) -> Self {
        Self {
            last: None,
            gain: Smoothed::new(period),
            loss: Smoothed::new(period),
        }
    }

    /// Adds a value; returns the index once there were `period` changes.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if let Some(last) = self.last {
            self.gain.update((value - last).max(0.0));
            self.loss.update((last - value).max(0.0));
        }
        self.last = Some(value);
        self.value()
    }

    /// Returns the index, once there were `period` changes.
    pub fn value(&self) -> Option<f64> {
        let sum = self.gain.mean + self.loss.mean;
        self.gain.is_ready().then(|| {
            if sum > 0.0 {
                100.0 * self.gain.mean / sum
            } else {
                50.0
            }
        })
    }
}

/// Average true range (Wilder 1978). As in StockCharts' ChartSchool ("Average True Range"), the first bar's range is
/// high minus low and counts; TA-Lib's `ATR` omits it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Atr {
    last_close: Option<f64>,
    range: Smoothed,
}

impl Atr {
    /// Creates an average over `period` bars; Wilder used 14.
    ///
    /// # Panics
    /// `period` is 0.
    pub fn new(period: u32) -> Self {
        Self {
            last_close: None,
            range: Smoothed::new(period),
        }
    }

    /// Adds a bar; returns the average once `period` bars were added.
    pub fn update(&mut self, high: f64, low: f64, close: f64) -> Option<f64> {
        let before = self.last_close.replace(close);
        self.range
            .update(before.map_or(high - low, |before| high.max(before) - low.min(before)));
        self.value()
    }

    /// Returns the average, once `period` bars were added.
    pub fn value(&self) -> Option<f64> {
        self.range.is_ready().then_some(self.range.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsi_matches_chartschools_example() {
        let closes = [
            44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433,
            46.0826, 45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116,
            46.2222, 45.6439,
        ];
        let mut rsi = Rsi::new(14);
        let values: Vec<_> = closes
            .iter()
            .filter_map(|close| rsi.update(*close))
            .collect();
        let expected = [70.53, 66.32, 66.55, 69.41, 66.36, 57.97];
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!(
                (value - expected).abs() < 0.005,
                "{value} is not {expected}"
            );
        }
    }

    #[test]
    fn rsi_of_an_unchanged_market_is_50() {
        let mut rsi = Rsi::new(2);
        assert_eq!(
            [1.0, 1.0, 1.0].map(|value| rsi.update(value)),
            [None, None, Some(50.0)]
        );
    }

    #[test]
    fn atr_matches_chartschools_example() {
        let bars = [
            (48.70, 47.79, 48.16),
            (48.72, 48.14, 48.61),
            (48.90, 48.39, 48.75),
            (48.87, 48.37, 48.63),
            (48.82, 48.24, 48.74),
            (49.05, 48.64, 49.03),
            (49.20, 48.94, 49.07),
            (49.35, 48.86, 49.32),
            (49.92, 49.50, 49.91),
            (50.19, 49.87, 50.13),
            (50.12, 49.20, 49.53),
            (49.66, 48.90, 49.50),
            (49.88, 49.43, 49.75),
            (50.19, 49.73, 50.03),
            (50.36, 49.26, 50.31),
        ];
        let mut atr = Atr::new(14);
        let values: Vec<_> = bars
            .iter()
            .filter_map(|(high, low, close)| atr.update(*high, *low, *close))
            .collect();
        assert_eq!(values.len(), 2);
        assert!(
            (values[0] - 0.555).abs() < 0.005 && (values[1] - 0.593).abs() < 0.005,
            "{values:?}"
        );
    }
}
