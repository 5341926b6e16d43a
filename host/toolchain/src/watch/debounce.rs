//! Decides when to build: sources must settle first, there is one build at a time, and a save during a build cancels it.
//!
//! A build of outdated sources is canceled rather than awaited: cargo ends at once and keeps the dependencies that it has
//! finished, and the crate itself has to be compiled again either way. The logic is pure: times come from the caller, as
//! time since some moment.

use std::time::Duration;

/// How long the sources must be unchanged before they are built: editors and formatters save in several steps.
pub const DEBOUNCE: Duration = Duration::from_millis(100);

/// The state of the builds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Debounce {
    /// Everything saved has been built.
    #[default]
    Idle,
    /// Something was saved, and more may follow.
    Settling {
        /// When the last change was seen.
        changed: Duration,
    },
    /// A build is running.
    Building,
}

/// An observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// The sources are the same as at the last poll.
    Same,
    /// The sources have changed.
    Changed,
    /// The build has ended.
    Ended,
}

/// The step to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebounceStep {
    /// Nothing to do yet.
    Wait,
    /// Start a build.
    Build,
    /// Cancel the running build, whose sources are outdated.
    Cancel,
}

impl Debounce {
    /// Advances the state by an observation at `now`, and returns the step to take.
    pub fn advance(&mut self, seen: SourceState, now: Duration) -> DebounceStep {
        let (next, step) = match (*self, seen) {
            (Self::Building, SourceState::Changed) => {
                (Self::Settling { changed: now }, DebounceStep::Cancel)
            }
            (_, SourceState::Changed) => (Self::Settling { changed: now }, DebounceStep::Wait),
            (Self::Settling { changed }, SourceState::Same)
                if now.saturating_sub(changed) >= DEBOUNCE =>
            {
                (Self::Building, DebounceStep::Build)
            }
            (Self::Building, SourceState::Ended) => (Self::Idle, DebounceStep::Wait),
            // A canceled build may still report its end.
            (state, SourceState::Same | SourceState::Ended) => (state, DebounceStep::Wait),
        };
        *self = next;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::SourceState::{Changed, Ended, Same};
    use super::*;

    /// Returns the steps for observations at these milliseconds, without waiting.
    fn steps(observations: &[(u64, SourceState)]) -> Vec<(u64, DebounceStep)> {
        let mut debounce = Debounce::default();
        let steps = observations
            .iter()
            .map(|(ms, seen)| (*ms, debounce.advance(*seen, Duration::from_millis(*ms))));
        steps
            .filter(|(_, step)| *step != DebounceStep::Wait)
            .collect()
    }

    #[test]
    fn a_save_is_built_once_it_has_settled() {
        let observations = [(0, Same), (50, Changed), (100, Same), (150, Same)];
        assert_eq!(steps(&observations), [(150, DebounceStep::Build)]);
        assert_eq!(steps(&[(0, Same), (500, Same)]), []);
    }

    #[test]
    fn saves_in_quick_succession_are_one_build() {
        let observations = [
            (0, Changed),
            (50, Same),
            (90, Changed),
            (140, Same),
            (180, Changed),
            (270, Same),
            (280, Same),
            (330, Same),
        ];
        assert_eq!(steps(&observations), [(280, DebounceStep::Build)]);
    }

    #[test]
    fn a_save_during_a_build_cancels_it_and_builds_again() {
        let observations = [
            (0, Changed),
            (100, Same),
            (400, Changed),
            // The canceled build reports its end.
            (410, Ended),
            (450, Same),
            (500, Same),
            (900, Ended),
            (950, Same),
        ];
        assert_eq!(
            steps(&observations),
            [
                (100, DebounceStep::Build),
                (400, DebounceStep::Cancel),
                (500, DebounceStep::Build)
            ]
        );
    }

    #[test]
    fn there_is_one_build_at_a_time() {
        let observations = [(0, Changed), (100, Same), (200, Same), (300, Same)];
        assert_eq!(steps(&observations), [(100, DebounceStep::Build)]);
        let again = [
            (0, Changed),
            (100, Same),
            (200, Ended),
            (300, Changed),
            (400, Same),
        ];
        assert_eq!(
            steps(&again),
            [(100, DebounceStep::Build), (400, DebounceStep::Build)]
        );
    }
}
