//! The configuration of a runtime.

use crate::cache::CacheConfig;
use crate::compile::{Compiler, InProcess};
use std::sync::Arc;

/// How modules are compiled, and where compiled code is cached.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// The cache of compiled modules. None: compile at every start.
    pub cache: Option<CacheConfig>,
    /// The compiler. Use a [`ChildCompiler`](crate::compile::ChildCompiler) for untrusted modules.
    pub compiler: Arc<dyn Compiler>,
    /// Whether every NaN has the same bits, so that a replay is exact on any CPU. Costs a float-heavy strategy a few
    /// nanoseconds per event.
    pub nan_canonicalisation: bool,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            cache: None,
            compiler: Arc::new(InProcess),
            nan_canonicalisation: true,
        }
    }
}
