//! From the untrusted bytes of a file to machine code.
//!
//! Reading, validating, encoding and compiling a module means running large libraries on a stranger's bytes, and none of it is
//! bounded by itself. The host does it in a child process, a fresh one for each module ([`ChildCompiler`]), which has limited
//! memory and time and can reach nothing. Tests, benchmarks and builds of one's own code compile in their own process
//! ([`InProcess`]).

mod child;
mod confine;
mod idle;
mod pipeline;
mod port;
mod rules;
mod serve;
mod wire;

pub use child::{ChildCompiler, ChildProgram};
pub use pipeline::InProcess;
pub use port::{
    Compilation, CompileJob, CompileLimits, Compiler, Confinement, confinement_is_supported,
};
pub use rules::CHILD_ARGUMENT;
pub use serve::serve_if_asked;
