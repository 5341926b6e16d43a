//! The wasmtime engine of a process: its settings, the host functions, and the clock that time limits are counted by.

use crate::account::MemoryAccount;
use crate::background::Background;
use crate::error::LoadError;
use crate::footprint::{MEMORY_GUARD, MEMORY_RESERVATION};
use crate::imports::{State, linker};
use crate::limits::{GUEST_STACK, TICK};
use crate::text::one_line;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, OptLevel, Strategy};

/// Frames that a backtrace holds; deep recursion would fill thousands.
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

/// How modules are compiled, and where compiled code is cached.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Folder of compiled modules, private to this user. None: compile at every start.
    pub cache: Option<PathBuf>,
    /// Whether every NaN has the same bits, so that a replay is exact on any CPU. Costs a float-heavy strategy some
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
    memory: MemoryAccount,
    /// Whether instances are made ahead.
    makes_spares: AtomicBool,
    /// Makes instances ahead; apart from the other, because this one runs strategies' code.
    spares: Background,
    /// Drops instances.
    drops: Background,
    _ticker: Ticker,
}

impl WasmEngine {
    /// Sets up the engine and starts the thread that its time limits are counted by.
    pub(crate) fn new(config: &RuntimeConfig) -> Result<Self, LoadError> {
        let engine = Engine::new(&engine_config(config)).map_err(unavailable)?;
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

fn engine_config(runtime: &RuntimeConfig) -> Config {
    let mut config = Config::new();
    crate::proposals::allow(&mut config);
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(runtime.nan_canonicalisation)
        .parallel_compilation(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        // Maps only the used part of the addresses that it reserves.
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
