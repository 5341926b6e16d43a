//! All permissions of a strategy at once: combined, compared, shown, and given to the engine.

use super::table::{PermissionRequest, Permissions, TABLE};
use tickdeck_engine::OrderLimits;
use tickdeck_model::Registry;

/// A permission that is requested beyond what is granted.
pub(crate) struct Excess {
    /// The key of the permission.
    pub(crate) key: &'static str,
    /// The text for operators.
    pub(crate) text: String,
}

impl Permissions {
    /// Returns what is requested: what the plugin states, and the defaults for the rest.
    pub fn requested(request: &PermissionRequest, defaults: &Self) -> Self {
        request.over(defaults)
    }

    /// Returns the part of it that is granted: nothing wider, and narrower where less is requested.
    #[must_use]
    pub fn within(&self, granted: &Self) -> Self {
        let mut permissions = self.clone();
        for permission in TABLE {
            permission.narrow(granted, &mut permissions);
        }
        permissions
    }

    /// Returns the wider of the two, permission by permission.
    #[must_use]
    pub fn join(&self, granted: &Self) -> Self {
        let mut permissions = self.clone();
        for permission in TABLE {
            permission.widen(granted, &mut permissions);
        }
        permissions
    }

    /// Describes each permission that exceeds what is granted: `max_notional: asks for 50,000, granted 25,000`.
    pub fn increases(&self, granted: &Self) -> Vec<String> {
        let excesses = self.excesses(granted).into_iter();
        excesses.map(|excess| excess.text).collect()
    }

    /// Returns each permission that exceeds what is granted.
    pub(crate) fn excesses(&self, granted: &Self) -> Vec<Excess> {
        let mut excesses = Vec::new();
        for permission in TABLE {
            let key = permission.key();
            let entries = permission.compare(self, granted).into_iter();
            excesses.extend(entries.filter(|entry| !entry.fits).map(|entry| Excess {
                key,
                text: format!(
                    "{}: asks for {}, granted {}",
                    label(key, entry.instrument.as_deref()),
                    entry.beyond,
                    entry.granted
                ),
            }));
        }
        excesses
    }

    /// Returns a row per permission: its name, its value here, and its value in `granted`.
    pub fn rows(&self, granted: &Self) -> Vec<(String, String, String)> {
        let mut rows = Vec::new();
        for permission in TABLE {
            let entries = permission.compare(self, granted).into_iter();
            rows.extend(entries.map(|entry| {
                let label = label(permission.key(), entry.instrument.as_deref());
                (label, entry.asked, entry.granted)
            }));
        }
        rows
    }

    /// Returns the engine's limits: these permissions, and the operator's other limits from `base`.
    pub fn engine_limits(&self, base: OrderLimits, registry: &Registry) -> OrderLimits {
        let mut limits = OrderLimits {
            allow: None,
            ..base
        };
        for permission in TABLE {
            permission.enforce(self, &mut limits, registry);
        }
        limits
    }
}

fn label(key: &str, instrument: Option<&str>) -> String {
    instrument.map_or_else(|| key.to_owned(), |symbol| format!("{key} of {symbol}"))
}
