//! `tickdeck kill`: turns on the kill switch.

use super::confirm::confirmed;
use crate::cli::host_client::Host;
use crate::exit::USAGE_ERROR;
use crate::output::note;
use anyhow::{Result, bail};
use clap::Args;
use std::io::IsTerminal;
use std::process::ExitCode;
use tickdeck_control::Request;

/// Cancel every order and deny new ones until `tickdeck run --clear-kill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck kill
  tickdeck kill --yes --deck ~/decks/btc")]
pub(super) struct Kill {
    #[command(flatten)]
    host: Host,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl Kill {
    pub(super) fn run(self) -> Result<ExitCode> {
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                note(
                    "error: cannot ask for confirmation without a terminal: run `tickdeck kill --yes`",
                );
                return Ok(ExitCode::from(USAGE_ERROR));
            }
            // Fail before asking if no host is running.
            drop(self.host.connect()?);
            if !confirmed("cancel every order and deny new ones?")? {
                bail!("canceled, nothing was done");
            }
        }
        self.host.follow(&Request::Kill)
    }
}
