//! Asks for confirmation before an action that cannot be undone.

use anyhow::{Context, Result};
use std::io::{BufRead, Write};

/// Asks a question on the terminal; only `y` or `yes` confirms.
pub(super) fn confirmed(question: &str) -> Result<bool> {
    answered(
        question,
        &mut std::io::stdin().lock(),
        &mut std::io::stderr(),
    )
}

fn answered(
    question: &str,
    answers: &mut impl BufRead,
    questions: &mut impl Write,
) -> Result<bool> {
    write!(questions, "{question} [y/N] ")
        .and_then(|()| questions.flush())
        .context("cannot ask for confirmation")?;
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
    fn only_y_or_yes_confirms() {
        let said = |answer: &str| answered("so?", &mut answer.as_bytes(), &mut Vec::new()).unwrap();
        for yes in ["y\n", "Y\n", "yes\n", " YES \n", "y"] {
            assert!(said(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy\n", "kill\n"] {
            assert!(!said(no), "{no:?}");
        }
    }
}
