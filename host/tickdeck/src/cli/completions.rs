//! `tickdeck completions`: prints completions of the command line for a shell.

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;
use std::process::ExitCode;

/// Print command-line completions for a shell.
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
    /// Prints the completions for `command`, the whole command line.
    pub(super) fn run(self, mut command: Command) -> Result<ExitCode> {
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut std::io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}
