//! `tickdeck kill`: the kill switch.

use super::confirm::confirmed;
use crate::cli::host_client::Host;
use crate::exit::USAGE_ERROR;
use anyhow::{Result, bail};
use clap::Args;
use std::io::IsTerminal;
use std::process::ExitCode;
use tickdeck_control::Request;

/// Cancel every order and deny new ones, until `tickdeck run --clear-kill`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck kill
  tickdeck kill --yes --deck ~/decks/btc")]
pub(super) struct Kill {
    #[command(flatten)]
    host: Host,
    /// Do not ask back
    #[arg(long)]
    yes: bool,
}

impl Kill {
    pub(super) fn run(self) -> Result<ExitCode> {
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                eprintln!(
                    "error: nobody can be asked back without a terminal: say `tickdeck kill --yes`"
                );
                return Ok(ExitCode::from(USAGE_ERROR));
            }
            // Nobody is asked about a host that is not there.
            drop(self.host.reach()?);
            if !confirmed("cancel every order and deny new ones?")? {
                bail!("canceled, nothing was done");
            }
        }
        self.host.run(&Request::Kill)
    }
}
