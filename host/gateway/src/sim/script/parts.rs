//! What a script is made of.

use crate::broker::{Fees, Latency};
use tickdeck_model::{Aggressor, Amount, Price, Size, Timestamp};

/// A script and the venue it is played at.
#[derive(Debug, Clone)]
pub struct Script {
    /// The venue's name; symbols end in it.
    pub venue: String,
    /// What trades.
    pub instruments: Vec<ScriptedInstrument>,
    /// What happens, by time.
    pub beats: Vec<Beat>,
    /// How long the links take; market data takes the answers' time.
    pub latency: Latency,
    /// What our trades cost.
    pub fees: Fees,
    /// Whether we may sell what we don't have.
    pub allow_short: bool,
    /// Spot: a balance's total is money in hand, and what is bought is a balance of its own. Margin: the quote
    /// currency's total is the opening balance plus what was realised less fees, so with open positions at cost.
    pub margin: bool,
    /// The account at the start: code, scale, total.
    pub balances: Vec<(String, u8, Amount)>,
}

/// An instrument of a script.
#[derive(Debug, Clone)]
pub struct ScriptedInstrument {
    /// The symbol without the venue: `AUDUSD`.
    pub ticker: String,
    /// Code of the currency that is bought, and its scale.
    pub base: (String, u8),
    /// Code of the currency it is paid in, and its scale.
    pub quote: (String, u8),
    /// Decimal digits of prices.
    pub price_scale: u8,
    /// Decimal digits of sizes.
    pub size_scale: u8,
}

/// Something that happens at the venue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beat {
    /// Venue time.
    pub at: Timestamp,
    /// Its place in [`Script::instruments`].
    pub instrument: usize,
    /// What.
    pub tick: ScriptedTick,
}

/// What can happen in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptedTick {
    /// New best prices.
    Quote {
        /// Best bid and its size.
        bid: (Price, Size),
        /// Best ask and its size.
        ask: (Price, Size),
    },
    /// A public trade.
    Trade {
        /// Who crossed the spread.
        aggressor: Aggressor,
        /// Its price.
        price: Price,
        /// Its size.
        size: Size,
    },
}
