//! Interned numbers and the names of orders.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! interned {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The number as an index into a table by id.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )+};
}

interned! {
    /// An instrument at one venue.
    InstrumentId,
    /// A venue.
    VenueId,
    /// An account at a venue; 0 is the strategy's own.
    AccountId,
    /// A currency.
    CurrencyId,
    /// A strategy of the deck, by name; [`StrategyId::HOST`] is the host itself.
    StrategyId,
    /// An interned text, such as the name of a signal.
    TextId,
}

impl StrategyId {
    /// Events that the host itself publishes, such as a collector's signals, carry this id.
    pub const HOST: Self = Self(0);
}

/// Nanoseconds since 1970-01-01 UTC.
pub type Timestamp = i64;

/// Every event is before this, 2250-01-01, twelve years before the largest timestamp, so that adding a window, a latency or a
/// bar to an event's time never overflows.
pub const END_OF_TIME: Timestamp = 8_835_955_200 * 1_000_000_000;

/// Returns whether an event can have this time: from 1970 on, and before [`END_OF_TIME`].
pub const fn is_event_time(at: Timestamp) -> bool {
    0 <= at && at < END_OF_TIME
}

/// A strategy's own number for an order.
pub type OrderNumber = u64;

/// Our id for an order, derived from the strategy and its number, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientOrderId {
    /// The strategy that owns the order.
    pub strategy: StrategyId,
    /// The strategy's own number for it.
    pub number: OrderNumber,
}

/// `td-3-17`: at most 34 characters, from the alphabet that every venue accepts.
impl std::fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "td-{}-{}", self.strategy.0, self.number)
    }
}

impl std::str::FromStr for ClientOrderId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (strategy, number) = text
            .strip_prefix("td-")
            .and_then(|rest| rest.split_once('-'))
            .ok_or(())?;
        let id = Self {
            strategy: StrategyId(strategy.parse().map_err(drop)?),
            number: number.parse().map_err(drop)?,
        };
        // Only the one spelling that `Display` writes: `td-03-17` was never ours.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(())
        }
    }
}

/// A venue's own number for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VenueOrderId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_order_ids_read_back_and_fit_every_venue() {
        let largest = ClientOrderId {
            strategy: StrategyId(u32::MAX),
            number: u64::MAX,
        };
        assert!(largest.to_string().len() <= 36, "{largest}");
        assert_eq!(largest.to_string().parse(), Ok(largest));
        for foreign in ["td-1", "x-1-2", "td-01-2", "td-1-+2", "web_123"] {
            assert!(foreign.parse::<ClientOrderId>().is_err(), "{foreign}");
        }
    }
}
