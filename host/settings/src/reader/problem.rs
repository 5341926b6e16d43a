//! The mistakes of a configuration file: all of them at once, each with its line.

use std::fmt;
use std::path::Path;
use tickdeck_model::Untrusted;

/// Maximum number of mistakes that a message lists.
const MAX_SHOWN: usize = 20;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The mistake: "unknown key `max_notinal`".
    pub what: String,
    /// The fix, unless it is obvious: "did you mean `max_notional`?".
    pub fix: Option<String>,
}

/// Every mistake of one file, in the order of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file as the user named it.
    pub file: String,
    /// The mistakes; never empty. If there are many, the first that were found.
    pub list: Vec<Problem>,
    /// Number of mistakes that are not listed.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = Untrusted::path(Path::new(&self.file));
        for (at, problem) in self.list.iter().take(MAX_SHOWN).enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{} at {file}:{}", problem.what, problem.line)?;
            if let Some(fix) = &problem.fix {
                write!(f, ", {fix}")?;
            }
        }
        match self.list.len().saturating_sub(MAX_SHOWN) + self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more mistakes in {file}"),
        }
    }
}

impl std::error::Error for Problems {}
