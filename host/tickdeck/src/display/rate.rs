//! The event rate over the last second or so.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_millis(1_500);
/// Maximum number of samples kept.
const MAX_LOOKS: usize = 64;

/// A counter's rate over a sliding window.
#[derive(Debug, Default)]
pub struct Rate {
    looks: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Adds a sample of the counter and returns the rate per second.
    pub fn look(&mut self, now: Instant, count: u64) -> f64 {
        self.looks.push_back((now, count));
        while self.looks.len() > MAX_LOOKS
            || self
                .looks
                .get(1)
                .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.looks.pop_front();
        }
        let Some((first_at, first)) = self.looks.front() else {
            return 0.0;
        };
        let seconds = now.saturating_duration_since(*first_at).as_secs_f64();
        if seconds > 0.0 {
            count.saturating_sub(*first) as f64 / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_looks_back_no_further_than_its_window() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert_eq!(rate.look(start, 0), 0.0);
        for tenth in 1..=50 {
            rate.look(start + Duration::from_millis(100 * tenth), 100 * tenth);
        }
        let paused = rate.look(start + Duration::from_secs(5) + WINDOW, 5_000);
        assert!(paused < 1.0, "{paused}");
        let resumed = rate.look(start + Duration::from_secs(7), 6_000);
        assert!((resumed - 500.0).abs() < 1.0, "{resumed}");
    }
}
