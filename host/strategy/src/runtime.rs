//! Loads modules: reads and checks a file, compiles it or takes it from the cache, and lets it describe itself.

use crate::account::MemoryAccount;
use crate::cache::{Cache, CacheUse};
use crate::error::LoadError;
use crate::limits::ResourceLimits;
use crate::load::{Checked, Shape, check, read};
use crate::module::{Inspection, Module};
use crate::wasm_engine::{RuntimeConfig, WasmEngine};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tickdeck_model::ModuleHash;
use wasmtime::component::Component;

/// Loads modules and runs them on one engine. Clones share the engine, its compile cache and its clock.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: WasmEngine,
    cache: Option<Cache>,
    /// Compiled code that is still in use, by the hash of its source.
    in_use: Mutex<HashMap<ModuleHash, Known>>,
}

/// A module that was loaded before, whose bytes need no second check.
struct Known {
    code: Weak<Component>,
    shape: Shape,
}

impl Runtime {
    /// Sets up the engine and starts the thread that its time limits are counted by.
    ///
    /// # Errors
    /// The cache folder cannot be trusted or created, or the engine does not work on this machine.
    pub fn new(config: RuntimeConfig) -> Result<Self, LoadError> {
        let engine = WasmEngine::new(&config)?;
        let cache = match &config.cache {
            None => None,
            Some(folder) => Some(Cache::open(folder, engine.engine())?),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                cache,
                in_use: Mutex::default(),
            }),
        })
    }

    /// Loads a module from a file: checks its names, compiles it or takes it from the cache, and lets it describe itself
    /// under `limits`. Takes milliseconds to seconds, so call it on a thread that can wait. `name` appears in faults.
    ///
    /// # Errors
    /// The file is not a strategy, or not one that this runtime supports; the text names the file, the place and the fix.
    pub fn load(
        &self,
        path: &Path,
        name: &str,
        limits: &ResourceLimits,
    ) -> Result<Module, LoadError> {
        self.load_bytes(&read(path)?, &path.display().to_string(), name, limits)
    }

    /// Loads a module from bytes as [`Runtime::load`] does; `file` names them in errors.
    ///
    /// # Errors
    /// Those of [`Runtime::load`].
    pub fn load_bytes(
        &self,
        bytes: &[u8],
        file: &str,
        name: &str,
        limits: &ResourceLimits,
    ) -> Result<Module, LoadError> {
        let hash = ModuleHash::of(bytes);
        let compiled = self.compile(hash, bytes, file)?;
        let shape = compiled.shape;
        let pre = self
            .inner
            .engine
            .linker()
            .instantiate_pre(&compiled.component)
            .map_err(|error| LoadError::wrong_type(file, &error))?;
        let inspection = |manifest| Inspection {
            world: shape.world,
            contract: shape.contract,
            imports: shape.imports,
            exports: shape.exports,
            size: bytes.len(),
            hash,
            manifest,
            compile_time: compiled.time,
            cache: compiled.cache,
        };
        Module::new(
            self.inner.engine.clone(),
            (compiled.component, pre, shape.footprint),
            inspection,
            shape.world,
            file,
            name,
            limits,
        )
    }

    /// Loads a module and returns everything known about it, for `tickdeck check`.
    ///
    /// # Errors
    /// Those of [`Runtime::load`].
    pub fn inspect(&self, path: &Path, limits: &ResourceLimits) -> Result<Inspection, LoadError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(self.load(path, &name, limits)?.inspection().clone())
    }

    /// Multiplies the time limits of all calls from now on: for the replay of a run on a machine that may be slower than
    /// the one that recorded it. The initial factor is 1. An instance is exempt once its
    /// [`restore_time_limit`](tickdeck_engine::port::Strategy::restore_time_limit) was called.
    pub fn set_time_limit_factor(&self, factor: u32) {
        self.inner
            .engine
            .time_limit_factor()
            .store(factor, Ordering::Relaxed);
    }

    /// Returns the account of the memory that strategies take.
    pub fn memory(&self) -> &MemoryAccount {
        self.inner.engine.memory()
    }

    /// Makes instances ahead from now on, so that one that faults is replaced without holding up the thread that it ran on.
    /// Without this, instances are made where they are needed, as in a replay.
    pub fn make_spares(&self) {
        let makes_spares = self.inner.engine.makes_spares();
        makes_spares.store(true, Ordering::Relaxed);
    }

    /// Runs `prepare` on each of the runtime's own threads that make and drop instances: to set its priority, say.
    pub fn on_own_threads(&self, prepare: impl Fn() + Clone + Send + 'static) {
        let engine = &self.inner.engine;
        engine.spares().run(prepare.clone());
        engine.drops().run(prepare);
    }

    fn compile(&self, hash: ModuleHash, bytes: &[u8], file: &str) -> Result<Compiled, LoadError> {
        let start = Instant::now();
        let done = |component, shape, cache| Compiled {
            component,
            shape,
            time: start.elapsed(),
            cache,
        };
        if let Some((component, shape)) = self.in_use(hash) {
            return Ok(done(component, shape, CacheUse::Hit));
        }
        let Checked { component, shape } = check(bytes, file)?;
        let cache = self.inner.cache.as_ref();
        let engine = self.inner.engine.engine();
        if let Some(component) = cache.and_then(|cache| cache.load(hash, engine)) {
            let component = self.keep(hash, component, &shape);
            return Ok(done(component, shape, CacheUse::Hit));
        }
        crate::proposals::validate(&component, file)?;
        let component = Component::from_binary(engine, &component);
        let component = component.map_err(|error| LoadError::Compile {
            file: file.to_owned(),
            problem: crate::text::one_line(&format!("{error:#}")),
        })?;
        let component = self.keep(hash, component, &shape);
        let mut compiled = done(component, shape, CacheUse::Off);
        if let Some(cache) = cache {
            compiled.cache = cache.store(hash, &compiled.component);
        }
        Ok(compiled)
    }

    /// Returns the code of a module that is already loaded: several strategies may run the same one.
    fn in_use(&self, hash: ModuleHash) -> Option<(Arc<Component>, Shape)> {
        let in_use = self.lock_in_use();
        let known = in_use.get(&hash)?;
        Some((known.code.upgrade()?, known.shape.clone()))
    }

    /// Shares a module's code with later loads for as long as anything holds it.
    fn keep(&self, hash: ModuleHash, component: Component, shape: &Shape) -> Arc<Component> {
        let component = Arc::new(component);
        let known = Known {
            code: Arc::downgrade(&component),
            shape: shape.clone(),
        };
        let mut in_use = self.lock_in_use();
        in_use.retain(|_, known| known.code.strong_count() > 0);
        in_use.insert(hash, known);
        component
    }

    fn lock_in_use(&self) -> MutexGuard<'_, HashMap<ModuleHash, Known>> {
        let in_use = &self.inner.in_use;
        in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

struct Compiled {
    component: Arc<Component>,
    shape: Shape,
    time: Duration,
    cache: CacheUse,
}
