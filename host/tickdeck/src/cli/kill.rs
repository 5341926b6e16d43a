//! `tickdeck kill`: the kill switch.

use super::USAGE_ERROR;
use super::host::Host;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};
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
            let stdin = std::io::stdin();
            if !stdin.is_terminal() {
                eprintln!(
                    "error: nobody can be asked back without a terminal: say `tickdeck kill --yes`"
                );
                return Ok(ExitCode::from(USAGE_ERROR));
            }
            // Nobody is asked about a host that is not there.
            drop(self.host.reach()?);
            if !confirmed(&mut stdin.lock(), &mut std::io::stderr())? {
                bail!("nothing was done");
            }
        }
        self.host.run(&Request::Kill)
    }
}

/// Asks back; only a `y` or `yes` is one.
fn confirmed(answers: &mut impl BufRead, questions: &mut impl Write) -> Result<bool> {
    write!(questions, "cancel every order and deny new ones? [y/N] ")
        .and_then(|()| questions.flush())
        .context("cannot ask back")?;
    let mut answer = String::new();
    answers
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    let answer = answer.trim().to_lowercase();
    Ok(answer == "y" || answer == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        let said = |answer: &str| confirmed(&mut answer.as_bytes(), &mut Vec::new()).unwrap();
        for yes in ["y\n", "Y\n", "yes\n", " YES \n", "y"] {
            assert!(said(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy\n", "kill\n"] {
            assert!(!said(no), "{no:?}");
        }
    }
}
