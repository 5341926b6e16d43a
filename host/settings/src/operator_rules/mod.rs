//! Decides what a strategy may do, from what the deck allows, what its plugin requests, and what the operator granted.
//!
//! The deck's `[risk]` and `[wasm]` apply to every strategy. A *grant* widens them for one strategy, by what its operator
//! approved. `[strategies.NAME]` is the operator's last word about one strategy and overrides both. The plugin's `NAME.toml`
//! only requests: the strategy gets what it requests, as far as that was granted; anything beyond is listed and waits for an
//! approval. `docs/PERMISSIONS.md` explains the same to operators.

use crate::config::{Config, StrategySettings};
use crate::permissions::{PermissionRequest, PermissionSettings, Permissions};
use crate::reader::{Problems, Setting};
use tickdeck_model::untrusted::first;
use tickdeck_model::{ModuleHash, Registry};

/// Maximum number of requests that are shown to the operator individually.
const MAX_SHOWN: usize = 16;
/// Number of digits shown of the digest of all requests.
const DIGEST_SHOWN: usize = 16;

/// The rules that `tickdeck.toml` states for a strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRules {
    deck: Permissions,
    own: PermissionRequest,
}

impl OperatorRules {
    /// Reads the rules for one strategy.
    ///
    /// # Errors
    /// Returns every name that the deck does not know.
    pub fn of(
        config: &Config,
        strategy: &StrategySettings,
        registry: &Registry,
    ) -> Result<Self, Problems> {
        let deck = PermissionRequest::read(&config.file, &deck_settings(config), registry)?;
        let own = strategy.risk.permissions.clone().or(&strategy.permissions);
        let own = PermissionRequest::read(&config.file, &own, registry)?;
        Ok(Self {
            deck: deck.over(&Permissions::default()),
            own,
        })
    }

    /// Returns what the strategy may do without asking.
    pub fn defaults(&self) -> Permissions {
        self.own.over(&self.deck)
    }

    /// Returns the widest permissions of the strategy under a grant.
    pub fn granted(&self, grant: Option<&PermissionRequest>) -> Permissions {
        match grant {
            Some(grant) => self.own.over(&self.deck.join(&grant.over(&self.deck))),
            None => self.defaults(),
        }
    }

    /// Decides on a plugin's requests.
    pub fn decide(
        &self,
        request: &PermissionRequest,
        grant: Option<&PermissionRequest>,
    ) -> PermissionDecision {
        let granted = self.granted(grant);
        let asked = Permissions::requested(request, &self.defaults());
        let (overruled, increases): (Vec<_>, Vec<_>) = asked
            .excesses(&granted)
            .into_iter()
            .partition(|excess| self.own.mentions(excess.key));
        let keys: Vec<&str> = increases.iter().map(|excess| excess.key).collect();
        let asked_more = request.only(&keys);
        PermissionDecision {
            permissions: asked.within(&granted),
            asked,
            approval: match grant {
                Some(grant) => grant.join(&asked_more),
                None => asked_more,
            },
            increases: increases.into_iter().map(|excess| excess.text).collect(),
            overruled: overruled.into_iter().map(|excess| excess.text).collect(),
        }
    }
}

/// The permissions that the deck states for every strategy.
fn deck_settings(config: &Config) -> PermissionSettings {
    let sizes = config.instruments.iter().filter_map(|(symbol, settings)| {
        let size = settings.max_size.clone()?;
        Some((symbol.clone(), size))
    });
    let sizes: Vec<_> = sizes.collect();
    let mut settings = config.risk.permissions.clone().or(&config.wasm.permissions);
    if !sizes.is_empty() {
        settings.max_sizes = Setting::To(sizes);
    }
    settings
}

/// The decision on a plugin's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionDecision {
    /// Everything that the plugin requests, with the deck's defaults for the rest.
    pub asked: Permissions,
    /// The permissions for now: nothing wider than granted, and narrower where the plugin requests less.
    pub permissions: Permissions,
    /// The requests beyond that which the operator may approve, one text each.
    pub increases: Vec<String>,
    /// The requests beyond `[strategies.NAME]`, one text each: only a change of the file can allow them.
    pub overruled: Vec<String>,
    /// The grant that approves the increases, including the current grant.
    pub approval: PermissionRequest,
}

impl PermissionDecision {
    /// Returns what waits for an approval, as a text of bounded length. If it does not list everything, it ends with a digest
    /// of the whole: whoever approves the text approves exactly that.
    pub fn asks(&self) -> String {
        let text = first(MAX_SHOWN, &self.increases, "; ");
        let is_abridged = |increase: &String| increase.contains(" more");
        if self.increases.len() <= MAX_SHOWN && !self.increases.iter().any(is_abridged) {
            return text;
        }
        let whole = ModuleHash::of(format!("{:?}", self.approval).as_bytes()).to_string();
        let digest = whole.get(..DIGEST_SHOWN).unwrap_or(&whole);
        format!("{text} (in all {digest})")
    }
}

#[cfg(test)]
mod tests;
