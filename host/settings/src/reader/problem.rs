//! The mistakes of a configuration file: all of them at once, each with its line.

use std::fmt;

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
    /// The mistakes; never empty.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{} at {}:{}", problem.what, self.file, problem.line)?;
            if let Some(fix) = &problem.fix {
                write!(f, ", {fix}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
