//! `tickdeck strategies`: lists the strategies of the running host, and acts on them.

use super::confirm::confirmed;
use crate::cli::host_client::Host;
use crate::exit::USAGE_ERROR;
use crate::output::note;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use tickdeck_control::Request;

/// List the strategies of the running host, or act on one of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck strategies
  tickdeck strategies show ema-cross
  tickdeck strategies pause --all
  tickdeck strategies rollback ema-cross --deck ~/decks/btc")]
pub(super) struct Strategies {
    #[command(flatten)]
    host: Host,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show everything about a strategy: parameters, permissions, generations, times, faults, log
    #[command(after_help = "Example:\n  tickdeck strategies show ema-cross")]
    Show(One),
    /// Deny new orders; the strategy still gets events
    #[command(
        after_help = "Examples:\n  tickdeck strategies pause ema-cross\n  tickdeck strategies pause --all"
    )]
    Pause(OneOrAll),
    /// Deny orders that do not reduce a position
    #[command(
        after_help = "Examples:\n  tickdeck strategies reduce ema-cross\n  tickdeck strategies reduce --all"
    )]
    Reduce(OneOrAll),
    /// End a pause or a reduce-only mode; does not lift a kill
    #[command(
        after_help = "Examples:\n  tickdeck strategies resume ema-cross\n  tickdeck strategies resume --all"
    )]
    Resume(OneOrAll),
    /// Reload the module and swap it in
    #[command(after_help = "Example:\n  tickdeck strategies reload ema-cross")]
    Reload(One),
    /// Swap the previous generation back in
    #[command(after_help = "Example:\n  tickdeck strategies rollback ema-cross")]
    Rollback(One),
    /// Swap in the shadow version
    #[command(after_help = "Example:\n  tickdeck strategies promote ema-cross")]
    Promote(One),
    /// Stop a strategy and remove it from the deck
    #[command(after_help = "Example:\n  tickdeck strategies remove ema-cross")]
    Remove(One),
    /// Grant a strategy the permissions that it requests
    #[command(
        after_help = "Examples:\n  tickdeck strategies approve ema-cross\n  tickdeck strategies approve ema-cross --yes"
    )]
    Approve(Approval),
}

#[derive(Debug, Args)]
struct One {
    /// The strategy's name
    name: String,
}

#[derive(Debug, Args)]
struct Approval {
    /// The strategy's name
    name: String,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OneOrAll {
    /// The strategy's name
    name: Option<String>,
    /// All strategies
    #[arg(long)]
    all: bool,
}

impl Strategies {
    pub(super) fn run(self) -> Result<ExitCode> {
        let request = match self.action.map_or(Ok(Request::Strategies), Action::request) {
            Ok(request) => request,
            Err(approval) => match approval.request(&self.host)? {
                Some(request) => request,
                None => return Ok(ExitCode::from(USAGE_ERROR)),
            },
        };
        self.host.run(&request)
    }
}

impl Approval {
    /// Builds the approval of exactly what the operator is shown now; `None` if it can't be asked for.
    fn request(self, host: &Host) -> Result<Option<Request>> {
        let Self { name, yes } = &self;
        let seen = host.note(name)?;
        if let Some(asks) = &seen {
            note(asks);
            if !yes && !std::io::stdin().is_terminal() {
                note(format!(
                    "error: cannot ask for confirmation without a terminal: run `tickdeck strategies approve {name} --yes`"
                ));
                return Ok(None);
            }
            if !yes && !confirmed("grant this?")? {
                bail!("nothing was granted");
            }
        }
        Ok(Some(self.of(seen)))
    }

    /// The approval of what was seen.
    fn of(self, seen: Option<String>) -> Request {
        let Self { name, .. } = self;
        Request::Approve { name, seen }
    }
}

impl Action {
    /// Builds the request; an approval first has to show what is requested.
    fn request(self) -> Result<Request, Approval> {
        Ok(match self {
            Self::Show(One { name }) => Request::Show { name },
            Self::Pause(which) => Request::Pause { name: which.name },
            Self::Reduce(which) => Request::Reduce { name: which.name },
            Self::Resume(which) => Request::Resume { name: which.name },
            Self::Reload(One { name }) => Request::Reload { name },
            Self::Rollback(One { name }) => Request::Rollback { name },
            Self::Promote(One { name }) => Request::Promote { name },
            Self::Remove(One { name }) => Request::Remove { name },
            Self::Approve(approval) => return Err(approval),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        strategies: Strategies,
    }

    fn request(line: &str) -> Result<Request, clap::Error> {
        let arguments = std::iter::once("strategies").chain(line.split_whitespace());
        let parsed = Line::try_parse_from(arguments)?.strategies;
        let request = parsed
            .action
            .map_or(Ok(Request::Strategies), Action::request);
        Ok(request.unwrap_or_else(|approval| approval.of(None)))
    }

    #[test]
    fn every_command_sends_the_request_of_its_name() {
        for command in [
            "show", "pause", "reduce", "resume", "reload", "rollback", "promote", "remove",
            "approve",
        ] {
            let request = request(&format!("{command} x")).unwrap();
            let wire = serde_json::to_value(&request).unwrap();
            let expected = serde_json::json!({"command": command, "name": "x"});
            assert_eq!(wire, expected);
        }
        assert_eq!(request("").unwrap(), Request::Strategies);
    }

    #[test]
    fn all_strategies_are_meant_only_with_all() {
        assert_eq!(
            request("pause --all").unwrap(),
            Request::Pause { name: None }
        );
        for line in ["pause", "resume", "reduce", "pause x --all", "remove --all"] {
            request(line).unwrap_err();
        }
    }

    #[test]
    fn the_deck_can_be_named_before_or_after_the_command() {
        for line in ["--deck d --json show x", "show x --deck d --json"] {
            let arguments = std::iter::once("strategies").chain(line.split_whitespace());
            let host = Line::try_parse_from(arguments).unwrap().strategies.host;
            let text = format!("{host:?}");
            assert_eq!(text, r#"Host { deck: "d", json: true }"#, "{line}");
        }
    }
}
