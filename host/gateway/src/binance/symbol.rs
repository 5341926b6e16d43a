//! A symbol and the scales at which its frames are decoded.

/// A symbol whose frames the decoder reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// As the exchange writes it: `BTCUSDT`.
    pub name: String,
    /// Decimal digits of prices.
    pub price_scale: u8,
    /// Decimal digits of sizes.
    pub size_scale: u8,
}
