//! Loads modules: reads and checks a file, compiles it or takes it from the cache, and calls its `describe`.

use crate::account::MemoryAccount;
use crate::cache::{Cache, CacheUse};
use crate::compile::{Compilation, CompileJob, Compiler};
use crate::error::LoadError;
use crate::limits::ResourceLimits;
use crate::load::{Shape, check_size, read};
use crate::machine_code;
use crate::module::{Inspection, Module};
use crate::runtime_config::RuntimeConfig;
use crate::wasm_engine::{WasmEngine, compatibility};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tickdeck_model::untrusted::one_line;
use tickdeck_model::{ModuleHash, Untrusted};
use wasmtime::component::Component;

/// Maximum number of imports, and of exports, that an inspection lists.
const MAX_SHOWN: usize = 256;

/// Loads modules and runs them on one engine. Clones share the engine, its compile cache and its clock.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: WasmEngine,
    compiler: Arc<dyn Compiler>,
    nan_canonicalisation: bool,
    /// What code must have been compiled for.
    compatibility: u64,
    cache: Option<Cache>,
    /// Compiled code that is still in use, by the hash of its source.
    in_use: Mutex<HashMap<ModuleHash, Known>>,
}

/// A module that is compiled but whose `describe` was not called yet. Holding it keeps [`Runtime::load_bytes`] from compiling
/// the same bytes again.
#[derive(Clone)]
pub struct CompiledModule {
    code: Arc<Component>,
    shape: Shape,
    time: Duration,
    cache: CacheUse,
    warning: Option<&'static str>,
}

impl CompiledModule {
    /// What the operator should know about how it was compiled.
    pub fn warning(&self) -> Option<&'static str> {
        self.warning
    }
}

impl std::fmt::Debug for CompiledModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledModule")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// A module that was loaded before, whose bytes need no second check.
struct Known {
    code: Weak<Component>,
    shape: Shape,
}

impl Runtime {
    /// Sets up the engine and starts the thread that counts its time limits.
    ///
    /// # Errors
    /// The cache folder cannot be trusted or created, or the engine does not work on this machine.
    pub fn new(config: RuntimeConfig) -> Result<Self, LoadError> {
        let engine = WasmEngine::new(config.nan_canonicalisation)?;
        let compatibility = compatibility(engine.engine());
        let cache = match &config.cache {
            None => None,
            Some(cache) => Some(Cache::open(cache, compatibility)?),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                compiler: config.compiler,
                nan_canonicalisation: config.nan_canonicalisation,
                compatibility,
                cache,
                in_use: Mutex::default(),
            }),
        })
    }

    /// Loads a module from a file: checks its names, compiles it or takes it from the cache, and calls its `describe` under
    /// `limits`. Takes milliseconds to seconds, so call it on a thread that can wait. `name` appears in faults.
    ///
    /// # Errors
    /// The file is not a strategy, or not one that this runtime supports; the text names the file, the place and the fix.
    pub fn load(
        &self,
        path: &Path,
        name: &str,
        limits: &ResourceLimits,
    ) -> Result<Module, LoadError> {
        let file = Untrusted::path(path).to_string();
        self.load_bytes(&read(path)?, &file, name, limits)
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
        let compiled = self.compile(bytes, file)?;
        let shape = compiled.shape;
        let pre = self
            .inner
            .engine
            .linker()
            .instantiate_pre(&compiled.code)
            .map_err(|error| LoadError::wrong_type(file, &error))?;
        let inspection = |manifest| Inspection {
            world: shape.world,
            contract: Untrusted::new(&shape.contract),
            imports: shown(&shape.imports),
            exports: shown(&shape.exports),
            size: bytes.len(),
            hash: ModuleHash::of(bytes),
            manifest,
            compile_time: compiled.time,
            cache: compiled.cache,
        };
        Module::new(
            self.inner.engine.clone(),
            (compiled.code, pre, shape.footprint),
            inspection,
            shape.world,
            file,
            name,
            limits,
        )
    }

    /// Compiles a module, unless its code is already in use by a strategy or in the cache. None of its code runs.
    ///
    /// # Errors
    /// Those of [`Runtime::load`], except for the manifest's.
    pub fn compile(&self, bytes: &[u8], file: &str) -> Result<CompiledModule, LoadError> {
        let start = Instant::now();
        check_size(bytes, file)?;
        let hash = ModuleHash::of(bytes);
        let done = |code, shape, cache, warning| CompiledModule {
            code,
            shape,
            time: start.elapsed(),
            cache,
            warning,
        };
        if let Some((code, shape)) = self.in_use(hash) {
            return Ok(done(code, shape, CacheUse::Hit, None));
        }
        if let Some((code, shape)) = self.cached(hash) {
            let code = self.keep(hash, code, &shape);
            return Ok(done(code, shape, CacheUse::Hit, None));
        }
        let compiled = self.inner.compiler.compile(&CompileJob {
            bytes,
            file,
            nan_canonicalisation: self.inner.nan_canonicalisation,
        })?;
        let code = self.take_over(&compiled, file)?;
        let Compilation {
            shape,
            code: bytes,
            warning,
            ..
        } = compiled;
        let cache = self.inner.cache.as_ref();
        let cache = cache.map_or(CacheUse::Off, |cache| cache.store(hash, &shape, &bytes));
        let code = self.keep(hash, code, &shape);
        Ok(done(code, shape, cache, warning))
    }

    /// Ends every running compilation, and refuses further ones, because the host stops.
    pub fn cancel_compilations(&self) {
        self.inner.compiler.cancel();
    }

    /// Ends every running compilation, to be begun again at another time.
    pub fn interrupt_compilations(&self) {
        self.inner.compiler.interrupt();
    }

    /// Has compilations that begin from now on yield to everything else, because the deck trades.
    pub fn compilations_give_way(&self) {
        self.inner.compiler.give_way();
    }

    /// Loads a module and returns everything known about it, for `tickdeck check`.
    ///
    /// # Errors
    /// Those of [`Runtime::load`].
    pub fn inspect(&self, path: &Path, limits: &ResourceLimits) -> Result<Inspection, LoadError> {
        let name = Untrusted::path(Path::new(path.file_stem().unwrap_or_default())).to_string();
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

    /// Returns the account of the memory that strategies use.
    pub fn memory(&self) -> &MemoryAccount {
        self.inner.engine.memory()
    }

    /// Creates instances in advance from now on, so that one that faults is replaced without blocking the thread that it ran
    /// on. Without this, instances are created where they are needed, as in a replay.
    pub fn make_spares(&self) {
        let makes_spares = self.inner.engine.makes_spares();
        makes_spares.store(true, Ordering::Relaxed);
    }

    /// Runs `prepare` on each of the runtime's own threads that create and drop instances: to set its priority, say.
    pub fn on_own_threads(&self, prepare: impl Fn() + Clone + Send + 'static) {
        let engine = &self.inner.engine;
        engine.spares().run(prepare.clone());
        engine.drops().run(prepare);
    }

    /// Loads what the compiler returned, if it was compiled for this engine.
    fn take_over(&self, compiled: &Compilation, file: &str) -> Result<Component, LoadError> {
        let failed = |problem: String| LoadError::Compiler {
            file: file.to_owned(),
            problem,
        };
        if compiled.compatibility != self.inner.compatibility {
            return Err(failed(
                "its compiler is another version or has other settings than this host".to_owned(),
            ));
        }
        machine_code::component(self.inner.engine.engine(), &compiled.code)
            .map_err(|error| failed(one_line(&format!("{error:#}"))))
    }

    /// Returns the code of a module that was compiled earlier.
    fn cached(&self, hash: ModuleHash) -> Option<(Component, Shape)> {
        let entry = self.inner.cache.as_ref()?.load(hash)?;
        let code = machine_code::component(self.inner.engine.engine(), &entry.code).ok()?;
        Some((code, entry.shape))
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

/// Returns the first of the interfaces' names, which are untrusted because the module chooses them.
fn shown(names: &[String]) -> Vec<Untrusted> {
    let first = names.iter().take(MAX_SHOWN);
    first.map(|name| Untrusted::new(name)).collect()
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}
