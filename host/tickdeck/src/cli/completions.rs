//! `tickdeck completions`: what a shell needs to complete the command line.

use super::Cli;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::process::ExitCode;

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck completions bash > ~/.local/share/bash-completion/completions/tickdeck
  tickdeck completions zsh > ~/.zfunc/_tickdeck
  tickdeck completions fish > ~/.config/fish/completions/tickdeck.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> ExitCode {
        clap_complete::generate(
            self.shell,
            &mut Cli::command(),
            "tickdeck",
            &mut std::io::stdout(),
        );
        ExitCode::SUCCESS
    }
}
