//! The wasmtime host of strategies: loading, checks, limits, the one-memcpy boundary.
//!
//! ```text
//! let host = Host::new(HostConfig { cache: Some(folder), ..Default::default() })?;
//! let module = host.load(&path, "ema", &limits)?;                // refuses what is not a strategy, in words
//! let given = module.manifest().resolve(&from_toml)?;            // every parameter, checked, in its order
//! let wants = module.manifest().wants(&given, &mut registry)?;   // feeds, accounts, messages as numbers
//! let options = StartOptions { name, parameters: given, limits, registry, log };
//! let version = Arc::new(Program::new(module, options)).version(wants, None, SwapPolicy::default());
//! let strategy = version.code.start(&mut book)?;                 // or `restore(&mut book, &state)`
//! let seat = Seat { id, name, allocation, next_order, version, strategy };
//! ```
//!
//! The public API, whole:
//!
//! - [`Runtime`]: `new(HostConfig)`, `load(&Path, name, &Limits)`, `load_bytes(&[u8], file, name, &Limits)`,
//!   `inspect(&Path, &Limits)`. Clones share one engine, its compile cache and the clock of its time limits.
//! - [`Module`]: a compiled strategy with its manifest. `name`, `hash`, `world`, `size`, `manifest`, `inspection`,
//!   `start(StartOptions, &mut book)`, `restore(StartOptions, &mut book, &state)`. Cheap to clone; any number of
//!   instances.
//! - [`Program`]: a module with its settings, behind `engine::port::Code`; `prepare` makes an instance ahead,
//!   `version` gives the engine what it wants to know.
//! - [`Instance`]: a running strategy, behind `engine::port::Strategy`; `module`, `memory_bytes`, `is_alive`. After a
//!   fault every call fails; drop it. A `save` that the strategy refuses in words is an error too, and it lives on.
//! - [`Manifest`]: `check`, `resolve(&BTreeMap)`, `wants(&[(String, String)], &mut Registry)`.
//! - [`with_contract`]: the type of the contract into a core module that was written by hand.
//! - [`watch`]: which modules are in the plugins folder, and what changes there while the host runs.
//! - [`ResourceLimits`], [`LogSink`], [`LoadError`], [`ParameterError`], [`WantError`], [`Inspection`].
//!
//! What a strategy can reach is its own memory, its log, the instruments' terms, and its own book while it handles
//! events. There is no clock, no randomness, no file and no socket to ask for: a module that imports anything else is
//! refused before it is compiled.
//!
//! Time is limited by CPU time of the thread, not by the wall: a thread that the system puts aside does not use up its
//! strategy's limit. Call instances on threads with at least [`THREAD_STACK`] bytes of stack.
#![deny(unsafe_code)]

mod cache;
mod contract;
mod encode;
mod error;
mod fault;
mod generated;
mod imports;
mod instance;
mod limits;
mod load;
mod log;
mod lower;
mod manifest;
mod module;
mod parameter;
mod parameters;
mod program;
mod proposals;
mod runtime;
mod text;
mod wasm_engine;
pub mod watch;

pub use crate::runtime::Runtime;
pub use cache::CacheUse;
pub use contract::{CONTRACT_VERSION, World};
pub use encode::with_contract;
pub use error::LoadError;
pub use instance::Instance;
pub use limits::{MAX_ACTIONS, MAX_STATE, ResourceLimits, THREAD_STACK};
pub use load::MAX_MODULE;
pub use log::{Discard, LogLevel, LogSink};
pub use manifest::{MAX_MESSAGES, Manifest, Subscription};
pub use module::{Inspection, Module, StartOptions};
pub use parameter::{Parameter, ParameterKind};
pub use parameters::{ParameterError, WantError, Wants};
pub use program::Program;
pub use text::MAX_LINE;
pub use tickdeck_model::ModuleHash;
pub use wasm_engine::RuntimeConfig;
