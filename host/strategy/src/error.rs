//! Why a module could not be loaded.

use crate::contract::CONTRACT_VERSION;
use crate::text::one_line;

/// Why a module could not be loaded. Every text names the file, the place and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read. Show the text; try again when it changed.
    #[error("{file}: cannot be read: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is larger than any strategy may be. Show the text.
    #[error(
        "{file}: has more than {limit_mib} MiB, the largest module taken: strip debug information"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The limit.
        limit_mib: usize,
    },
    /// The file is no WebAssembly. Show the text.
    #[error("{file}: is not a WebAssembly module: {found}")]
    NotWasm {
        /// The file.
        file: String,
        /// What it looks like, and what to do.
        found: String,
    },
    /// The file starts like WebAssembly and breaks off or makes no sense. It may still be being written: try again
    /// when it changed.
    #[error("{file}: damaged at byte {offset}: {problem}; build or copy it again")]
    Damaged {
        /// The file.
        file: String,
        /// Where.
        offset: usize,
        /// What the parser says.
        problem: String,
    },
    /// A core module that does not say which contract it implements. Show the text.
    #[error(
        "{file}: is a core module without its component type (no `component-type` section): build it with the Tickdeck \
         SDK or wit-bindgen, or run `wasm-tools component embed` on it"
    )]
    NoComponentType {
        /// The file.
        file: String,
    },
    /// A core module whose imports or exports do not fit the component type that it carries. Show the text.
    #[error("{file}: the core module does not fit the component type it carries: {problem}")]
    Encode {
        /// The file.
        file: String,
        /// What does not fit.
        problem: String,
    },
    /// The module asks for more than a strategy gets. Show the text.
    #[error("{file}: imports what no strategy gets: {}; {advice}", offenders.join(", "))]
    ForeignImports {
        /// The file.
        file: String,
        /// Every such import.
        offenders: Vec<String>,
        /// What to do.
        advice: &'static str,
    },
    /// The module was built for a contract that this host does not speak. Show the text.
    #[error(
        "{file}: built for contract {found}, this host speaks {}: rebuild it with the SDK of this host's version",
        CONTRACT_VERSION
    )]
    OtherContract {
        /// The file.
        file: String,
        /// The contract version it was built for.
        found: String,
    },
    /// The module lacks an export. Show the text.
    #[error(
        "{file}: is not a strategy: the export {missing} is missing (world `strategy` exports `lifecycle` and `hot`, \
         world `strategy-bytes` exports `lifecycle` and `hot-bytes`)"
    )]
    NoWorld {
        /// The file.
        file: String,
        /// The export.
        missing: String,
    },
    /// The module uses a WebAssembly proposal that is not on the allow-list. Show the text.
    #[error(
        "{file}: uses a WebAssembly proposal that strategies may not use: {problem}, at byte {offset}; build it without \
         that feature of the compiler"
    )]
    Proposal {
        /// The file.
        file: String,
        /// Where.
        offset: usize,
        /// What the validator says.
        problem: String,
    },
    /// The module is invalid inside. Show the text.
    #[error("{file}: is not valid WebAssembly at byte {offset}: {problem}; build or copy it again")]
    Invalid {
        /// The file.
        file: String,
        /// Where.
        offset: usize,
        /// What the validator says.
        problem: String,
    },
    /// The module is valid and does not compile. Show the text.
    #[error("{file}: does not compile: {problem}")]
    Compile {
        /// The file.
        file: String,
        /// What the compiler says.
        problem: String,
    },
    /// An import or export of the right name has another type than the contract's. Show the text.
    #[error("{file}: does not fit the contract {}: {problem}", CONTRACT_VERSION)]
    WrongType {
        /// The file.
        file: String,
        /// What does not fit.
        problem: String,
    },
    /// The module trapped while it described itself. Show the text.
    #[error("{file}: {fault}")]
    Describe {
        /// The file.
        file: String,
        /// What happened.
        fault: String,
    },
    /// The manifest breaks its rules. Show all of the problems.
    #[error("{file}: its manifest is not valid: {}", problems.join("; "))]
    Manifest {
        /// The file.
        file: String,
        /// Every problem found.
        problems: Vec<String>,
    },
    /// The compile cache's folder can't be trusted or made. Give another folder, or none.
    #[error(
        "compile cache {folder}: {problem}; name another folder, or none to compile at every start"
    )]
    Cache {
        /// The folder.
        folder: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The engine can't be set up on this machine. Nothing will load.
    #[error("the WebAssembly engine cannot start: {problem}")]
    Engine {
        /// What it says.
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
