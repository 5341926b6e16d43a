//! The command line: one struct a subcommand, each in a file of its own.
//!
//! Exit codes: 0 all is well, 1 a failure (one sentence on standard error), 2 a usage error, 3 no host runs there, 130
//! broken off by Ctrl-C.

mod bench;
mod build;
mod check;
mod completions;
mod confirm;
mod data;
mod demo;
mod dev;
mod doctor;
mod explain;
mod finding;
mod host_client;
mod journal;
mod json;
mod kill;
mod machine;
mod new;
mod progress;
mod replay;
mod repository;
mod run;
mod run_options;
mod sign;
mod status;
mod status_text;
mod step_view;
mod strategies;
mod top;
mod what_if;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tickdeck_control::ControlError;

/// The exit code of a command line that can't be followed; the same as of one that can't be parsed.
const USAGE_ERROR: u8 = 2;
/// The exit code of a command to a host that is not there.
const NO_HOST: u8 = 3;
/// The exit code of a command that Ctrl-C ended before it was done.
const INTERRUPTED: u8 = 130;

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
    Dev(dev::Dev),
    Run(run::Run),
    Status(status::Status),
    Top(top::Top),
    Strategies(strategies::Strategies),
    Kill(kill::Kill),
    New(new::New),
    Build(build::BuildCommand),
    Check(check::Check),
    Sign(sign::Sign),
    #[command(subcommand)]
    Data(data::Data),
    #[command(subcommand)]
    Journal(journal::Journal),
    Replay(replay::Replay),
    Explain(explain::Explain),
    Doctor(doctor::Doctor),
    Bench(bench::Bench),
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
            Command::Dev(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Top(command) => command.run(),
            Command::Strategies(command) => command.run(),
            Command::Kill(command) => command.run(),
            Command::New(command) => command.run(),
            Command::Build(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Sign(command) => command.run(),
            Command::Data(command) => command.run(),
            Command::Journal(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Completions(command) => Ok(command.run()),
        }
    }
}

/// The exit code that an error ends the process with.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(ControlError::NobodyListens) => ExitCode::from(NO_HOST),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        every_command_shows_an_example(&mut command);
    }

    fn every_command_shows_an_example(command: &mut clap::Command) {
        for sub in command.get_subcommands_mut() {
            let name = sub.get_name().to_owned();
            let help = sub.render_long_help().to_string();
            assert!(
                help.contains("tickdeck ") || ["help", "data", "journal"].contains(&name.as_str()),
                "{name}:\n{help}"
            );
            every_command_shows_an_example(sub);
        }
    }

    #[test]
    fn a_host_that_is_not_there_has_an_exit_code_of_its_own() {
        let none = anyhow::Error::from(ControlError::NobodyListens);
        assert_eq!(exit_code(&none), ExitCode::from(3));
        let other = anyhow::anyhow!("no strategy is named `x`");
        assert_eq!(exit_code(&other), ExitCode::from(1));
    }
}
