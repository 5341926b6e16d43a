//! The command line: one struct for each command, in a file of its own with the JSON that it prints.
//!
//! To add a command, write its file and a row in the table below. [`crate::exit`] lists the exit codes.

mod bench;
mod build;
mod check;
mod command_table;
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
mod kill;
mod machine;
mod module;
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
use clap::{CommandFactory, Parser};
use command_table::command_table;
use std::process::ExitCode;

/// Run trading strategies compiled to WebAssembly, each in its own sandbox, all on one tape.
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

// In the order in which `--help` lists them.
command_table! {
    enum Command {
        demo::Demo(),
        dev::Dev(),
        run::Run(),
        status::Status(),
        top::Top(),
        strategies::Strategies(),
        kill::Kill(),
        new::New(),
        build::Build(),
        check::Check(),
        sign::Sign(),
        #[command(subcommand)]
        data::Data(),
        #[command(subcommand)]
        journal::Journal(),
        replay::Replay(),
        explain::Explain(),
        doctor::Doctor(),
        bench::Bench(),
        completions::Completions(Cli::command()),
    }
}

impl Cli {
    /// Carries out the command.
    ///
    /// # Errors
    /// The failure, as a sentence that names the problem, its place and the fix.
    pub fn run(self) -> Result<ExitCode> {
        self.command.run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
