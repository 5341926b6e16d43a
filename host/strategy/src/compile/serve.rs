//! The child's side: the same program, executed again to compile one module.

use crate::compile::confine::confine;
use crate::compile::pipeline;
use crate::compile::port::CompileJob;
use crate::compile::rules::{CHILD_ARGUMENT, Rules};
use crate::compile::wire::{AnswerHeader, Compiled, JobHeader, read_header, write_header};
use crate::error::LoadError;
use crate::load::MAX_MODULE;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

/// Compiles one module and returns the exit code, if this process was started for that by a
/// [`ChildCompiler`](crate::compile::ChildCompiler). A program that uses one must call this first, before it opens anything
/// or starts a thread.
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != CHILD_ARGUMENT {
        return None;
    }
    let rules = Rules::parse(arguments);
    Some(match rules.map(|rules| serve(&rules)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(_)) | None => ExitCode::FAILURE,
    })
}

/// Confines this process, and only then reads the first byte of the module.
fn serve(rules: &Rules) -> io::Result<()> {
    let is_confined = match confine(rules) {
        Ok(is_confined) => is_confined,
        Err(problem) => return answer(false, Err(LoadError::Unconfined { problem })),
    };
    let mut input = io::stdin().lock();
    let header: JobHeader = read_header(&mut input)?;
    let mut bytes = Vec::new();
    input.take(MAX_MODULE as u64 + 1).read_to_end(&mut bytes)?;
    let job = CompileJob {
        bytes: &bytes,
        file: &header.file,
        nan_canonicalisation: header.nan_canonicalisation,
    };
    let compiled = pipeline::compile(&job);
    answer(
        is_confined,
        compiled.map(|done| {
            let header = Compiled {
                shape: done.shape,
                compatibility: done.compatibility,
            };
            (header, done.code)
        }),
    )
}

fn answer(is_confined: bool, outcome: Result<(Compiled, Vec<u8>), LoadError>) -> io::Result<()> {
    let (outcome, code) = match outcome {
        Ok((header, code)) => (Ok(header), code),
        Err(error) => (Err(error), Vec::new()),
    };
    let mut output = io::stdout().lock();
    let header = AnswerHeader {
        is_confined,
        outcome,
    };
    write_header(&mut output, &header)?;
    output.write_all(&code)?;
    output.flush()
}
