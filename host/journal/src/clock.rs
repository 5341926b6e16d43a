//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the machine's time in nanoseconds since 1970; 0 for a clock that is set before that. The only place where the host
/// reads the wall clock: an engine's time is that of its events.
pub fn unix_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}
