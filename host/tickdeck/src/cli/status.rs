//! `tickdeck status`: shows the status of the running host.

use crate::cli::host_client::Host;
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;
use tickdeck_control::Request;

/// Show the status of the running host: figures, strategies and prices.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck status
  tickdeck status --deck ~/decks/btc --json")]
pub(super) struct Status {
    #[command(flatten)]
    host: Host,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.host.run(&Request::Status)
    }
}
