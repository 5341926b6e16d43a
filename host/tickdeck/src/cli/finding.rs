//! A finding of `doctor` or `bench` about the machine or the deck, as JSON and as a line of text.

use serde::Serialize;

/// The result of one check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) level: Level,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    /// Passed.
    pub(super) fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(what, Level::Ok, found, None)
    }

    /// Passed, with a hint for something better.
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
