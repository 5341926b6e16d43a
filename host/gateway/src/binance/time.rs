//! The unit of a time, found by its magnitude.

use tickdeck_model::{END_OF_TIME, Timestamp};

/// Nanoseconds of the units that captures use: nanoseconds, microseconds, milliseconds, seconds.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// 2000-01-01 UTC, before any market that is read here. From there to the end of event time a number grows by less than a
/// factor of ten, and neighbouring units differ by a thousand: a number fits one unit at most.
const EARLIEST: Timestamp = 946_684_800 * 1_000_000_000;

/// Reads a time since 1970-01-01 UTC in nanoseconds, microseconds, milliseconds or seconds; `None` if it is before 2000 or after
/// [`END_OF_TIME`] in all of them.
pub(crate) fn timestamp(value: i64) -> Option<Timestamp> {
    let times = UNITS.iter().filter_map(|unit| value.checked_mul(*unit));
    times
        .into_iter()
        .find(|time| (EARLIEST..END_OF_TIME).contains(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_time_is_read_in_whichever_unit_it_is_written(at in EARLIEST..END_OF_TIME) {
            for unit in UNITS {
                let written = at / unit;
                // Cut down to the unit, a time of the first second may be before 2000.
                let read = (written * unit >= EARLIEST).then_some(written * unit);
                proptest::prop_assert_eq!(timestamp(written), read);
            }
        }
    }

    #[test]
    fn what_is_no_time_in_any_unit_is_refused() {
        for value in [
            i64::MIN,
            -1,
            0,
            1,
            946_684_799,
            8_835_955_200,
            94_668_480_000,
            i64::MAX,
        ] {
            assert_eq!(timestamp(value), None, "{value}");
        }
    }
}
