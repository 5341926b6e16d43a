//! A build that runs in the background, can be given up at any moment, and keeps the compiler's words.

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

/// Messages of one build that are kept.
const MOST_MESSAGES: usize = 10_000;

/// Lines of cargo's own words that are kept.
const MOST_WORDS: usize = 200;

/// How long cargo's last words may take once its messages have ended.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(500);

/// What a crate depends on, if it is a strategy: the SDK, or the bindings of the contract.
const MARKS_OF_A_STRATEGY: [&str; 2] = ["tickdeck-sdk", "wit-bindgen"];

/// A strategy's crate that is built again and again.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
    /// Of its workspace.
    root: PathBuf,
    package: Package,
}

impl Project {
    /// Looks at the crate in `folder`, and gets the compiler's target if it is missing.
    ///
    /// # Errors
    /// It is no crate, no strategy, or the wasm target can't be had: one sentence with the fix.
    pub fn open(folder: &Path) -> Result<Self> {
        let (root, package) = cargo::package(folder)?;
        let is_strategy = |name: &String| MARKS_OF_A_STRATEGY.contains(&name.as_str());
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

    /// The package's name, which is the strategy's.
    pub fn name(&self) -> &str {
        &self.package.name
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// What a build came to.
#[derive(Debug)]
pub enum Outcome {
    /// A module.
    Built {
        /// Where cargo left it.
        module: PathBuf,
        /// What the compiler warns of, in numbers.
        warnings: usize,
    },
    /// It does not build.
    Failed(Failure),
}

/// Why something does not build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// Each error on one line, with its place.
    pub errors: Vec<String>,
    /// Everything as the compiler would print it.
    pub rendered: String,
}

/// A build at work. Dropped, it is given up: nothing of it goes on running.
pub struct Job {
    cargo: Child,
    package: Package,
    messages: Option<JoinHandle<Vec<Message>>>,
    words: Receiver<Vec<String>>,
}

impl Job {
    /// Starts to build. `on_end` is called on another thread once there is nothing more to come: then call
    /// [`finish`](Self::finish). With `aloud`, cargo's progress goes to standard error.
    ///
    /// # Errors
    /// Cargo can't be started.
    pub fn start(
        project: &Project,
        aloud: bool,
        on_end: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        let package = project.package.clone();
        let packages = std::slice::from_ref(&package);
        let mut cargo = cargo::command(&project.root, packages, false, "json")
            .stderr(Stdio::piped())
            // A group of its own, so that it can be ended with the compilers that it started.
            .process_group(0)
            .spawn()
            .context("cannot start cargo; install Rust from https://rustup.rs")?;
        let stdout = cargo.stdout.take().expect("the output was piped above");
        let stderr = cargo.stderr.take().expect("the errors were piped above");
        let (told, words) = channel();
        std::thread::spawn(move || {
            // Whoever listened may have given up.
            let _ = told.send(words_of(stderr, aloud));
        });
        let messages = std::thread::spawn(move || {
            let messages = messages_of(stdout);
            on_end();
            messages
        });
        Ok(Self {
            cargo,
            package,
            messages: Some(messages),
            words,
        })
    }

    /// What it came to; waits for it.
    ///
    /// # Errors
    /// Cargo can't be waited for, or names no module.
    pub fn finish(mut self) -> Result<Outcome> {
        let messages = self.messages.take().and_then(|thread| thread.join().ok());
        let messages = messages.unwrap_or_default();
        let status = self.cargo.wait().context("cannot wait for cargo")?;
        let said = messages.iter().filter_map(|one| one.message.as_ref());
        if status.success() {
            return Ok(Outcome::Built {
                module: cargo::module(&self.package, &messages)?,
                warnings: said.filter(|one| one.is_warning()).count(),
            });
        }
        let errors: Vec<_> = said.filter(|one| one.is_error()).collect();
        if errors.is_empty() {
            let words = self.words.recv_timeout(LAST_WORDS_WITHIN);
            return Ok(Outcome::Failed(of_cargo(&words.unwrap_or_default())));
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
        // Its number can't mean another process: until it is waited for, it stays taken.
        if matches!(self.cargo.try_wait(), Ok(None)) {
            let group = i32::try_from(self.cargo.id()).ok().and_then(Pid::from_raw);
            // An error means that it has just ended.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = self.cargo.wait();
        }
    }
}

/// Cargo's messages up to the last one. A helper that cargo started may keep the pipe open for longer.
fn messages_of(stdout: ChildStdout) -> Vec<Message> {
    let lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut messages = Vec::new();
    // What is no message is a build script's or a tool's own.
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

fn words_of(stderr: ChildStderr, aloud: bool) -> Vec<String> {
    let mut words = Vec::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if aloud {
            eprintln!("{line}");
        }
        if words.len() < MOST_WORDS {
            words.push(line);
        }
    }
    words
}

/// A failure that the compiler did not get to see: a Cargo.toml that makes no sense, a crate that can't be had.
fn of_cargo(words: &[String]) -> Failure {
    let first = words.iter().position(|line| line.starts_with("error"));
    let words = &words[first.unwrap_or(0)..];
    // Without the headings and the picture of the place.
    let is_told = |line: &&str| {
        let is_picture = line.starts_with('|') || line.contains(" | ");
        !line.is_empty() && *line != "Caused by:" && !is_picture
    };
    let told = words.iter().map(|line| line.trim()).filter(is_told);
    let told: Vec<&str> = told
        .map(|line| line.trim_start_matches("error: "))
        .collect();
    let error = match told[..] {
        [] => "cargo failed without a word".to_owned(),
        _ => told.join(": "),
    };
    Failure {
        rendered: words.join("\n"),
        errors: vec![error],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_itself_has_against_a_crate_is_told_too() {
        let words = [
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
        let failure = of_cargo(&words);
        assert_eq!(
            failure.errors,
            ["failed to parse manifest at `Cargo.toml`: TOML parse error: --> Cargo.toml:3:1"]
        );
        assert!(failure.rendered.starts_with("error: failed"));
        assert_eq!(of_cargo(&[]).errors.len(), 1);
    }
}
