//! The contract between host and strategy: its version, its two worlds, and the names of its interfaces.

use serde::{Deserialize, Serialize};

/// The contract version that this host supports; its patch releases are supported too.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// The contract's package, as its interfaces are named.
pub(crate) const PACKAGE: &str = "tickdeck:strategy/";

/// The world that a module implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum World {
    /// Reads typed events.
    Strategy,
    /// Reads events as bytes.
    StrategyBytes,
}

impl World {
    /// Returns the name as the contract spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strategy => "strategy",
            Self::StrategyBytes => "strategy-bytes",
        }
    }

    pub(crate) const fn hot_interface(self) -> &'static str {
        match self {
            Self::Strategy => "tickdeck:strategy/hot@0.1.0",
            Self::StrategyBytes => "tickdeck:strategy/hot-bytes@0.1.0",
        }
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Splits the name of an import or export of the contract's package into interface and version.
pub(crate) fn of_contract(name: &str) -> Option<(&str, &str)> {
    // Core modules may use the newer convention, with a prefix and a shorter version.
    let name = name.strip_prefix("cm32p2|").unwrap_or(name);
    let interface = name.strip_prefix(PACKAGE)?;
    Some(
        interface
            .split_once('@')
            .unwrap_or((interface, "without a version")),
    )
}

/// Whether this host supports a version of the contract.
pub(crate) fn is_supported(version: &str) -> bool {
    version == "0.1"
        || version
            .strip_prefix("0.1.")
            .is_some_and(|patch| !patch.contains('-'))
}
