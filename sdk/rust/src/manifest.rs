//! Who a strategy is and what it needs: the manifest of `wit/lifecycle.wit`.

use crate::action::BarSpec;
use crate::params::{Parameter, Parameters};
use crate::strategy::Strategy;
use crate::terms::OrderPolicy;

/// Name, version and description of a strategy; [`export!`](crate::export) takes them from its `Cargo.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The package's name.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The package's description.
    pub doc: &'static str,
}

/// A text that the strategy publishes values under, see [`Context::notify`](crate::Context::notify).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message(&'static str);

impl Message {
    /// A message of this text. List it in [`Strategy::MESSAGES`].
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The text.
    pub const fn text(self) -> &'static str {
        self.0
    }
}

/// A feed that the strategy wants from its first event on. An instrument is a symbol, `*` for all of the deck, or
/// `{name}` for the value of the parameter of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// Best bid and ask.
    Quotes(String),
    /// Public trades.
    Trades(String),
    /// Levels of the book.
    Book(String),
    /// Bars that the host derives.
    Bars(String, BarSpec),
    /// Values published under a name; `{name}` of a parameter works too.
    Signals(String),
    /// The account's balances.
    Accounts,
}

impl Subscription {
    /// Best bid and ask of an instrument.
    pub fn quotes(instrument: &str) -> Self {
        Self::Quotes(instrument.to_owned())
    }

    /// Public trades of an instrument.
    pub fn trades(instrument: &str) -> Self {
        Self::Trades(instrument.to_owned())
    }

    /// The book of an instrument, a snapshot first.
    pub fn book(instrument: &str) -> Self {
        Self::Book(instrument.to_owned())
    }

    /// Bars of an instrument.
    pub fn bars(instrument: &str, bars: BarSpec) -> Self {
        Self::Bars(instrument.to_owned(), bars)
    }

    /// Values that a collector or another strategy publishes under a name.
    pub fn signals(name: &str) -> Self {
        Self::Signals(name.to_owned())
    }

    /// The account's balances.
    pub const fn accounts() -> Self {
        Self::Accounts
    }
}

/// Who a strategy is and what it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name, version, description.
    pub identity: Identity,
    /// What the user can set.
    pub parameters: Vec<Parameter>,
    /// Feeds from the first event on.
    pub subscriptions: Vec<Subscription>,
    /// Texts to publish under.
    pub messages: Vec<&'static str>,
    /// What happens to working orders at the end.
    pub order_policy: OrderPolicy,
    /// The schema that the state is saved in.
    pub state_schema: u32,
    /// The schemas that can be restored.
    pub restores: Vec<u32>,
}

impl Manifest {
    /// The manifest of a strategy.
    pub fn of<S: Strategy>(identity: Identity) -> Self {
        Self {
            identity,
            parameters: S::Params::schema(),
            subscriptions: S::subscriptions(),
            messages: S::MESSAGES.iter().map(|message| message.text()).collect(),
            order_policy: S::ORDER_POLICY,
            state_schema: S::STATE_VERSION,
            restores: (S::OLDEST_STATE..=S::STATE_VERSION).collect(),
        }
    }
}
