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

/// Returns the name that is nearest to `word`, if it is near enough to have been meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |name: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase());
    let (best, name) = names
        .into_iter()
        .map(|name| (distance(name), name))
        .min_by_key(|(distance, _)| *distance)?;
    let tolerated = 1 + word.chars().count().max(name.chars().count()) / 4;
    (best <= tolerated).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["max_notional", "collar_bps", "allow"];
        assert_eq!(nearest("max_notinal", names), Some("max_notional"));
        assert_eq!(nearest("colar_bps", names), Some("collar_bps"));
        assert_eq!(nearest("Allow", names), Some("allow"));
        assert_eq!(nearest("leverage", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
