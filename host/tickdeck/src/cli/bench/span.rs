//! The time budget of a measurement.

use std::time::{Duration, Instant};
use tickdeck_engine::CancelToken;

/// Minimum number of rounds, however short the time.
const FEWEST: usize = 3;

/// The time available to one measurement.
pub(super) struct Span {
    time: Duration,
    end: Instant,
    stop: CancelToken,
}

impl Span {
    /// Starts the clock.
    pub(super) fn start(time: Duration, stop: &CancelToken) -> Self {
        Self {
            time,
            end: Instant::now() + time,
            stop: stop.clone(),
        }
    }

    /// Returns the total time.
    pub(super) const fn time(&self) -> Duration {
        self.time
    }

    /// Returns whether the measurement was interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stop.asked()
    }

    /// Measures rounds until the time is up or the measurement is interrupted; each round yields a value for each of `N`
    /// figures. The first round is a warm-up and does not count.
    pub(super) fn rounds<const N: usize>(
        &self,
        mut round: impl FnMut() -> anyhow::Result<[f64; N]>,
    ) -> anyhow::Result<[Vec<f64>; N]> {
        round()?;
        let mut values = [const { Vec::new() }; N];
        while !self.is_interrupted() && (values[0].len() < FEWEST || Instant::now() < self.end) {
            for (values, value) in values.iter_mut().zip(round()?) {
                values.push(value);
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_rounds_are_measured_however_short_the_time_and_the_first_does_not_count() {
        let span = Span::start(Duration::ZERO, &CancelToken::default());
        let mut count = 0.0;
        let rounds = span.rounds(|| {
            count += 1.0;
            Ok([count, -count])
        });
        assert_eq!(
            rounds.unwrap(),
            [vec![2.0, 3.0, 4.0], vec![-2.0, -3.0, -4.0]]
        );
    }

    #[test]
    fn an_interrupt_ends_it() {
        let stop = CancelToken::default();
        let span = Span::start(Duration::from_secs(3_600), &stop);
        let rounds = span.rounds(|| {
            stop.ask();
            Ok([1.0])
        });
        assert_eq!(rounds.unwrap(), [Vec::<f64>::new()]);
    }
}
