//! How this host compiles: each module in a child process, with limits from the settings, and a cache.

use std::path::PathBuf;
use std::sync::Arc;
use tickdeck_settings::config::WasmSettings;
use tickdeck_strategy::compile::{
    ChildCompiler, ChildProgram, CompileLimits, Compiler, Confinement, InProcess,
};
use tickdeck_strategy::{CacheConfig, RuntimeConfig};

/// A compiler, and the cache of what it compiled.
#[derive(Debug, Clone)]
pub struct Compiling {
    /// The compiler.
    pub compiler: Arc<dyn Compiler>,
    /// The cache; none: everything is compiled at every start.
    pub cache: Option<CacheConfig>,
}

impl Compiling {
    /// Compiles each module in a child process, which is this program again: its `main` calls
    /// [`serve_if_asked`](tickdeck_strategy::compile::serve_if_asked).
    pub fn of_host(settings: &WasmSettings) -> Self {
        let default = CompileLimits::default();
        let limits = CompileLimits {
            memory_mib: settings.compile_memory_mib.unwrap_or(default.memory_mib),
            cpu_s: settings.compile_cpu_s.unwrap_or(default.cpu_s),
            ..default
        };
        let confinement = match settings.compile_sandbox_required {
            Some(true) => Confinement::Required,
            Some(false) => Confinement::IfAvailable,
            None => Confinement::default(),
        };
        Self {
            compiler: Arc::new(ChildCompiler::new(
                ChildProgram::this(),
                limits,
                confinement,
            )),
            cache: cache(),
        }
    }

    /// Compiles in this process, without limits and without a cache: for modules that are trusted.
    pub fn in_process() -> Self {
        Self {
            compiler: Arc::new(InProcess),
            cache: None,
        }
    }

    /// Returns the configuration of a runtime that compiles this way.
    pub fn runtime(self) -> RuntimeConfig {
        RuntimeConfig {
            compiler: self.compiler,
            cache: self.cache,
            ..RuntimeConfig::default()
        }
    }
}

/// Returns this user's cache of compiled modules, whose folder is never the plugins folder.
pub fn cache() -> Option<CacheConfig> {
    Some(CacheConfig {
        folder: user_folder("XDG_CACHE_HOME", "Library/Caches", ".cache")?,
        key: user_folder(
            "XDG_DATA_HOME",
            "Library/Application Support",
            ".local/share",
        )?
        .join("compile-cache.key"),
    })
}

/// Returns this user's folder for Tickdeck: in the folder that a variable names, or else in the system's usual place.
fn user_folder(variable: &str, on_macos: &str, elsewhere: &str) -> Option<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = match (from(variable), from("LOCALAPPDATA"), from("HOME")) {
        (Some(named), _, _) => named,
        (None, Some(local), _) if cfg!(windows) => local,
        (None, _, Some(home)) if cfg!(target_os = "macos") => home.join(on_macos),
        (None, _, Some(home)) => home.join(elsewhere),
        _ => return None,
    };
    Some(base.join("tickdeck"))
}
