//! The child's side: the same program, executed again to compile one module.

use crate::compile::confine::{Confinement, confine};
use crate::compile::pipeline;
use crate::compile::port::{CompileJob, CompileLimits};
use crate::compile::wire::{AnswerHeader, Compiled, JobHeader, read_header, write_header};
use crate::error::LoadError;
use crate::load::MAX_MODULE;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

/// The first argument of a process that compiles.
pub const CHILD_ARGUMENT: &str = "--compile-one-module";

/// Compiles one module and returns the exit code, if this process was started for that by a
/// [`ChildCompiler`](crate::compile::ChildCompiler). A program that uses one calls this first of all, before it opens
/// anything or starts a thread.
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

/// The rules of a child, as its arguments.
pub(super) struct Rules {
    pub(super) limits: CompileLimits,
    pub(super) confinement: Confinement,
    /// Whether it runs only when nothing else wants to.
    pub(super) gives_way: bool,
    /// The process that waits for the answer.
    pub(super) parent: u32,
}

impl Rules {
    pub(super) fn arguments(&self) -> [String; 6] {
        [
            CHILD_ARGUMENT.to_owned(),
            self.limits.memory_mib.to_string(),
            self.limits.cpu_s.to_string(),
            self.confinement.as_str().to_owned(),
            self.gives_way.to_string(),
            self.parent.to_string(),
        ]
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            limits: CompileLimits {
                memory_mib: arguments.next()?.parse().ok()?,
                cpu_s: arguments.next()?.parse().ok()?,
                ..CompileLimits::default()
            },
            confinement: Confinement::from_name(&arguments.next()?)?,
            gives_way: arguments.next()?.parse().ok()?,
            parent: arguments.next()?.parse().ok()?,
        })
    }
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
