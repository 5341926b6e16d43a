//! What the operator's commands have in common: which host they speak to, and what becomes of its answer.

use crate::cli::status_text;
use crate::output::{print, print_json};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_control::protocol::HostStatus;
use tickdeck_control::{Answer, Client, ControlError, Request, socket_path};

/// The host that runs a deck.
#[derive(Debug, Clone, Args)]
pub(super) struct Host {
    /// The deck that the host runs
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    deck: PathBuf,
    /// Print the host's answer as one JSON object
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Host {
    /// Asks the host and prints its answer.
    pub(super) fn run(&self, request: &Request) -> Result<ExitCode> {
        let answer = self.ask(request)?;
        if self.json {
            print_json(&answer)?;
        } else {
            print(&status_text::answer(&answer))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// How the host stands.
    pub(super) fn status(&self) -> Result<HostStatus> {
        match self.ask(&Request::Status)? {
            Answer::Status(status) => Ok(*status),
            _ => bail!("the host answered something else than its status"),
        }
    }

    /// What a strategy has to tell its operator, if it has something.
    pub(super) fn note(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_owned();
        match self.ask(&Request::Show { name })? {
            Answer::Strategy(detail) => Ok(detail.line.note),
            _ => bail!("the host answered something else than the strategy"),
        }
    }

    /// Looks whether a host is there.
    pub(super) fn reach(&self) -> Result<Client, ControlError> {
        Client::connect(&socket_path(&self.deck)?)
    }

    /// Asks; a refusal is an error.
    fn ask(&self, request: &Request) -> Result<Answer> {
        match self.reach()?.ask(request)? {
            Answer::Refused { message } => bail!(status_text::printable(&message)),
            answer => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tickdeck_control::{Handler, Server};

    struct Fake;

    impl Handler for Fake {
        fn handle(&self, request: Request) -> Answer {
            match request {
                Request::Status => Answer::Status(Box::new(HostStatus {
                    pid: 7,
                    ..HostStatus::default()
                })),
                Request::Kill => Answer::done("killed"),
                _ => Answer::refused("no strategy is named `x\u{1b}`"),
            }
        }
    }

    fn host(deck: &tempfile::TempDir) -> Host {
        Host {
            deck: deck.path().to_owned(),
            json: false,
        }
    }

    #[test]
    fn a_deck_s_host_is_found_by_the_deck_s_folder_and_its_refusals_are_errors() {
        let deck = tempfile::tempdir().unwrap();
        let path = socket_path(deck.path()).unwrap();
        let server = Server::open(&path, Arc::new(Fake)).unwrap();
        let host = host(&deck);
        assert_eq!(host.status().unwrap().pid, 7);
        assert_eq!(host.ask(&Request::Kill).unwrap(), Answer::done("killed"));
        let name = "x".to_owned();
        let refused = host.ask(&Request::Remove { name }).unwrap_err();
        let message = "no strategy is named `x\u{fffd}`";
        assert_eq!(refused.to_string(), message);

        drop(server);
        let gone = host.status().unwrap_err();
        assert_eq!(crate::exit::exit_code(&gone), ExitCode::from(3));
    }

    #[test]
    fn a_deck_that_is_not_there_is_named_and_is_no_missing_host() {
        let deck = tempfile::tempdir().unwrap();
        let host = Host {
            deck: deck.path().join("none"),
            json: false,
        };
        let error = host.status().unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
        assert_eq!(crate::exit::exit_code(&error), ExitCode::FAILURE);
    }
}
