//! The client that operator commands share: finds the host, sends a request and prints the answer.

use crate::cli::status_text;
use crate::output::{print, print_json};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tickdeck_control::protocol::HostStatus;
use tickdeck_control::{Answer, Client, ControlError, Request, socket_path};
use tickdeck_model::untrusted::printable;

/// The host that runs a deck.
#[derive(Debug, Clone, Args)]
pub(super) struct Host {
    /// Folder of the deck that the host runs
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    deck: PathBuf,
    /// Print the host's answer as one JSON object
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Host {
    /// Sends a request to the host and prints the answer.
    pub(super) fn run(&self, request: &Request) -> Result<ExitCode> {
        let answer = self.ask(request)?;
        if self.json {
            print_json(&answer)?;
        } else {
            print(&status_text::answer(&answer))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Sends a request and prints the answer, then each consequence as it takes effect. Fails if one does not.
    pub(super) fn follow(&self, request: &Request) -> Result<ExitCode> {
        let (mut answers, mut printed) = (Vec::new(), Ok(true));
        let followed = self.connect()?.follow(request, |answer| {
            if !self.json && !matches!(answer, Answer::Refused { .. }) {
                printed = print(&status_text::answer(&answer));
            }
            answers.push(answer);
        });
        printed?;
        let mut problems: Vec<String> = answers.iter().filter_map(refusal).collect();
        problems.extend(followed.err().map(|error| error.to_string()));
        if self.json && !answers.is_empty() {
            let mut first = serde_json::to_value(answers.remove(0))?;
            first["then"] = serde_json::to_value(answers)?;
            print_json(&first)?;
        }
        match problems.is_empty() {
            true => Ok(ExitCode::SUCCESS),
            false => bail!(problems.join("; ")),
        }
    }

    /// Returns the status of the host.
    pub(super) fn status(&self) -> Result<HostStatus> {
        match self.ask(&Request::Status)? {
            Answer::Status(status) => Ok(*status),
            _ => bail!("the host did not answer with its status"),
        }
    }

    /// Returns the note that a strategy has for its operator, if any.
    pub(super) fn note(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_owned();
        match self.ask(&Request::Show { name })? {
            Answer::Strategy(detail) => Ok(detail.line.note),
            _ => bail!("the host did not answer with the strategy"),
        }
    }

    /// Connects to the host.
    pub(super) fn connect(&self) -> Result<Client, ControlError> {
        Client::connect(&socket_path(&self.deck)?)
    }

    /// Sends a request; a refusal is an error.
    fn ask(&self, request: &Request) -> Result<Answer> {
        match self.connect()?.ask(request)? {
            Answer::Refused { message } => bail!("{}", printable(&message)),
            answer => Ok(answer),
        }
    }
}

/// Returns the text of a refusal.
fn refusal(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Refused { message } => Some(printable(message).into_owned()),
        _ => None,
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
    fn a_host_is_found_by_its_deck_and_its_refusals_are_errors() {
        let deck = tempfile::tempdir().unwrap();
        let path = socket_path(deck.path()).unwrap();
        let server = Server::open(&path, Arc::new(Fake)).unwrap();
        let host = host(&deck);
        assert_eq!(host.status().unwrap().pid, 7);
        assert_eq!(host.ask(&Request::Kill).unwrap(), Answer::done("killed"));
        let name = "x".to_owned();
        let refused = host.ask(&Request::Remove { name }).unwrap_err();
        let message = r"no strategy is named `x\u{1b}`";
        assert_eq!(refused.to_string(), message);

        drop(server);
        let error = host.status().unwrap_err();
        assert_eq!(crate::exit::exit_code(&error), ExitCode::from(3));
    }

    #[test]
    fn a_missing_deck_is_named_and_is_not_a_missing_host() {
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
