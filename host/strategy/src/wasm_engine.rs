//! The wasmtime engine of a process: its settings, the host functions, and the clock that time limits are counted by.

use crate::error::LoadError;
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

/// The engine that modules are compiled by and instances run on. Clones share one. Modules and instances keep a clone,
/// because time limits hold only while the ticker runs.
#[derive(Clone)]
pub(crate) struct WasmEngine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    /// How many times its limit a call may run.
    time_limit_factor: Arc<AtomicU32>,
    _ticker: Ticker,
}

impl WasmEngine {
    /// Sets up the engine and starts the thread that its time limits are counted by.
    pub(crate) fn new(nan_canonicalisation: bool) -> Result<Self, LoadError> {
        let engine = Engine::new(&engine_config(nan_canonicalisation)).map_err(unavailable)?;
        let linker = linker(&engine).map_err(unavailable)?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| unavailable(error.into()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                time_limit_factor: Arc::new(AtomicU32::new(1)),
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
}

/// Makes an engine to compile by, the same as those that run what it compiles.
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
        // Reserves 4 GiB of addresses for each memory and maps only the used part: the code needs no bounds checks.
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
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
