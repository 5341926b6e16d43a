//! Why a module could not be loaded.

use crate::contract::CONTRACT_VERSION;
use serde::{Deserialize, Serialize};
use tickdeck_model::untrusted::{first_few, one_line};

/// Why a module could not be loaded. Every message names the file, the place and the remedy.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read. Show the text; try again when the file changes.
    #[error("{file}: cannot be read: {problem}")]
    Read {
        /// The file.
        file: String,
        /// The system's error.
        problem: String,
    },
    /// The file is larger than any strategy may be. Show the text.
    #[error(
        "{file}: is larger than {limit_mib} MiB, the largest module that is accepted: strip its debug information"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The limit.
        limit_mib: usize,
    },
    /// The file is not WebAssembly. Show the text.
    #[error("{file}: is not a WebAssembly module: {found}")]
    NotWasm {
        /// The file.
        file: String,
        /// What the file looks like, and what to do.
        found: String,
    },
    /// The file starts like WebAssembly but is truncated or malformed. It may still be being written: try again when
    /// it changes.
    #[error("{file}: is damaged at byte {offset}: {problem}; build or copy it again")]
    Damaged {
        /// The file.
        file: String,
        /// The byte at which it fails.
        offset: usize,
        /// The parser's error.
        problem: String,
    },
    /// The file is a core module that does not declare its contract. Show the text.
    #[error(
        "{file}: is a core module without its component type (no `component-type` section): build it with the Tickdeck \
         SDK or wit-bindgen, or run `wasm-tools component embed` on it"
    )]
    NoComponentType {
        /// The file.
        file: String,
    },
    /// The imports or exports of a core module do not match its component type. Show the text.
    #[error("{file}: the core module does not match its component type: {problem}")]
    Encode {
        /// The file.
        file: String,
        /// The mismatch.
        problem: String,
    },
    /// The module imports something that strategies are not given. Show the text.
    #[error(
        "{file}: imports interfaces that strategies are not given: {}; {advice}",
        first_few(offenders, ", ")
    )]
    ForeignImports {
        /// The file.
        file: String,
        /// All such imports.
        offenders: Vec<String>,
        /// What to do.
        advice: String,
    },
    /// The module was built for a contract version that this host does not support. Show the text.
    #[error(
        "{file}: was built for contract {found}, but this host supports {}: rebuild it with the SDK of this host's version",
        CONTRACT_VERSION
    )]
    OtherContract {
        /// The file.
        file: String,
        /// The contract version that it was built for.
        found: String,
    },
    /// The module lacks an export. Show the text.
    #[error(
        "{file}: is not a strategy: it does not export {missing} (world `strategy` exports `lifecycle` and `hot`, world \
         `strategy-bytes` exports `lifecycle` and `hot-bytes`)"
    )]
    NoWorld {
        /// The file.
        file: String,
        /// The missing export.
        missing: String,
    },
    /// The module uses a WebAssembly proposal that is not on the allow-list. Show the text.
    #[error(
        "{file}: uses a WebAssembly proposal that strategies may not use: {problem}, at byte {offset}; build it without \
         that compiler feature"
    )]
    Proposal {
        /// The file.
        file: String,
        /// The byte at which it fails.
        offset: usize,
        /// The validator's error.
        problem: String,
    },
    /// The module is not valid WebAssembly. Show the text.
    #[error("{file}: is not valid WebAssembly at byte {offset}: {problem}; build or copy it again")]
    Invalid {
        /// The file.
        file: String,
        /// The byte at which it fails.
        offset: usize,
        /// The validator's error.
        problem: String,
    },
    /// The module is larger in some dimension than any strategy has reason to be. Show the text.
    #[error("{file}: exceeds a structural limit: {problem}")]
    Shape {
        /// The file.
        file: String,
        /// The dimension, what was found, and the limit.
        problem: String,
    },
    /// The compiler did not finish with the module: it took too long or too much, or crashed. Show the text.
    #[error("{file}: is not loaded: {problem}")]
    Compiler {
        /// The file.
        file: String,
        /// What happened to the compiler.
        problem: String,
    },
    /// The compiler can't be kept from files and network on this system. No module will load.
    #[error(
        "the compiler cannot be confined on this system: {problem}; set `compile_sandbox = \"if-available\"` under `[wasm]` \
         in tickdeck.toml to compile with limits of memory and time alone"
    )]
    Unconfined {
        /// The system's error.
        problem: String,
    },
    /// The module is valid but does not compile. Show the text.
    #[error("{file}: does not compile: {problem}")]
    Compile {
        /// The file.
        file: String,
        /// The compiler's error.
        problem: String,
    },
    /// An import or export has the right name, but not the type that the contract gives it. Show the text.
    #[error("{file}: does not match contract {}: {problem}", CONTRACT_VERSION)]
    WrongType {
        /// The file.
        file: String,
        /// The mismatch.
        problem: String,
    },
    /// The module's `describe` failed. Show the text.
    #[error("{file}: {fault}")]
    Describe {
        /// The file.
        file: String,
        /// The fault.
        fault: String,
    },
    /// The manifest breaks its rules. Show the text, which has the first few problems.
    #[error("{file}: its manifest is not valid: {}", first_few(problems, "; "))]
    Manifest {
        /// The file.
        file: String,
        /// All problems found.
        problems: Vec<String>,
    },
    /// The folder of the compile cache cannot be trusted or created. Give another folder, or none.
    #[error(
        "compile cache {folder}: {problem}; name another folder, or none to compile at every start"
    )]
    Cache {
        /// The folder.
        folder: String,
        /// The problem with the folder.
        problem: String,
    },
    /// The engine cannot be set up on this machine. No module will load.
    #[error("the WebAssembly engine cannot start: {problem}")]
    Engine {
        /// The engine's error.
        problem: String,
    },
}

impl LoadError {
    /// An import or export does not have the contract's type.
    pub(crate) fn wrong_type(file: &str, error: &wasmtime::Error) -> Self {
        Self::WrongType {
            file: file.to_owned(),
            problem: one_line(&format!("{error:#}")),
        }
    }
}
