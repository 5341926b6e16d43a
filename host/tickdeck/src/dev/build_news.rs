//! Reports the progress of builds to the author of a strategy, on a terminal or through the feed of a host.

use crate::output::print;
use std::path::PathBuf;
use std::time::Duration;
use tickdeck_deck::feed::{BuildPhase, BuildProgress, OperatorFeed, Topic, micros};
use tickdeck_model::Untrusted;
use tickdeck_strategy::LogLevel;
use tickdeck_toolchain::rust::Failure;

/// Maximum number of a build's errors shown in the view.
const MOST_ERRORS: usize = 50;

/// The times of the steps from a save to the version that trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildTimes {
    /// From the save to the first event.
    pub total: Duration,
    /// Time in cargo.
    pub build: Duration,
    /// From the module in the plugins folder to the handover: the watcher's delay, compiling, the dry run.
    pub settle: Duration,
    /// The handover itself, if there was a previous version.
    pub swap_ns: Option<u64>,
}

/// News about a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildNews {
    /// The sources are watched.
    Watching(PathBuf),
    /// A build has started.
    Building,
    /// The build failed.
    Broken(Failure),
    /// The build produced the module that is installed already.
    Unchanged,
    /// A module was installed in the plugins folder.
    Built {
        /// Time in cargo.
        took: Duration,
        /// Number of compiler warnings.
        warnings: usize,
        /// The installed module.
        file: PathBuf,
    },
    /// The new version trades.
    Live(BuildTimes),
    /// The new version runs in the shadow of the one that trades.
    Shadow(BuildTimes),
    /// The build could not be run.
    Trouble(String),
}

/// Reports news about builds.
pub trait BuildReporter: Send {
    /// Reports news about the strategy `name`.
    fn report(&mut self, name: &str, news: &BuildNews);
}

/// Prints lines while there is no host.
#[derive(Debug, Default)]
pub struct BuildPrinter;

impl BuildReporter for BuildPrinter {
    fn report(&mut self, name: &str, news: &BuildNews) {
        // The loop continues even if nobody reads the output: the builds matter, not the lines.
        let text = news.text("waiting for the next save");
        let _ = print(&format!("{name}: {text}\n"));
    }
}

/// Writes to the feed of a host.
pub struct FeedReporter(pub OperatorFeed);

impl BuildReporter for FeedReporter {
    fn report(&mut self, name: &str, news: &BuildNews) {
        let level = match news {
            BuildNews::Broken(_) | BuildNews::Trouble(_) => LogLevel::Error,
            _ => LogLevel::Info,
        };
        let meanwhile = "the previous version keeps running";
        self.0.show_build_progress(news.draft(name, meanwhile));
        if news.is_worth_a_line() {
            self.0.say(Topic::Build, name, level, &news.text(meanwhile));
        }
    }
}

impl BuildNews {
    /// Returns whether the news is worth a line in the log; other steps are only shown while they last.
    const fn is_worth_a_line(&self) -> bool {
        !matches!(
            self,
            Self::Watching(_) | Self::Building | Self::Built { .. }
        )
    }

    /// Formats the news with the compiler's messages; `meanwhile` says what happens after a failed build.
    fn text(&self, meanwhile: &str) -> String {
        let headline = self.headline(meanwhile);
        match self {
            Self::Broken(failure) => format!("{headline}\n{}\n", failure.rendered),
            _ => headline,
        }
    }

    /// Formats the news in one line.
    fn headline(&self, meanwhile: &str) -> String {
        match self {
            Self::Watching(folder) => format!(
                "watching {}; save a file to swap the strategy",
                Untrusted::path(folder)
            ),
            Self::Building => "building".to_owned(),
            Self::Broken(failure) => match failure.errors.len() {
                1 => format!("does not build, 1 error; {meanwhile}"),
                count => format!("does not build, {count} errors; {meanwhile}"),
            },
            Self::Unchanged => "built, with no change to the module".to_owned(),
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
                format!("built in {took:.2} s{warnings}: {}", Untrusted::path(file))
            }
            Self::Live(times) => format!("saved -> live in {}", times.text()),
            Self::Shadow(times) => format!("saved -> in the shadow in {}", times.text()),
            Self::Trouble(problem) => problem.clone(),
        }
    }

    fn draft(&self, name: &str, meanwhile: &str) -> BuildProgress {
        let (phase, errors) = match self {
            Self::Broken(failure) => (BuildPhase::Broken, failure.errors.clone()),
            Self::Trouble(_) => (BuildPhase::Broken, Vec::new()),
            Self::Live(_) | Self::Unchanged => (BuildPhase::Live, Vec::new()),
            Self::Watching(_) | Self::Building | Self::Built { .. } | Self::Shadow(_) => {
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
    fn text(&self) -> String {
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
    fn the_times_of_a_save_are_shown_step_by_step() {
        let times = BuildTimes {
            total: Duration::from_millis(1_340),
            build: Duration::from_millis(900),
            settle: Duration::from_millis(210),
            swap_ns: Some(85_000),
        };
        assert_eq!(
            BuildNews::Live(times).text(""),
            "saved -> live in 1.34 s (build 0.9 s, settle 0.2 s, swap 85 us)"
        );
        let first = BuildTimes {
            swap_ns: None,
            ..times
        };
        assert_eq!(
            BuildNews::Live(first).text(""),
            "saved -> live in 1.34 s (build 0.9 s, settle 0.2 s)"
        );
    }

    #[test]
    fn a_failed_build_has_one_line_per_error_in_the_view_and_the_compilers_output_in_the_log() {
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
        assert!(news.text("it waits").contains("\n --> src/lib.rs:81:23"));
    }
}
