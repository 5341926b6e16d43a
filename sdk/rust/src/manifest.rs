//! The manifest of a strategy, as in `wit/lifecycle.wit`.

use crate::params::{Parameter, Parameters};
use crate::strategy::Strategy;
use crate::subscription::Subscription;
use crate::terms::OrderPolicy;

/// Name, version and description of a strategy. [`export!`](crate::export) takes them from its `Cargo.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The package's name.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The package's description.
    pub doc: &'static str,
}

/// The identity of a strategy and its requirements.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Name, version, description.
    pub identity: Identity,
    /// The parameters that the user can set.
    pub parameters: Vec<Parameter>,
    /// The feeds that it receives from the first event on.
    pub subscriptions: Vec<Subscription>,
    /// The texts under which it publishes values.
    pub messages: Vec<&'static str>,
    /// The policy for working orders when the strategy ends.
    pub order_policy: OrderPolicy,
    /// The schema in which the state is saved.
    pub state_schema: u32,
    /// The schemas that it can restore.
    pub restores: Vec<u32>,
}

impl Manifest {
    /// Returns the manifest of a strategy.
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
