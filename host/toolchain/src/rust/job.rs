//! A build that runs in the background, can be canceled at any time, and keeps the compiler's messages.

use super::cargo::{self, Message, Package};
use super::target::ensure_wasm_target;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Maximum number of messages kept of one build.
const MOST_MESSAGES: usize = 10_000;

/// Maximum number of lines kept of cargo's own output.
const MOST_LINES: usize = 200;

/// How long to wait for cargo's own output after its messages have ended.
const OUTPUT_WITHIN: Duration = Duration::from_millis(500);

/// A strategy's crate depends on one of these: the SDK, or the bindings of the contract.
const STRATEGY_DEPENDENCIES: [&str; 2] = ["tickdeck-sdk", "wit-bindgen"];

/// A strategy's crate that is built repeatedly.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
    /// The root of its workspace.
    root: PathBuf,
    package: Package,
}

impl Project {
    /// Opens the crate in `folder`, and adds the compiler's target if it is missing.
    ///
    /// # Errors
    /// The folder is not a crate, the crate is not a strategy, or the wasm target cannot be added: one sentence with the fix.
    pub fn open(folder: &Path) -> Result<Self> {
        let (root, package) = cargo::package(folder)?;
        let is_strategy = |name: &String| STRATEGY_DEPENDENCIES.contains(&name.as_str());
        if !package.depends_on.iter().any(is_strategy) {
            bail!(
                "{} is not a strategy, it does not depend on tickdeck-sdk: add that to its Cargo.toml, or start with \
                 `tickdeck new my-strategy`",
                folder.display()
            );
        }
        ensure_wasm_target(&root)?;
        let folder = folder
            .canonicalize()
            .with_context(|| format!("cannot find {}", folder.display()))?;
        Ok(Self {
            folder,
            root,
            package,
        })
    }

    /// Returns the package's name, which is also the strategy's.
    pub fn name(&self) -> &str {
        &self.package.name
    }

    /// Returns the crate's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The outcome of a build.
#[derive(Debug)]
pub enum Outcome {
    /// The build succeeded.
    Built {
        /// The module in cargo's target folder.
        module: PathBuf,
        /// Number of compiler warnings.
        warnings: usize,
    },
    /// The build failed.
    Failed(Failure),
}

/// The errors of a failed build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Each error on one line, with its place.
    pub errors: Vec<String>,
    /// The errors as the compiler prints them.
    pub rendered: String,
}

/// A running build. Dropping it cancels the build with all of its processes.
pub struct Job {
    cargo: Child,
    package: Package,
    messages: Option<JoinHandle<Vec<Message>>>,
    output: Receiver<Vec<String>>,
}

impl Job {
    /// Starts a build. `on_end` is called on another thread when the messages have ended; then call
    /// [`finish`](Self::finish). With `verbose`, cargo's progress goes to standard error.
    ///
    /// # Errors
    /// Cargo cannot be started.
    pub fn start(
        project: &Project,
        verbose: bool,
        on_end: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let package = project.package.clone();
        let packages = std::slice::from_ref(&package);
        let mut cargo = cargo::command(&project.root, packages, false, "json")
            .stderr(Stdio::piped())
            // A group of its own, so that it can be killed with the compilers that it started.
            .process_group(0)
            .spawn()
            .context("cannot start cargo; install Rust from https://rustup.rs")?;
        let stdout = cargo.stdout.take().expect("the output was piped above");
        let stderr = cargo.stderr.take().expect("the errors were piped above");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            // The receiver may be gone.
            let _ = sender.send(read_output(stderr, verbose));
        });
        let messages = std::thread::spawn(move || {
            let messages = read_messages(stdout);
            on_end();
            messages
        });
        Ok(Self {
            cargo,
            package,
            messages: Some(messages),
            output,
        })
    }

    /// Waits for the build and returns its outcome.
    ///
    /// # Errors
    /// Cargo cannot be waited for, or reports no module.
    pub fn finish(mut self) -> Result<Outcome> {
        let messages = self.messages.take().and_then(|thread| thread.join().ok());
        let messages = messages.unwrap_or_default();
        let status = self.cargo.wait().context("cannot wait for cargo")?;
        let diagnostics = messages.iter().filter_map(|one| one.message.as_ref());
        if status.success() {
            return Ok(Outcome::Built {
                module: cargo::module(&self.package, &messages)?,
                warnings: diagnostics.filter(|one| one.is_warning()).count(),
            });
        }
        let errors: Vec<_> = diagnostics.filter(|one| one.is_error()).collect();
        if errors.is_empty() {
            let output = self.output.recv_timeout(OUTPUT_WITHIN);
            return Ok(Outcome::Failed(cargo_failure(&output.unwrap_or_default())));
        }
        let rendered = errors.iter().map(|error| error.rendered().trim_end());
        Ok(Outcome::Failed(Failure {
            rendered: rendered.collect::<Vec<_>>().join("\n\n"),
            errors: errors.iter().map(|error| error.line()).collect(),
        }))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Until the process is waited for, its id cannot be taken by another one.
        if matches!(self.cargo.try_wait(), Ok(None)) {
            let group = i32::try_from(self.cargo.id()).ok().and_then(Pid::from_raw);
            // An error means that it has just ended.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = self.cargo.wait();
        }
    }
}

/// Reads cargo's messages up to the last one. A process that cargo started may keep the pipe open for longer.
fn read_messages(stdout: ChildStdout) -> Vec<Message> {
    let lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut messages = Vec::new();
    // Other lines come from build scripts or tools.
    for message in lines.filter_map(|line| serde_json::from_str::<Message>(&line).ok()) {
        if message.reason == "build-finished" {
            break;
        }
        if messages.len() < MOST_MESSAGES {
            messages.push(message);
        }
    }
    messages
}

fn read_output(stderr: ChildStderr, verbose: bool) -> Vec<String> {
    let mut output = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if verbose {
            eprintln!("{line}");
        }
        if output.len() < MOST_LINES {
            output.push(line);
        }
    }
    output
}

/// Returns the failure of a build that did not reach the compiler: an invalid Cargo.toml, a missing dependency.
fn cargo_failure(output: &[String]) -> Failure {
    let first = output.iter().position(|line| line.starts_with("error"));
    let output = &output[first.unwrap_or(0)..];
    // Without the headings and the excerpt of the file.
    let is_message = |line: &&str| {
        let is_excerpt = line.starts_with('|') || line.contains(" | ");
        !line.is_empty() && *line != "Caused by:" && !is_excerpt
    };
    let lines = output.iter().map(|line| line.trim()).filter(is_message);
    let lines: Vec<&str> = lines
        .map(|line| line.trim_start_matches("error: "))
        .collect();
    let error = match lines[..] {
        [] => "cargo failed without a message".to_owned(),
        _ => lines.join(": "),
    };
    Failure {
        rendered: output.join("\n"),
        errors: vec![error],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_cargo_itself_are_reported_too() {
        let output = [
            "   Compiling nothing",
            "error: failed to parse manifest at `Cargo.toml`",
            "",
            "Caused by:",
            "  TOML parse error",
            "   --> Cargo.toml:3:1",
            "    |",
            "  3 | [workspace]",
        ]
        .map(str::to_owned);
        let failure = cargo_failure(&output);
        assert_eq!(
            failure.errors,
            ["failed to parse manifest at `Cargo.toml`: TOML parse error: --> Cargo.toml:3:1"]
        );
        assert!(failure.rendered.starts_with("error: failed"));
        assert_eq!(cargo_failure(&[]).errors.len(), 1);
    }
}
