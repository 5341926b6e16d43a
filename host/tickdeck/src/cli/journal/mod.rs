//! `tickdeck journal`: looks after the reels of a data folder.

mod export;
mod import;
mod ls;
mod prune;
mod show;
mod tail;
mod verify;

use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

/// Look at, check, export and prune what is kept of runs.
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    Ls(ls::Ls),
    Tail(tail::Tail),
    Show(show::Show),
    Verify(verify::Verify),
    Export(export::Export),
    Import(import::Import),
    Prune(prune::Prune),
}

impl Journal {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Ls(command) => command.run(),
            Self::Tail(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Export(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Prune(command) => command.run(),
        }
    }
}
