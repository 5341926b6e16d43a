//! Asking back before something that can't be undone.

use anyhow::{Context, Result};
use std::io::{BufRead, Write};

/// Asks back on the terminal; only a `y` or `yes` is one.
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
        let said = |answer: &str| answered("so?", &mut answer.as_bytes(), &mut Vec::new()).unwrap();
        for yes in ["y\n", "Y\n", "yes\n", " YES \n", "y"] {
            assert!(said(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy\n", "kill\n"] {
            assert!(!said(no), "{no:?}");
        }
    }
}
