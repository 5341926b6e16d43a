//! The command line: one struct a subcommand, each in a file of its own.
//!
//! Exit codes: 0 all is well, 1 a failure (one sentence on standard error), 2 a usage error, 130 a second Ctrl-C.

mod build;
mod check;
mod completions;
mod data;
mod demo;
mod doctor;
mod new;
mod playing;
mod repository;
mod run;
mod sign;
mod wire;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Trades with strategies compiled to WebAssembly: each in a sandbox of its own, all on one tape.
#[derive(Debug, Parser)]
#[command(
    name = "tickdeck",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    New(new::New),
    Build(build::BuildCommand),
    Check(check::Check),
    Sign(sign::Sign),
    #[command(subcommand)]
    Data(data::Data),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Whatever goes wrong, as a sentence that names the thing, the place and the fix.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Demo(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::New(command) => command.run(),
            Command::Build(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Sign(command) => command.run(),
            Command::Data(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Completions(command) => Ok(command.run()),
        }
    }
}

/// An error with its causes as one sentence. Causes that the text above them already tells are not told twice.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands_mut() {
            let name = sub.get_name().to_owned();
            let help = sub.render_long_help().to_string();
            assert!(
                help.contains("tickdeck ") || name == "help" || name == "data",
                "{name}:\n{help}"
            );
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no such file")
            .context("a.wasm: cannot be read: no such file")
            .context("cannot check");
        assert_eq!(
            sentence(&error),
            "cannot check: a.wasm: cannot be read: no such file"
        );
    }
}
