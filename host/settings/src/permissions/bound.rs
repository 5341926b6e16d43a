//! The extent of a permission, and which of two goes further. `None` means no limit.

use super::quantity::Quantity;
use super::rate::RateSettings;
use std::collections::BTreeSet;
use std::fmt::Display;
use tickdeck_model::Untrusted;
use tickdeck_model::format::grouped;

/// Maximum number of names that a sentence lists.
const MAX_LISTED: usize = 8;
/// Maximum number of bytes that it shows of a name.
const MAX_NAME: usize = 64;

/// The extent of a permission.
pub(super) trait Bound: Clone {
    /// Returns whether it goes no further than `granted`.
    fn fits(&self, granted: &Self) -> bool;

    /// Returns its text for operators.
    fn describe(&self) -> String;

    /// Returns the part of it that `granted` covers.
    fn within(&self, granted: &Self) -> Self {
        if self.fits(granted) { self } else { granted }.clone()
    }

    /// Returns the wider of the two.
    fn join(&self, granted: &Self) -> Self {
        if self.fits(granted) { granted } else { self }.clone()
    }

    /// Returns the text of the part that `granted` does not cover.
    fn describe_beyond(&self, _granted: &Self) -> String {
        self.describe()
    }
}

impl Bound for u32 {
    fn fits(&self, granted: &Self) -> bool {
        self <= granted
    }

    fn describe(&self) -> String {
        grouped(u64::from(*self))
    }
}

impl Bound for Option<u64> {
    fn fits(&self, granted: &Self) -> bool {
        fits(*self, *granted, |asked, granted| asked <= granted)
    }

    fn describe(&self) -> String {
        self.map_or_else(no_limit, grouped)
    }
}

impl Bound for Option<Quantity> {
    fn fits(&self, granted: &Self) -> bool {
        fits(*self, *granted, |asked, granted| asked <= granted)
    }

    fn describe(&self) -> String {
        self.map_or_else(no_limit, |size| size.to_string())
    }
}

impl Bound for Option<RateSettings> {
    /// Counts the orders that fit into the granted window when they are sent at the worst moments.
    fn fits(&self, granted: &Self) -> bool {
        fits(*self, *granted, |asked, granted| {
            let windows = granted.window_ms.div_ceil(asked.window_ms.max(1));
            // A window that reaches past the granted one is full as often as one that is as long.
            let most = u64::from(asked.orders).saturating_mul(windows.max(1));
            most <= u64::from(granted.orders)
        })
    }

    fn describe(&self) -> String {
        self.map_or_else(no_limit, |rate| {
            let (orders, window) = (grouped(u64::from(rate.orders)), grouped(rate.window_ms));
            format!("{orders} orders in {window} ms")
        })
    }
}

impl<T: Ord + Clone + Display> Bound for Option<BTreeSet<T>> {
    fn fits(&self, granted: &Self) -> bool {
        match (self, granted) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(asked), Some(granted)) => asked.is_subset(granted),
        }
    }

    fn describe(&self) -> String {
        self.as_ref().map_or_else(|| "all".to_owned(), listed)
    }

    fn within(&self, granted: &Self) -> Self {
        match (self, granted) {
            (asked, None) => asked.clone(),
            (None, granted) => granted.clone(),
            (Some(asked), Some(granted)) => Some(asked & granted),
        }
    }

    fn join(&self, granted: &Self) -> Self {
        match (self, granted) {
            (Some(asked), Some(granted)) => Some(asked | granted),
            _ => None,
        }
    }

    fn describe_beyond(&self, granted: &Self) -> String {
        match (self, granted) {
            (Some(asked), Some(granted)) => listed(&(asked - granted)),
            _ => self.describe(),
        }
    }
}

fn fits<T>(asked: Option<T>, granted: Option<T>, fits: impl FnOnce(T, T) -> bool) -> bool {
    match (asked, granted) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(asked), Some(granted)) => fits(asked, granted),
    }
}

fn no_limit() -> String {
    "no limit".to_owned()
}

fn listed<T: Display>(names: &BTreeSet<T>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown = names.iter().take(MAX_LISTED);
    let shown: Vec<String> = shown
        .map(|name| Untrusted::up_to(MAX_NAME, &name.to_string()).to_string())
        .collect();
    let text = shown.join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(orders: u32, window_ms: u64) -> Option<RateSettings> {
        Some(RateSettings { orders, window_ms })
    }

    #[test]
    fn a_rate_fits_only_if_it_respects_the_granted_one_at_every_moment() {
        let granted = rate(100, 1_000);
        for (asked, fits) in [
            (rate(100, 1_000), true),
            (rate(10, 100), true),
            (rate(100, 5_000), true),
            (rate(10, 99), false),
            (rate(11, 100), false),
            (rate(100, 999), false),
            (rate(101, 60_000), false),
            (None, false),
        ] {
            assert_eq!(asked.fits(&granted), fits, "{asked:?}");
            assert!(asked.within(&granted).fits(&granted));
        }
        assert!(rate(1_000_000, 1).fits(&None));
    }

    #[test]
    fn the_common_part_is_never_wider_than_either() {
        let set = |names: &[&'static str]| Some(names.iter().copied().collect::<BTreeSet<_>>());
        let sets = [None, set(&[]), set(&["a"]), set(&["b"]), set(&["a", "b"])];
        for one in &sets {
            for other in &sets {
                let (both, either) = (one.within(other), one.join(other));
                assert!(both.fits(one) && both.fits(other), "{one:?} {other:?}");
                assert!(
                    one.fits(&either) && other.fits(&either),
                    "{one:?} {other:?}"
                );
            }
        }
        let numbers = [None, Some(0), Some(7), Some(8)];
        for (one, other) in numbers.iter().zip(numbers.iter().rev()) {
            let (both, either) = (one.within(other), one.join(other));
            assert!(both.fits(one) && both.fits(other), "{one:?} {other:?}");
            assert!(
                one.fits(&either) && other.fits(&either),
                "{one:?} {other:?}"
            );
        }
    }

    #[test]
    fn the_text_is_short_whatever_is_asked() {
        let many: BTreeSet<u32> = (0..100).collect();
        assert_eq!(Some(many).describe(), "0, 1, 2, 3, 4, 5, 6, 7 and 92 more");
        assert_eq!(Some(BTreeSet::<u32>::new()).describe(), "none");
        assert_eq!(None::<BTreeSet<u32>>.describe(), "all");
        assert_eq!(rate(1_000, 60_000).describe(), "1,000 orders in 60,000 ms");
        assert_eq!(None::<u64>.describe(), "no limit");
    }
}
