//! Wall time for the engine.

use std::time::{Duration, Instant};
use tickdeck_engine::CancelToken;
use tickdeck_engine::port::Clock;
use tickdeck_model::Timestamp;

/// The longest that a clock sleeps before operators are served.
const STEP: Duration = Duration::from_millis(2);

/// The speed of event time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// This many seconds of event time per second of wall time.
    Times(f64),
    /// As fast as the machine can.
    FlatOut,
}

impl Pace {
    /// The speed of the market.
    pub const REAL: Self = Self::Times(1.0);
    /// One minute per second.
    pub const FAST: Self = Self::Times(60.0);

    /// Whether event time advances no faster than the clock.
    pub(crate) fn is_real_time(self) -> bool {
        matches!(self, Self::Times(factor) if factor <= 1.0)
    }

    /// Returns a clock that plays at this pace until `stop` is set.
    pub fn clock(self, stop: CancelToken) -> Box<dyn Clock> {
        match self {
            Self::Times(factor) => Box::new(RealClock {
                factor,
                stop,
                start: None,
                epoch: Instant::now(),
            }),
            Self::FlatOut => Box::new(FlatOut {
                epoch: Instant::now(),
            }),
        }
    }
}

impl std::str::FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "real" => Ok(Self::REAL),
            "fast" => Ok(Self::FAST),
            "max" => Ok(Self::FlatOut),
            _ => match text.trim_end_matches('x').parse::<f64>() {
                Ok(factor) if (0.001..=1e6).contains(&factor) => Ok(Self::Times(factor)),
                _ => Err("it must be real, fast (a minute in a second), max, or a factor from 0.001 to 1000000".to_owned()),
            },
        }
    }
}

/// Plays event time at a steady factor of wall time, starting with the first event.
struct RealClock {
    factor: f64,
    stop: CancelToken,
    start: Option<(Instant, Timestamp)>,
    epoch: Instant,
}

impl Clock for RealClock {
    fn wait_until(&mut self, due: Timestamp) {
        while !self.wait_a_while(due) {}
    }

    fn wait_a_while(&mut self, due: Timestamp) -> bool {
        let (wall, event) = *self.start.get_or_insert_with(|| (Instant::now(), due));
        let after_s = due.saturating_sub(event).max(0) as f64 / 1e9 / self.factor;
        // A due time that a duration cannot hold is never reached: wait for the stop.
        let target = Duration::try_from_secs_f64(after_s)
            .ok()
            .and_then(|after| wall.checked_add(after));
        let left = || {
            target.map_or(STEP, |target| {
                target.saturating_duration_since(Instant::now())
            })
        };
        let is_over = |left: Duration| left.is_zero() || self.stop.asked();
        let before = left();
        if is_over(before) {
            return true;
        }
        std::thread::sleep(before.min(STEP));
        is_over(left())
    }

    fn paces(&self) -> bool {
        true
    }

    fn reached(&self) -> Timestamp {
        let Some((wall, event)) = self.start else {
            return Timestamp::MIN;
        };
        // The cast saturates, and so does the sum.
        event.saturating_add((wall.elapsed().as_nanos() as f64 * self.factor) as i64)
    }

    fn now_ns(&self) -> u64 {
        since(self.epoch)
    }
}

/// Never waits.
struct FlatOut {
    epoch: Instant,
}

impl Clock for FlatOut {
    fn wait_until(&mut self, _due: Timestamp) {}

    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }

    fn now_ns(&self) -> u64 {
        since(self.epoch)
    }
}

/// Returns the nanoseconds since `epoch`.
pub fn since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_word_or_a_factor() {
        let cases = [
            ("real", Pace::REAL),
            ("fast", Pace::FAST),
            ("max", Pace::FlatOut),
            ("10", Pace::Times(10.0)),
        ];
        for (text, pace) in cases {
            assert_eq!(text.parse(), Ok(pace), "{text}");
            assert_eq!(pace.is_real_time(), text == "real", "{text}");
        }
        assert_eq!("2.5x".parse(), Ok(Pace::Times(2.5)));
        for text in ["", "quick", "0", "-1", "NaN", "inf"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_event_is_due_at_once_and_a_stop_ends_every_wait() {
        let stop = CancelToken::default();
        let mut clock = Pace::REAL.clock(stop.clone());
        clock.wait_until(1_000_000_000);
        assert!(!stop.ask(), "nobody asked before");
        assert!(stop.ask(), "now it was asked before");
        clock.wait_until(Timestamp::MAX);
        assert!(clock.paces());
    }

    #[test]
    fn flat_out_never_waits() {
        let mut clock = Pace::FlatOut.clock(CancelToken::default());
        clock.wait_until(0);
        clock.wait_until(Timestamp::MAX);
        assert!(!clock.paces());
    }
}
