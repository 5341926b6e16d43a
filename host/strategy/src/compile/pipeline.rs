//! The steps of compiling a module, in the process that calls it.

use crate::compile::port::{Compilation, CompileJob, Compiler};
use crate::error::LoadError;
use crate::load::{Checked, check};
use crate::wasm_engine::{compatibility, compiling_engine};

/// Compiles in this process, without limits: for modules that are trusted.
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcess;

impl Compiler for InProcess {
    fn compile(&self, job: &CompileJob<'_>) -> Result<Compilation, LoadError> {
        compile(job)
    }
}

pub(super) fn compile(job: &CompileJob<'_>) -> Result<Compilation, LoadError> {
    let CompileJob { bytes, file, .. } = *job;
    let Checked { component, shape } = check(bytes, file)?;
    let engine = compiling_engine(job.nan_canonicalisation)?;
    let code = engine.precompile_component(&component);
    Ok(Compilation {
        shape,
        code: code.map_err(|error| LoadError::Compile {
            file: file.to_owned(),
            problem: tickdeck_model::untrusted::one_line(&format!("{error:#}")),
        })?,
        compatibility: compatibility(&engine),
        warning: None,
    })
}
