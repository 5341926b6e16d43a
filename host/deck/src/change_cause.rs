//! The cause of a change of a strategy. It goes to the engine with the request and comes back in the notice of the
//! change, so that neither the feed nor the manager has to remember who requested what.

use crate::lifecycle::RecordedPermission;
use tickdeck_engine::ChangeOrigin;
use tickdeck_settings::config::ParameterValue;
use tickdeck_strategy::watch::Fingerprint;

/// The origin of a request to load a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requester {
    /// A file in the plugins folder changed.
    Folder,
    /// An operator requested it, possibly for a version that failed before.
    Operator,
}

/// A content of the plugins folder, and what a strategy that was loaded from it runs with.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    /// The version in its manifest.
    pub(crate) version: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) parameters: Vec<ParameterValue>,
    pub(crate) permissions: Vec<RecordedPermission>,
}

/// The cause of a change of a strategy.
#[derive(Debug)]
pub(crate) enum ChangeCause {
    /// A module is new, was changed, or is loaded again.
    Module {
        requester: Requester,
        content: Content,
        /// `compiled in 31 ms`
        preparation: String,
    },
    /// An operator promotes the shadow.
    Promote,
    /// An operator rolls back.
    RollBack,
    /// The file was removed, or an operator removes the strategy.
    Remove,
}

impl ChangeCause {
    /// Returns the cause behind an origin, if it came from here.
    pub(crate) fn of(origin: Option<&ChangeOrigin>) -> Option<&Self> {
        origin?.get()
    }

    /// Returns the reason for a new generation, for display.
    pub(crate) const fn reason(&self, is_start: bool) -> &'static str {
        match self {
            Self::Module { requester, .. } => match (requester, is_start) {
                (Requester::Folder, true) => "added",
                (Requester::Folder, false) => "replaced",
                (Requester::Operator, true) => "started by the operator",
                (Requester::Operator, false) => "reloaded by the operator",
            },
            Self::Promote => "promoted",
            Self::RollBack => "rolled back by the operator",
            Self::Remove => "removed",
        }
    }

    /// Returns how the module was prepared, if there was one: `compiled in 31 ms`.
    pub(crate) fn preparation(&self) -> Option<&str> {
        match self {
            Self::Module { preparation, .. } => Some(preparation),
            _ => None,
        }
    }
}

/// A content with a module of these bytes, for tests.
#[cfg(test)]
pub(crate) fn content(bytes: &[u8]) -> Content {
    let plugin = tickdeck_strategy::watch::Plugin {
        name: "guest".to_owned(),
        path: "guest.wasm".into(),
        kind: tickdeck_strategy::watch::FileKind::Component,
        content: tickdeck_strategy::watch::ModuleContent::Held(bytes.into()),
        hash: tickdeck_model::ModuleHash::of(bytes),
        settings: None,
        signature: None,
    };
    Content {
        version: "1.0.0".to_owned(),
        fingerprint: plugin.fingerprint(),
        parameters: Vec::new(),
        permissions: Vec::new(),
    }
}
