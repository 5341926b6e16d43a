//! Feeds that a strategy subscribes to in its manifest.

use crate::action::BarSpec;

/// A feed that the strategy receives from its first event on. An instrument is a symbol, `*` for all instruments of the
/// deck, or `{name}` for the value of the parameter with that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// Best bid and ask.
    Quotes(String),
    /// Public trades.
    Trades(String),
    /// Levels of the order book.
    Book(String),
    /// Bars that the host derives.
    Bars(String, BarSpec),
    /// Values published under a name, or under `NAME/SIGNAL` only those of strategy `NAME`; `{name}` of a parameter works here
    /// too.
    Signals(String),
    /// The account's balances.
    Accounts,
}

impl Subscription {
    /// Subscribes to the best bid and ask of an instrument.
    pub fn quotes(instrument: &str) -> Self {
        Self::Quotes(instrument.to_owned())
    }

    /// Subscribes to the public trades of an instrument.
    pub fn trades(instrument: &str) -> Self {
        Self::Trades(instrument.to_owned())
    }

    /// Subscribes to the order book of an instrument, starting with a snapshot.
    pub fn book(instrument: &str) -> Self {
        Self::Book(instrument.to_owned())
    }

    /// Subscribes to bars of an instrument.
    pub fn bars(instrument: &str, bars: BarSpec) -> Self {
        Self::Bars(instrument.to_owned(), bars)
    }

    /// Subscribes to the values that a collector or another strategy publishes under a name. Anyone may publish under any
    /// name: `ema-cross/cross` is the signal `cross` of the strategy that runs as `ema-cross`, and of nobody else.
    pub fn signals(name: &str) -> Self {
        Self::Signals(name.to_owned())
    }

    /// Subscribes to the account's balances.
    pub const fn accounts() -> Self {
        Self::Accounts
    }
}
