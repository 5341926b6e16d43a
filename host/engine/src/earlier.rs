//! The earlier of two times, either of which may be unknown.

use tickdeck_model::Timestamp;

/// Returns the earlier time, if there is any.
pub(crate) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
