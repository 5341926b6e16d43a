//! Runs strategies: loads WebAssembly modules, checks them against the contract, and calls them under limits on wasmtime.
//!
//! ```text
//! let runtime = Runtime::new(RuntimeConfig { compiler, cache: Some(cache), ..Default::default() })?;
//! let module = runtime.load(&path, "ema", &limits)?;             // refuses a file that is not a strategy, and says why
//! let values = module.manifest().resolve(&from_toml)?;           // every parameter, checked, in the manifest's order
//! let wants = module.manifest().wants(&values, &mut registry)?;  // feeds, accounts and messages as numbers
//! let options = StartOptions { name, parameters: values, limits, registry, log };
//! let version = Arc::new(Program::new(module, options)).version(wants, None, SwapPolicy::default(), spec);
//! let strategy = version.code.start(&mut book)?;                 // or `restore(&mut book, &state)`
//! ```
//!
//! Start reading at [`Runtime::load`] (a file becomes a module), then [`Instance`] (a call under limits), then `lower.rs`
//! (a batch of events crosses the boundary by one memcpy). The parts:
//!
//! - [`Runtime`] loads modules. Clones share one engine, its compile cache and the clock of its time limits.
//! - [`Module`] is a compiled strategy with its [`Manifest`]. It is cheap to clone and starts any number of instances.
//! - [`Program`] is a module with its settings, behind `engine::port::Code`; it keeps an instance ready in advance, and
//!   `version` describes it to the engine.
//! - [`MemoryAccount`] accounts for the memory of all strategies, by strategy, against a bound.
//! - [`Instance`] is a running strategy, behind `engine::port::Strategy`. After a fault every call fails; drop it. A `save`
//!   that the strategy refuses is an error too, but the instance lives on.
//! - [`with_contract`] embeds the contract's type in a core module that was written by hand.
//! - [`compile`] turns untrusted bytes into machine code, in a child process that can reach nothing.
//! - [`watch`] finds the modules in the plugins folder, and their changes while the process runs.
//!
//! The runtime is this crate's wasmtime host; "the host" means the whole process that runs strategies.
//!
//! A strategy can reach its own memory, its log, the terms of instruments, and its own book while it handles events.
//! There is no clock, no randomness, no file and no socket: a module that imports anything else is refused before it is
//! compiled. This crate itself must never see settings, permissions, venues or recordings: it is given parameters,
//! limits and a registry.
//!
//! Time is limited by CPU time of the thread, not by wall time: a thread that the system deschedules does not use up its
//! strategy's limit. Call instances on threads with at least [`THREAD_STACK`] bytes of stack.
#![deny(unsafe_code)]

mod account;
mod background;
mod cache;
pub mod compile;
mod contract;
mod encode;
mod error;
mod fault;
mod footprint;
mod generated;
mod imports;
mod instance;
mod limits;
mod load;
mod log;
mod lower;
mod machine_code;
mod manifest;
mod module;
mod parameter;
mod parameters;
mod private_file;
mod program;
mod proposals;
mod runtime;
mod runtime_config;
mod shape;
mod wasm_engine;
pub mod watch;

pub use crate::runtime::{CompiledModule, Runtime};
pub use account::MemoryAccount;
pub use cache::{CacheConfig, CacheUse};
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
pub use runtime_config::RuntimeConfig;
pub use tickdeck_model::ModuleHash;
pub use tickdeck_model::untrusted::MAX_LINE;
