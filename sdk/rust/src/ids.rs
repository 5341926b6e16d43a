//! Interned ids: each keeps its meaning for the life of a deck's data folder.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty),)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(pub $number);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}

ids! {
    /// An instrument on one venue.
    InstrumentId(u32),
    /// A venue.
    VenueId(u32),
    /// An account at a venue; 0 is the strategy's own.
    AccountId(u32),
    /// A currency.
    CurrencyId(u32),
    /// A strategy of this deck.
    StrategyId(u32),
    /// An interned text, for example the name of a signal.
    TextId(u32),
    /// A strategy's own number of one of its orders; the SDK assigns them in ascending order.
    OrderNumber(u64),
}

/// Nanoseconds since 1970-01-01 UTC.
pub type Timestamp = i64;
