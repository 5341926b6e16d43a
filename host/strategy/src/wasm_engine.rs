//! The wasmtime engine of a process: its settings, the host functions, and the clock that counts time limits.

use crate::account::MemoryAccount;
use crate::background::Background;
use crate::error::LoadError;
use crate::footprint::{MEMORY_GUARD, MEMORY_RESERVATION};
use crate::imports::{State, linker};
use crate::limits::{GUEST_STACK, TICK};
use std::hash::{Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use tickdeck_model::untrusted::one_line;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, OptLevel, Strategy};
use xxhash_rust::xxh3::Xxh3Default;

/// Frames that a backtrace holds; deep recursion would fill thousands.
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

/// The engine that compiles modules and runs instances. Clones share one engine. Modules and instances keep a clone, because
/// time limits are enforced only while the ticker runs.
#[derive(Clone)]
pub(crate) struct WasmEngine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    /// The factor by which the time limits of calls are multiplied.
    time_limit_factor: Arc<AtomicU32>,
    memory: MemoryAccount,
    /// Whether instances are created in advance.
    makes_spares: AtomicBool,
    /// Creates instances in advance; a separate thread, because this one runs strategies' code.
    spares: Background,
    /// Drops instances.
    drops: Background,
    _ticker: Ticker,
}

impl WasmEngine {
    /// Sets up the engine and starts the thread that counts its time limits.
    pub(crate) fn new(nan_canonicalisation: bool) -> Result<Self, LoadError> {
        let engine = Engine::new(&engine_config(nan_canonicalisation)).map_err(unavailable)?;
        let linker = linker(&engine).map_err(unavailable)?;
        let no_thread = |error: std::io::Error| unavailable(error.into());
        let ticker = Ticker::start(engine.clone()).map_err(no_thread)?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                time_limit_factor: Arc::new(AtomicU32::new(1)),
                memory: MemoryAccount::default(),
                makes_spares: AtomicBool::new(false),
                spares: Background::start("tickdeck-spares").map_err(no_thread)?,
                drops: Background::start("tickdeck-drops").map_err(no_thread)?,
                _ticker: ticker,
            }),
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(crate) fn time_limit_factor(&self) -> &Arc<AtomicU32> {
        &self.inner.time_limit_factor
    }

    pub(crate) fn memory(&self) -> &MemoryAccount {
        &self.inner.memory
    }

    pub(crate) fn makes_spares(&self) -> &AtomicBool {
        &self.inner.makes_spares
    }

    pub(crate) fn spares(&self) -> &Background {
        &self.inner.spares
    }

    pub(crate) fn drops(&self) -> &Background {
        &self.inner.drops
    }
}

/// Creates an engine for compiling, with the same settings as those that run the result.
pub(crate) fn compiling_engine(nan_canonicalisation: bool) -> Result<Engine, LoadError> {
    Engine::new(&engine_config(nan_canonicalisation)).map_err(unavailable)
}

/// Returns the hash of everything that compiled code depends on besides its source: wasmtime, its settings, this CPU, and this
/// crate, which wraps core modules into components.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = Xxh3Default::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    hasher.finish()
}

/// The settings of every engine, whether it compiles or runs.
fn engine_config(nan_canonicalisation: bool) -> Config {
    let mut config = Config::new();
    crate::proposals::allow(&mut config);
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(nan_canonicalisation)
        .parallel_compilation(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        // Maps only the used part of the reserved address space.
        .memory_reservation(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES));
    config
}

fn unavailable(error: wasmtime::Error) -> LoadError {
    LoadError::Engine {
        problem: one_line(&format!("{error:#}")),
    }
}

/// Advances the engine's epoch, in which time limits are counted, every [`TICK`]. Ends when dropped.
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
            // Joining fails only if the thread panicked, and the thread does nothing that panics.
            let _ = thread.join();
        }
    }
}
