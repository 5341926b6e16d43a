//! One thing that was looked at, and how it reads.

use crate::cli::json::{Finding, Level};

impl Finding {
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(what, Level::Ok, found, None)
    }

    /// All is well, and could be better.
    pub(super) fn hint(
        what: &'static str,
        found: impl Into<String>,
        better: impl Into<String>,
    ) -> Self {
        Self::new(what, Level::Ok, found, Some(better.into()))
    }

    pub(super) fn warn(
        what: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(what, Level::Warn, found, Some(fix.into()))
    }

    pub(super) fn fail(
        what: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(what, Level::Fail, found, Some(fix.into()))
    }

    pub(super) fn new(
        what: &'static str,
        level: Level,
        found: impl Into<String>,
        fix: Option<String>,
    ) -> Self {
        Self {
            what,
            level,
            found: found.into(),
            fix,
        }
    }

    pub(super) fn line(&self) -> String {
        let (level, advice) = match self.level {
            Level::Ok => ("ok  ", "hint"),
            Level::Warn => ("warn", "fix"),
            Level::Fail => ("FAIL", "fix"),
        };
        let fix = self.fix.as_ref().map_or_else(String::new, |fix| {
            format!("\n                     {advice}: {fix}")
        });
        format!("{level}  {:<14} {}{fix}\n", self.what, self.found)
    }
}
