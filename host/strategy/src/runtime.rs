//! The one engine of a process, the clock of its time limits, and the way in for modules.

use crate::cache::{Cache, CacheUse};
use crate::error::LoadError;
use crate::imports::{State, linker};
use crate::limits::{GUEST_STACK, ResourceLimits, TICK};
use crate::load::{Checked, Shape, check, read};
use crate::module::{Inspection, Module};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_model::ModuleHash;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, OptLevel, Strategy};

/// Frames that a trap walks; deep recursion ends in thousands.
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

/// How modules are compiled and where compiled code is kept.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Folder of compiled modules, for this user alone. None: compile at every start.
    pub cache: Option<PathBuf>,
    /// Give every NaN the same bits, so that a replay is exact on any CPU. Costs a float-heavy strategy some
    /// nanoseconds per event.
    pub nan_canonicalisation: bool,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            cache: None,
            nan_canonicalisation: true,
        }
    }
}

/// The engine. Clones are the same one.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
    /// What is known of the code that some module holds, by what it was compiled from.
    shared: Mutex<HashMap<ModuleHash, Known>>,
    /// Times its limit that a call may run.
    time_limit_factor: Arc<AtomicU32>,
    /// Time limits hold as long as this runs: modules and instances keep their host, and so the ticker.
    _ticker: Ticker,
}

/// A module that was loaded before: its bytes need not be looked at again.
struct Known {
    code: Weak<Component>,
    shape: Shape,
}

impl Runtime {
    /// Sets up the engine, and starts the thread that its time limits are counted by.
    ///
    /// # Errors
    /// The cache folder can't be trusted or made, or the engine does not work on this machine.
    pub fn new(config: RuntimeConfig) -> Result<Self, LoadError> {
        let engine = Engine::new(&engine_config(&config)).map_err(no_engine)?;
        let cache = match &config.cache {
            None => None,
            Some(folder) => Some(Cache::open(folder, &engine)?),
        };
        let linker = linker(&engine).map_err(no_engine)?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| no_engine(error.into()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                cache,
                shared: Mutex::default(),
                time_limit_factor: Arc::new(AtomicU32::new(1)),
                _ticker: ticker,
            }),
        })
    }

    /// Loads a module from a file: checks its names, compiles it or takes it from the cache, lets it describe itself
    /// under `limits`. Takes milliseconds to seconds, so call it on a thread that has the time. `name` is for faults.
    ///
    /// # Errors
    /// The file is no strategy, or one that this host does not run; the text names the file, the place and the fix.
    pub fn load(
        &self,
        path: &Path,
        name: &str,
        limits: &ResourceLimits,
    ) -> Result<Module, LoadError> {
        self.load_bytes(&read(path)?, &path.display().to_string(), name, limits)
    }

    /// As [`Runtime::load`], from bytes; `file` names them in errors.
    ///
    /// # Errors
    /// As [`Runtime::load`].
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
            .linker
            .instantiate_pre(&compiled.component)
            .map_err(|error| wrong_type(file, &error))?;
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
            self.clone(),
            (compiled.component, pre),
            inspection,
            shape.world,
            file,
            name,
            limits,
        )
    }

    /// Loads a module and says all there is to know about it, for `tickdeck check`.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn inspect(&self, path: &Path, limits: &ResourceLimits) -> Result<Inspection, LoadError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(self.load(path, &name, limits)?.inspection().clone())
    }

    /// From now on a call may run so many times its limit: for a run that is done again on a machine that may be slower
    /// than the one on which it was in time. 1 is what a host begins with.
    pub fn set_time_limit_factor(&self, times: u32) {
        self.inner.time_limit_factor.store(times, Ordering::Relaxed);
    }

    pub(crate) fn time_limit_factor(&self) -> &Arc<AtomicU32> {
        &self.inner.time_limit_factor
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
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
        if let Some(component) = cache.and_then(|cache| cache.load(hash, self.engine())) {
            let component = self.keep(hash, component, &shape);
            return Ok(done(component, shape, CacheUse::Hit));
        }
        crate::proposals::validate(&component, file)?;
        let component = Component::from_binary(self.engine(), &component);
        let component = component.map_err(|error| LoadError::Compile {
            file: file.to_owned(),
            problem: crate::fault::one_line(&format!("{error:#}")),
        })?;
        let component = self.keep(hash, component, &shape);
        let mut compiled = done(component, shape, CacheUse::Off);
        if let Some(cache) = cache {
            compiled.cache = cache.store(hash, &compiled.component);
        }
        Ok(compiled)
    }

    /// The code of a module that some strategy has loaded: many may run the same one.
    fn in_use(&self, hash: ModuleHash) -> Option<(Arc<Component>, Shape)> {
        let shared = self.shared();
        let known = shared.get(&hash)?;
        Some((known.code.upgrade()?, known.shape.clone()))
    }

    /// Shares a module's code with whoever loads it from now on, for as long as somebody has it.
    fn keep(&self, hash: ModuleHash, component: Component, shape: &Shape) -> Arc<Component> {
        let component = Arc::new(component);
        let known = Known {
            code: Arc::downgrade(&component),
            shape: shape.clone(),
        };
        let mut shared = self.shared();
        shared.retain(|_, known| known.code.strong_count() > 0);
        shared.insert(hash, known);
        component
    }

    fn shared(&self) -> MutexGuard<'_, HashMap<ModuleHash, Known>> {
        let shared = &self.inner.shared;
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

struct Compiled {
    component: Arc<Component>,
    shape: Shape,
    time: Duration,
    cache: CacheUse,
}

fn engine_config(host: &RuntimeConfig) -> Config {
    let mut config = Config::new();
    crate::proposals::allow(&mut config);
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(host.nan_canonicalisation)
        .parallel_compilation(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        // 4 GiB of addresses for each memory, of which only what is used is ever mapped: no bounds checks in the code.
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES));
    config
}

fn no_engine(error: wasmtime::Error) -> LoadError {
    LoadError::Engine {
        problem: crate::fault::one_line(&format!("{error:#}")),
    }
}

pub(crate) fn wrong_type(file: &str, error: &wasmtime::Error) -> LoadError {
    LoadError::WrongType {
        file: file.to_owned(),
        problem: crate::fault::one_line(&format!("{error:#}")),
    }
}

/// Advances the engine's epoch every [`TICK`], which is what time limits are counted in. Ends when dropped.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let tick = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(TICK);
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new()
            .name("tickdeck-epoch".to_owned())
            .spawn(tick)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It only fails if the thread panicked, and the thread does nothing that panics.
            let _ = thread.join();
        }
    }
}
