//! Which strategies may keep trading when a run is resumed: decided by the current plugins folder, trusted keys and grants, not
//! by those on the reel.
//!
//! A strategy that may not is still replayed to where it was: its positions, and everything that others did because of it,
//! depend on that. There it ends, its orders are canceled, and its last decisions are not sent.

use crate::loading::{LoadedStrategy, StrategyLoader};
use std::sync::Arc;
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{Registry, Untrusted};
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::watch::{Plugin, Scan};

/// The folder, the keys and the grants of a start.
pub(super) struct Authority {
    /// The content of the plugins folder.
    pub(super) scan: Scan,
    /// The operator's approvals.
    pub(super) grants: Grants,
    /// The loader, which has the trusted keys.
    pub(super) loader: Arc<StrategyLoader>,
    /// The names.
    pub(super) registry: Arc<Registry>,
    /// The kill latch is on: nothing that was decided and not recorded may leave.
    pub(super) is_killed: bool,
}

impl Authority {
    /// Returns why a strategy may not keep trading in the version that ran; `plugin` is that version's, from the reel.
    pub(super) fn objection(&self, loaded: &LoadedStrategy, plugin: &Plugin) -> Option<String> {
        // As in a running deck, a file that exists but can't be used does not end what runs.
        let missing = self.scan.is_missing(&plugin.name).then(|| {
            let file = quoted(&format!("{}.wasm", plugin.name)).to_string();
            format!("its module {file} is no longer in the plugins folder")
        });
        missing
            .or_else(|| self.not_trusted(plugin))
            .or_else(|| self.not_granted(loaded, plugin))
    }

    /// Returns why the plugin is not trusted. The signature in the folder counts, if the content is still the same.
    fn not_trusted(&self, plugin: &Plugin) -> Option<String> {
        let mut found = self.scan.plugins.iter();
        let text = |plugin: &Plugin| plugin.settings.as_ref().map(|file| file.text.clone());
        let same = found.find(|found| {
            found.name == plugin.name && found.hash == plugin.hash && text(found) == text(plugin)
        });
        let signature = same.unwrap_or(plugin).signature.as_deref();
        let file = match same {
            Some(same) => Untrusted::path(&same.path).to_string(),
            None => format!("{}.wasm", Untrusted::new(&plugin.name)),
        };
        let bytes = match plugin.bytes() {
            Ok(bytes) => bytes,
            Err(why) => return Some(why),
        };
        let settings = text(plugin);
        let settings = settings.as_deref().map(str::as_bytes);
        let trusted = &self.loader.trusted;
        trusted.verify(&file, &bytes, settings, signature).err()
    }

    /// Returns what is no longer granted: earlier grants count only as far as they are granted now.
    fn not_granted(&self, loaded: &LoadedStrategy, plugin: &Plugin) -> Option<String> {
        let name = &loaded.name;
        if self.grants.text_of(name) == loaded.spec().grants {
            return None;
        }
        let settings = self.loader.config.strategies.get(name).cloned();
        let bytes = match plugin.bytes() {
            Ok(bytes) => bytes,
            Err(why) => return Some(why),
        };
        let again = self.loader.load_verified(
            (name, settings.unwrap_or_default()),
            (plugin, &bytes),
            &self.grants,
            &mut (*self.registry).clone(),
        );
        match again {
            Ok(again) if again.decision.increases.is_empty() => None,
            Ok(again) => Some(format!(
                "what it needs is no longer granted ({}); `tickdeck strategies approve {name}` grants it",
                again.decision.asks()
            )),
            Err(failure) => Some(failure.describe()),
        }
    }
}
