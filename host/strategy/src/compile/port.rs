//! The port of compilers.

use crate::error::LoadError;
use crate::load::Shape;

/// A module to compile.
#[derive(Debug, Clone, Copy)]
pub struct CompileJob<'a> {
    /// The content of its file.
    pub bytes: &'a [u8],
    /// The file, for errors.
    pub file: &'a str,
    /// See [`RuntimeConfig::nan_canonicalisation`](crate::RuntimeConfig::nan_canonicalisation).
    pub nan_canonicalisation: bool,
}

/// A compiled module: machine code for an engine with the same settings, and the facts derived from its names.
pub struct Compilation {
    pub(crate) shape: Shape,
    /// The output of `Engine::precompile_component`.
    pub(crate) code: Vec<u8>,
    /// The compatibility hash of the engine that compiled it.
    pub(crate) compatibility: u64,
    /// What the operator should know about how it was compiled.
    pub(crate) warning: Option<&'static str>,
}

impl std::fmt::Debug for Compilation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compilation")
            .field("shape", &self.shape)
            .field("code", &self.code.len())
            .finish_non_exhaustive()
    }
}

/// The limits of compiling one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the compiler, in MiB.
    pub memory_mib: u32,
    /// CPU time of all its threads, in seconds.
    pub cpu_s: u32,
    /// Wall time, in seconds. Generous, because compiling gives way to everything else.
    pub wall_s: u32,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory_mib: 2_048,
            cpu_s: 60,
            wall_s: 300,
        }
    }
}

/// Checks a module and compiles it.
pub trait Compiler: std::fmt::Debug + Send + Sync {
    /// Takes milliseconds to minutes.
    ///
    /// # Errors
    /// The module is not a strategy, or exceeds a limit of compiling; the text names the file, the place and the fix.
    fn compile(&self, job: &CompileJob<'_>) -> Result<Compilation, LoadError>;

    /// Ends every running compilation, and refuses further ones, because the host stops.
    fn cancel(&self) {}

    /// Ends every running compilation, to be begun again at another time.
    fn interrupt(&self) {}

    /// Has compilations that begin from now on yield to everything else, because the deck trades.
    fn give_way(&self) {}
}

/// Whether a module may be compiled if the system can't keep the compiler from files and network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// It may not.
    Required,
    /// It may: memory and time are limited in any case.
    IfAvailable,
}

impl Confinement {
    /// The value of the setting.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::IfAvailable => "if-available",
        }
    }

    /// Reads the value of the setting.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Required, Self::IfAvailable]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}

/// If this platform has a system call filter, confinement is required unless the settings say otherwise.
impl Default for Confinement {
    fn default() -> Self {
        match confinement_is_supported() {
            true => Self::Required,
            false => Self::IfAvailable,
        }
    }
}

/// Whether there is a system call filter for this platform. The kernel may still refuse it.
pub const fn confinement_is_supported() -> bool {
    cfg!(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))
}
