//! The parts of a script.

use crate::broker::{Fees, Latency};
use tickdeck_model::{Aggressor, Amount, Price, Size, Timestamp};

/// A script and the venue it is played at.
#[derive(Debug, Clone)]
pub struct Script {
    /// The venue's name; symbols end in it.
    pub venue: String,
    /// The instruments.
    pub instruments: Vec<ScriptedInstrument>,
    /// The steps.
    pub steps: Vec<ScriptStep>,
    /// Latency of the links; market data has that of answers.
    pub latency: Latency,
    /// Fees on our trades.
    pub fees: Fees,
    /// Whether we may sell short.
    pub allow_short: bool,
    /// Spot: a balance's total is money in hand, and what is bought is a balance of its own. Margin: the quote
    /// currency's total is the opening balance plus what was realised less fees, so with open positions at cost.
    pub margin: bool,
    /// The opening balances: code, scale, total.
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

/// One step of a script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScriptStep {
    /// Venue time.
    pub at: Timestamp,
    /// Index into [`Script::instruments`].
    pub instrument: usize,
    /// The market data that it publishes.
    pub tick: ScriptedTick,
}

/// Market data of a script.
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
