//! The host's side: a child process for each module.
//!
//! The child is this same program, executed again from the image that the kernel holds, not from a path on disk that may have
//! been changed since. Its answer is bounded and read with a deadline, and counts only if the child then exits with 0. A
//! compromised compiler can still return code of its choice: the child keeps the host available, but the compiler remains part
//! of the trusted code base (`docs/SECURITY.md`).

use crate::compile::idle::{is_starved, make_idle};
use crate::compile::port::{Compilation, CompileJob, CompileLimits, Compiler, Confinement};
use crate::compile::rules::Rules;
use crate::compile::wire::{AnswerHeader, JobHeader, read_header, write_header};
use crate::error::LoadError;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Interval at which a wait for the child checks for cancellation and its deadline.
const LOOK: Duration = Duration::from_millis(50);

/// How long a child may take to end after its answer.
const ENDING: Duration = Duration::from_secs(5);

/// The warning where the settings allow it.
const UNCONFINED: &str = "this system has no filter of system calls, so the compiler, which reads strangers' modules, could have \
                          reached files and network; its memory and time are limited";

/// Limit on the bytes of machine code per byte of a module: about five as measured, up to ten for tiny ones.
const CODE_PER_BYTE: usize = 32;

/// Bytes of machine code allowed even for an empty module.
const LEAST_CODE: usize = 16 << 20;

/// The program that is executed to compile.
#[derive(Debug, Clone)]
pub struct ChildProgram(PathBuf);

impl ChildProgram {
    /// This program itself, whose `main` calls [`serve_if_asked`](crate::compile::serve_if_asked).
    pub fn this() -> Self {
        let running = PathBuf::from("/proc/self/exe");
        let program = match cfg!(target_os = "linux") {
            true => Some(running),
            false => std::env::current_exe().ok(),
        };
        Self::at(program.unwrap_or_default())
    }

    /// Another program, whose `main` calls [`serve_if_asked`](crate::compile::serve_if_asked): for tests and benchmarks.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }
}

/// Compiles each module in a fresh child process.
#[derive(Debug)]
pub struct ChildCompiler {
    program: ChildProgram,
    limits: CompileLimits,
    confinement: Confinement,
    is_canceled: AtomicBool,
    /// How often everything that compiled was interrupted.
    interruptions: AtomicU64,
    /// Whether children that begin now yield to everything else.
    gives_way: AtomicBool,
}

/// Until when a wait for the child lasts: to a time, to the next interruption, or until an idle child is found to be starved.
#[derive(Clone, Copy)]
struct Until {
    began: Instant,
    deadline: Instant,
    interruptions: u64,
    idle_child: Option<u32>,
}

impl ChildCompiler {
    /// Makes a compiler that executes `program`.
    pub fn new(program: ChildProgram, limits: CompileLimits, confinement: Confinement) -> Self {
        Self {
            program,
            limits,
            confinement,
            is_canceled: AtomicBool::new(false),
            interruptions: AtomicU64::new(0),
            gives_way: AtomicBool::new(false),
        }
    }

    fn start(&self) -> io::Result<Child> {
        let rules = Rules {
            limits: self.limits,
            confinement: self.confinement,
            parent: std::process::id(),
        };
        Command::new(&self.program.0)
            .args(rules.arguments())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }

    fn until(&self, within: Duration, idle_child: Option<u32>) -> Until {
        let began = Instant::now();
        Until {
            began,
            deadline: began + within,
            interruptions: self.interruptions.load(Ordering::Acquire),
            idle_child,
        }
    }

    /// Whether a wait has to end, and why.
    fn ends(&self, until: Until) -> Option<Failure> {
        if self.is_canceled.load(Ordering::Acquire) {
            Some(Failure::Canceled)
        } else if self.interruptions.load(Ordering::Acquire) != until.interruptions {
            Some(Failure::Interrupted)
        } else if Instant::now() >= until.deadline {
            Some(Failure::Overdue)
        } else if (until.idle_child).is_some_and(|child| is_starved(child, until.began.elapsed())) {
            Some(Failure::Starved)
        } else {
            None
        }
    }

    /// Compiles in a fresh child, which yields to everything else if it `is_idle`.
    fn attempt(&self, job: &CompileJob<'_>, is_idle: bool) -> Result<Answer, Failure> {
        if let Some(failure) = self.ends(self.until(LOOK, None)) {
            return Err(failure);
        }
        let mut child = self.start().map_err(Failure::NotStarted)?;
        let is_idle = is_idle && make_idle(&child);
        let answer = self.converse(&mut child, job, is_idle);
        // It has ended, or must.
        let _ = child.kill();
        let _ = child.wait();
        answer
    }

    /// Sends the job, and reads the answer and the end of the child.
    fn converse(
        &self,
        child: &mut Child,
        job: &CompileJob<'_>,
        is_idle: bool,
    ) -> Result<Answer, Failure> {
        let lost = || Failure::Lost("its pipes are missing".to_owned());
        let input = child.stdin.take().ok_or_else(lost)?;
        let output = child.stdout.take().ok_or_else(lost)?;
        let idle_child = is_idle.then(|| child.id());
        let until = self.until(Duration::from_secs(self.limits.wall_s.into()), idle_child);
        let answer = std::thread::scope(|scope| {
            // A child that ends early closes the pipe; its exit status says why.
            scope.spawn(move || drop(send(input, job)));
            let mut output = Bounded {
                compiler: self,
                output,
                until,
                left: LEAST_CODE + CODE_PER_BYTE * job.bytes.len(),
                failure: None,
            };
            let answer = read_answer(&mut output);
            let answer =
                answer.map_err(|error| output.failure.take().unwrap_or(Failure::of(error)));
            if matches!(answer, Err(ref failure) if !failure.is_by_the_child()) {
                // Also unblocks the sending thread if the child no longer reads.
                let _ = child.kill();
            }
            answer
        });
        match answer {
            Err(failure) if !failure.is_by_the_child() => Err(failure),
            answer => match self.wait(child, self.until(ENDING, None))? {
                status if status.success() => answer,
                // How it ended explains why the answer broke off.
                status => Err(Failure::Ended(status)),
            },
        }
    }

    fn wait(&self, child: &mut Child, until: Until) -> Result<ExitStatus, Failure> {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(error) => return Err(Failure::Lost(error.to_string())),
            }
            if let Some(failure) = self.ends(until) {
                return Err(failure);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Compiler for ChildCompiler {
    fn compile(&self, job: &CompileJob<'_>) -> Result<Compilation, LoadError> {
        let failed = |problem: String| LoadError::Compiler {
            file: job.file.to_owned(),
            problem,
        };
        let mut answer = self.attempt(job, self.gives_way.load(Ordering::Acquire));
        if matches!(answer, Err(Failure::Starved)) {
            // Every core is busy for good. A priority can't be raised again, so it begins anew with that of this thread.
            answer = self.attempt(job, false);
        }
        let Answer { header, code } =
            answer.map_err(|failure| failed(failure.explain(self.limits)))?;
        let compiled = header.outcome?;
        Ok(Compilation {
            shape: compiled.shape,
            code,
            compatibility: compiled.compatibility,
            warning: (!header.is_confined).then_some(UNCONFINED),
        })
    }

    fn cancel(&self) {
        self.is_canceled.store(true, Ordering::Release);
    }

    fn interrupt(&self) {
        self.interruptions.fetch_add(1, Ordering::AcqRel);
    }

    fn give_way(&self) {
        self.gives_way.store(true, Ordering::Release);
    }
}

fn send(mut input: ChildStdin, job: &CompileJob<'_>) -> io::Result<()> {
    let header = JobHeader {
        file: job.file.to_owned(),
        nan_canonicalisation: job.nan_canonicalisation,
    };
    write_header(&mut input, &header)?;
    input.write_all(job.bytes)
}

struct Answer {
    header: AnswerHeader,
    code: Vec<u8>,
}

fn read_answer(output: &mut Bounded<'_>) -> io::Result<Answer> {
    let header = read_header(output)?;
    let mut code = Vec::new();
    output.read_to_end(&mut code)?;
    Ok(Answer { header, code })
}

/// The child's output, limited in bytes and by a deadline.
struct Bounded<'a> {
    compiler: &'a ChildCompiler,
    output: ChildStdout,
    until: Until,
    left: usize,
    failure: Option<Failure>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let compiler = self.compiler;
        let until = self.until;
        let mut failure = None;
        let got = read_within(&mut self.output, buffer, || {
            failure = compiler.ends(until);
            failure.is_none()
        })?;
        let got = got.filter(|got| *got <= self.left);
        let Some(got) = got else {
            self.failure = Some(failure.unwrap_or(Failure::TooMuch));
            return Err(io::Error::other("the answer is not taken"));
        };
        self.left -= got;
        Ok(got)
    }
}

/// Reads the available bytes; none if `goes_on`, which is polled, ends the wait.
#[cfg(unix)]
fn read_within(
    from: &mut (impl Read + std::os::fd::AsFd),
    buffer: &mut [u8],
    mut goes_on: impl FnMut() -> bool,
) -> io::Result<Option<usize>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let look = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    while goes_on() {
        let mut ready = [PollFd::new(from, PollFlags::IN)];
        match poll(&mut ready, Some(&look)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return from.read(buffer).map(Some),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Why there is no answer.
enum Failure {
    NotStarted(io::Error),
    Canceled,
    Interrupted,
    Overdue,
    /// It yields to everything else, and that leaves it next to nothing.
    Starved,
    TooMuch,
    /// It closed its pipe in the middle.
    BrokeOff,
    Garbled(io::Error),
    Ended(ExitStatus),
    Lost(String),
}

impl Failure {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::BrokeOff,
            _ => Self::Garbled(error),
        }
    }

    /// Whether the child is about to end, or has, of its own accord.
    fn is_by_the_child(&self) -> bool {
        matches!(self, Self::BrokeOff)
    }

    fn explain(self, limits: CompileLimits) -> String {
        match self {
            Self::NotStarted(error) => format!("its process cannot be started: {error}"),
            Self::Starved => "other work keeps every core busy".to_owned(),
            Self::Canceled => "the host is shutting down".to_owned(),
            Self::Interrupted => "it was interrupted, to be compiled later".to_owned(),
            Self::Overdue => format!("it takes longer than {} s to compile", limits.wall_s),
            Self::TooMuch => "its machine code is too large".to_owned(),
            Self::BrokeOff => "the compiler's answer is not complete".to_owned(),
            Self::Garbled(error) => format!("the compiler's answer is not readable: {error}"),
            Self::Ended(status) => ending(status, limits),
            Self::Lost(problem) => format!("the compiler was lost: {problem}"),
        }
    }
}

/// Explains the end of a child by the limit that it hit.
#[cfg(unix)]
fn ending(status: ExitStatus, limits: CompileLimits) -> String {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status.signal().and_then(Signal::from_named_raw);
    match signal {
        Some(Signal::XCPU | Signal::KILL) => {
            format!(
                "it takes more than {} s of CPU time to compile",
                limits.cpu_s
            )
        }
        // What Rust does when there is no memory.
        Some(Signal::ABORT) => format!(
            "it needs more than {} MiB of memory to compile, or crashes the compiler",
            limits.memory_mib
        ),
        _ => format!("it crashes the compiler ({status})"),
    }
}
