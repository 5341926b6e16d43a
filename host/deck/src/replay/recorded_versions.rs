//! Recreates the versions of a recorded run from their specs and the stored modules.

use crate::loading::{LoadedStrategy, StrategyLoader};
use crate::replay::authority::Authority;
use anyhow::{Context, Result, anyhow};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::port::{StrategyStart, Version};
use tickdeck_model::{ModuleHash, Registry};
use tickdeck_recording::{
    ModuleStore, NotCalled, RecordedStart, RunManifest, VersionFactory, VersionSpec,
};
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::watch::{FileKind, ModuleContent, Plugin, Sidecar};

/// The factor by which strategies' time limits are raised in a replay: the machine may be slower than the recording one, and a
/// call that hit a limit ends at the same batch because the reel says so.
pub(super) const TIME_LIMIT_FACTOR: u32 = 100;

/// Makes versions from their specs.
#[derive(Clone)]
pub struct RecordedVersions {
    loader: Arc<StrategyLoader>,
    registry: Arc<Registry>,
    /// The names of the run so far, without those that a replacement added.
    recorded: Arc<Mutex<Registry>>,
    modules: ModuleStore,
    /// The strategies loaded so far, in the order of loading.
    loaded: Arc<Mutex<Vec<LoadedStrategy>>>,
    /// A plugin that replaces every version of a strategy.
    replacement: Option<(String, Plugin)>,
    /// The strategies that are not called.
    not_called: NotCalled,
    /// Decides which strategies may continue, if the run is resumed.
    authority: Option<Arc<Authority>>,
}

impl RecordedVersions {
    /// Makes the versions of a run.
    pub fn new(loader: Arc<StrategyLoader>, registry: Arc<Registry>, modules: ModuleStore) -> Self {
        Self {
            loader,
            recorded: Arc::new(Mutex::new((*registry).clone())),
            registry,
            modules,
            loaded: Arc::default(),
            replacement: None,
            not_called: NotCalled::default(),
            authority: None,
        }
    }

    /// Takes the decisions of these strategies from the reel, instead of calling them.
    pub fn without_calling(self, not_called: NotCalled) -> Self {
        Self { not_called, ..self }
    }

    /// Returns the strategies that are not called.
    pub(super) fn not_called(&self) -> NotCalled {
        self.not_called.clone()
    }

    /// Sets what decides which strategies may continue when the run is resumed.
    pub(super) fn under(self, authority: Authority) -> Self {
        let authority = Some(Arc::new(authority));
        Self { authority, ..self }
    }

    /// Returns why a strategy may not continue with the module of this hash.
    pub(super) fn objection(&self, name: &str, module: &str) -> Option<String> {
        let authority = self.authority.as_ref()?;
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loaded = loaded.iter().rev();
        let loaded = loaded.find(|one| one.name == name && one.spec().module == module)?;
        match self.plugin(loaded.spec()) {
            Ok(plugin) => authority.objection(loaded, &plugin),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// Replaces every version of a strategy by a plugin. Names that it needs are added.
    ///
    /// # Errors
    /// It can't be loaded.
    pub(super) fn with_replacement(mut self, name: String, plugin: Plugin) -> Result<Self> {
        let settings = self.loader.config.strategies.get(&name);
        let settings = settings.cloned().unwrap_or_default();
        let mut registry = (*self.registry).clone();
        self.loader
            .load(
                (&name, settings),
                &plugin,
                &Grants::in_memory(),
                &mut registry,
            )
            .map_err(|failure| anyhow!("{}", failure.describe()))?;
        self.registry = Arc::new(registry);
        self.replacement = Some((name, plugin));
        Ok(self)
    }

    /// Returns the names.
    pub(super) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Loads the version of a spec, without starting it.
    ///
    /// # Errors
    /// The module is missing, or can't be loaded.
    pub fn load(&self, name: &str, spec: &VersionSpec) -> Result<LoadedStrategy> {
        let plugin = match &self.replacement {
            Some((replaced, plugin)) if replaced == name => plugin.clone(),
            _ => self.plugin(spec)?,
        };
        let settings = self.loader.config.strategies.get(name);
        let settings = settings.cloned().unwrap_or_default();
        let bytes = plugin.bytes().map_err(|why| anyhow!(why))?;
        let grants = Grants::parse("the grants in the reel", &spec.grants)?;
        let mut registry = self.names(spec)?;
        self.loader
            .load_verified((name, settings), (&plugin, &bytes), &grants, &mut registry)
            .map_err(|failure| anyhow!("{name}: {}", failure.describe()))
    }

    /// Starts a strategy in the version of a spec.
    ///
    /// # Errors
    /// The version can't be made, or does not start.
    pub(crate) fn start(&self, name: &str, spec: &VersionSpec) -> Result<StrategyStart> {
        let mut version = self.version(name, spec)?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.last_mut().context("it was just loaded")?;
        if let Some(decisions) = self.not_called.decisions(loaded.id, 0) {
            version = decisions.in_place_of(version);
        }
        self.loader
            .start(loaded, version, &self.registry, None)
            .map_err(|failure| anyhow!("{name}: {}", failure.describe()))
    }

    /// Starts the strategies with which a run started.
    ///
    /// # Errors
    /// One can't be made, or does not start.
    pub(crate) fn start_all(&self, manifest: &RunManifest) -> Result<Vec<StrategyStart>> {
        let start = |recorded: &RecordedStart| self.start_recorded(recorded);
        manifest.strategies.iter().map(start).collect()
    }

    /// Starts a strategy with which a run started.
    ///
    /// # Errors
    /// It can't be made, or does not start.
    pub(crate) fn start_recorded(&self, recorded: &RecordedStart) -> Result<StrategyStart> {
        let spec = VersionSpec::read(&recorded.spec)?;
        self.start(&recorded.name, &spec)
    }

    /// Removes and returns the last strategy that was loaded under this name with this module.
    pub fn take(&self, name: &str, module: &str) -> Option<LoadedStrategy> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |one: &LoadedStrategy| one.name == name && one.spec().module == module;
        let place = loaded.iter().rposition(is_it)?;
        Some(loaded.remove(place))
    }

    fn names(&self, spec: &VersionSpec) -> Result<Registry> {
        if let Some(text) = &spec.names {
            return Registry::from_text(text).context("the names in the reel");
        }
        let Some(more) = &spec.more_names else {
            return Ok((*self.registry).clone());
        };
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        more.add_to(&mut recorded)?;
        Ok(recorded.clone())
    }

    /// Returns the plugin of a spec, from the stored modules.
    ///
    /// # Errors
    /// The module is missing, or damaged.
    pub fn plugin(&self, spec: &VersionSpec) -> Result<Plugin> {
        let bytes = self.modules.get(&spec.module)?;
        let path = self.modules.file(&spec.module);
        let signature = spec.signature.as_ref();
        let signature = signature.map(|text| text.clone().into_bytes());
        let plugin = plugin(&spec.plugin, path, bytes, spec.sidecar.as_ref())?;
        Ok(Plugin {
            signature,
            ..plugin
        })
    }
}

impl VersionFactory for RecordedVersions {
    fn may_go_on(&self, name: &str, module: &str) -> bool {
        let is_killed = self.authority.as_ref().is_some_and(|it| it.is_killed);
        !is_killed && self.objection(name, module).is_none()
    }

    fn version(&self, name: &str, spec: &VersionSpec) -> Result<Version> {
        let loaded = self.load(name, spec)?;
        let registry = match (&spec.names, &spec.more_names) {
            (None, None) => Arc::clone(&self.registry),
            _ => Arc::new(self.names(spec)?),
        };
        let (_, mut version) = loaded.version(&registry, &self.loader.feed);
        // Recorded again as it was recorded.
        version.spec = Arc::from(spec.text());
        self.loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(loaded);
        Ok(version)
    }
}

/// Makes a plugin of a module outside of a plugins folder.
pub(super) fn plugin(
    name: &str,
    path: PathBuf,
    bytes: Vec<u8>,
    sidecar: Option<&(String, String)>,
) -> Result<Plugin> {
    Ok(Plugin {
        name: name.to_owned(),
        kind: FileKind::of_file(&path, &bytes).map_err(|why| anyhow!(why))?,
        path,
        hash: ModuleHash::of(&bytes),
        content: ModuleContent::Held(bytes.into()),
        settings: sidecar.map(|(file, text)| Sidecar {
            path: PathBuf::from(file),
            text: text.clone(),
        }),
        signature: None,
    })
}
