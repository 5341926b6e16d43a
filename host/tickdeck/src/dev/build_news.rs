//! What the author of a strategy is told, on a terminal or on the board of a host.

use crate::output::print;
use std::path::PathBuf;
use std::time::Duration;
use tickdeck_deck::feed::{BuildPhase, BuildProgress, OperatorFeed, Topic, micros};
use tickdeck_strategy::LogLevel;
use tickdeck_toolchain::rust::Failure;

/// Errors of a build that are kept for the view.
const MOST_ERRORS: usize = 50;

/// How long the steps from a save to the version that trades took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildTimes {
    /// From the save to the first event.
    pub total: Duration,
    /// In cargo.
    pub build: Duration,
    /// From the module in the plugins folder to the handover: the watcher's patience, compiling, the rehearsal.
    pub settle: Duration,
    /// The handover itself, if there was a version before.
    pub swap_ns: Option<u64>,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildNews {
    /// The sources are watched.
    Watching(PathBuf),
    /// Something was saved and is being built.
    Builds,
    /// It does not build.
    Broken(Failure),
    /// It builds, to the module that is there already.
    Same,
    /// A module is in the plugins folder.
    Built {
        /// How long cargo took.
        took: Duration,
        /// What the compiler warns of, in numbers.
        warnings: usize,
        /// Where it lies.
        file: PathBuf,
    },
    /// It trades.
    Live(BuildTimes),
    /// It runs beside the one that trades.
    Shadow(BuildTimes),
    /// Something is wrong with the machine rather than with the strategy.
    Trouble(String),
}

/// Who hears the news.
pub trait BuildReporter: Send {
    /// Tells what there is of the strategy `name`.
    fn tell(&mut self, name: &str, news: &BuildNews);
}

/// Prints lines, as long as there is no host.
#[derive(Debug, Default)]
pub struct BuildPrinter;

impl BuildReporter for BuildPrinter {
    fn tell(&mut self, name: &str, news: &BuildNews) {
        // Without a reader it goes on: the builds matter, not the words.
        let words = news.words("waiting for the next save");
        let _ = print(&format!("{name}: {words}\n"));
    }
}

/// Writes on the board of a host.
pub struct FeedReporter(pub OperatorFeed);

impl BuildReporter for FeedReporter {
    fn tell(&mut self, name: &str, news: &BuildNews) {
        let level = match news {
            BuildNews::Broken(_) | BuildNews::Trouble(_) => LogLevel::Error,
            _ => LogLevel::Info,
        };
        let meanwhile = "the version before goes on";
        self.0.show_build_progress(news.draft(name, meanwhile));
        if news.is_worth_a_line() {
            self.0
                .say(Topic::Build, name, level, &news.words(meanwhile));
        }
    }
}

impl BuildNews {
    /// Steps on the way are shown while they last.
    const fn is_worth_a_line(&self) -> bool {
        !matches!(self, Self::Watching(_) | Self::Builds | Self::Built { .. })
    }

    /// With all that the compiler says; `meanwhile` is what happens if it does not build.
    fn words(&self, meanwhile: &str) -> String {
        let headline = self.headline(meanwhile);
        match self {
            Self::Broken(failure) => format!("{headline}\n{}\n", failure.rendered),
            _ => headline,
        }
    }

    /// On one line.
    fn headline(&self, meanwhile: &str) -> String {
        match self {
            Self::Watching(folder) => format!("save something in {} to swap it", folder.display()),
            Self::Builds => "building".to_owned(),
            Self::Broken(failure) => match failure.errors.len() {
                1 => format!("does not build, 1 error; {meanwhile}"),
                count => format!("does not build, {count} errors; {meanwhile}"),
            },
            Self::Same => "builds, to the same module as before".to_owned(),
            Self::Built {
                took,
                warnings,
                file,
            } => {
                let warnings = match warnings {
                    0 => String::new(),
                    1 => " with 1 warning".to_owned(),
                    count => format!(" with {count} warnings"),
                };
                let took = took.as_secs_f64();
                format!("built in {took:.2} s{warnings}: {}", file.display())
            }
            Self::Live(times) => format!("saved -> live in {}", times.words()),
            Self::Shadow(times) => format!("saved -> runs beside in {}", times.words()),
            Self::Trouble(words) => words.clone(),
        }
    }

    fn draft(&self, name: &str, meanwhile: &str) -> BuildProgress {
        let (phase, errors) = match self {
            Self::Broken(failure) => (BuildPhase::Broken, failure.errors.clone()),
            Self::Trouble(_) => (BuildPhase::Broken, Vec::new()),
            Self::Live(_) | Self::Same => (BuildPhase::Live, Vec::new()),
            Self::Watching(_) | Self::Builds | Self::Built { .. } | Self::Shadow(_) => {
                (BuildPhase::Underway, Vec::new())
            }
        };
        BuildProgress {
            headline: format!("{name}: {}", self.headline(meanwhile)),
            phase,
            errors: errors.into_iter().take(MOST_ERRORS).collect(),
        }
    }
}

impl BuildTimes {
    /// `1.34 s (build 0.9 s, settle 0.2 s, swap 85 us)`
    fn words(&self) -> String {
        let swap = self
            .swap_ns
            .map_or_else(String::new, |ns| format!(", swap {}", micros(ns)));
        format!(
            "{:.2} s (build {:.1} s, settle {:.1} s{swap})",
            self.total.as_secs_f64(),
            self.build.as_secs_f64(),
            self.settle.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_a_save_is_told_step_by_step() {
        let times = BuildTimes {
            total: Duration::from_millis(1_340),
            build: Duration::from_millis(900),
            settle: Duration::from_millis(210),
            swap_ns: Some(85_000),
        };
        assert_eq!(
            BuildNews::Live(times).words(""),
            "saved -> live in 1.34 s (build 0.9 s, settle 0.2 s, swap 85 us)"
        );
        let first = BuildTimes {
            swap_ns: None,
            ..times
        };
        assert_eq!(
            BuildNews::Live(first).words(""),
            "saved -> live in 1.34 s (build 0.9 s, settle 0.2 s)"
        );
    }

    #[test]
    fn a_broken_build_stands_in_the_view_line_by_line_and_in_the_lines_as_the_compiler_prints_it() {
        let failure = Failure {
            errors: vec!["src/lib.rs:81:23: mismatched types".to_owned()],
            rendered: "error[E0308]: mismatched types\n --> src/lib.rs:81:23".to_owned(),
        };
        let news = BuildNews::Broken(failure.clone());
        let draft = news.draft("ema", "it waits");
        assert_eq!(draft.headline, "ema: does not build, 1 error; it waits");
        assert_eq!(
            (draft.phase, draft.errors),
            (BuildPhase::Broken, failure.errors)
        );
        assert!(news.words("it waits").contains("\n --> src/lib.rs:81:23"));
    }
}
