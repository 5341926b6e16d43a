//! When to build: what was saved settles first, there is one build at a time, and a save during a build ends it.
//!
//! A build of something that is no longer what the author wants is given up rather than waited for: cargo ends at once,
//! keeps what it finished of the dependencies, and the compiler of the one crate has to start over either way.
//! Pure: times come from the caller, as time since some moment.

use std::time::Duration;

/// How long the sources must be left alone before they are built: editors and formatters save in several steps.
pub const DEBOUNCE: Duration = Duration::from_millis(100);

/// Where the builds stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Debounce {
    /// What was saved was built.
    #[default]
    Idle,
    /// Something was saved and may not be all.
    Settling {
        /// When something was last seen to change.
        changed: Duration,
    },
    /// What was saved is being built.
    Building,
}

/// What is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// The sources are as they were at the look before.
    Same,
    /// Something in them changed.
    Changed,
    /// The build has ended.
    Ended,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebounceStep {
    /// Nothing yet.
    Wait,
    /// Build now.
    Build,
    /// Stop the build that runs: its sources are old.
    GiveUp,
}

impl Debounce {
    /// Goes on by what is seen at `now`.
    pub fn go_on(&mut self, sight: SourceState, now: Duration) -> DebounceStep {
        let (next, step) = match (*self, sight) {
            (Self::Building, SourceState::Changed) => {
                (Self::Settling { changed: now }, DebounceStep::GiveUp)
            }
            (_, SourceState::Changed) => (Self::Settling { changed: now }, DebounceStep::Wait),
            (Self::Settling { changed }, SourceState::Same)
                if now.saturating_sub(changed) >= DEBOUNCE =>
            {
                (Self::Building, DebounceStep::Build)
            }
            (Self::Building, SourceState::Ended) => (Self::Idle, DebounceStep::Wait),
            // A build that was given up may still say that it ended.
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

    /// What is done about sights at these milliseconds, waiting left out.
    fn steps(sights: &[(u64, SourceState)]) -> Vec<(u64, DebounceStep)> {
        let mut rhythm = Debounce::default();
        let steps = sights
            .iter()
            .map(|(ms, sight)| (*ms, rhythm.go_on(*sight, Duration::from_millis(*ms))));
        steps
            .filter(|(_, step)| *step != DebounceStep::Wait)
            .collect()
    }

    #[test]
    fn a_save_is_built_once_it_was_left_alone_for_the_debounce() {
        let sights = [(0, Same), (50, Changed), (100, Same), (150, Same)];
        assert_eq!(steps(&sights), [(150, DebounceStep::Build)]);
        assert_eq!(steps(&[(0, Same), (500, Same)]), []);
    }

    #[test]
    fn saves_in_quick_succession_are_one_build() {
        let sights = [
            (0, Changed),
            (50, Same),
            (90, Changed),
            (140, Same),
            (180, Changed),
            (270, Same),
            (280, Same),
            (330, Same),
        ];
        assert_eq!(steps(&sights), [(280, DebounceStep::Build)]);
    }

    #[test]
    fn a_save_during_a_build_gives_it_up_and_builds_what_is_there_then() {
        let sights = [
            (0, Changed),
            (100, Same),
            (400, Changed),
            // The one that was given up still speaks.
            (410, Ended),
            (450, Same),
            (500, Same),
            (900, Ended),
            (950, Same),
        ];
        assert_eq!(
            steps(&sights),
            [
                (100, DebounceStep::Build),
                (400, DebounceStep::GiveUp),
                (500, DebounceStep::Build)
            ]
        );
    }

    #[test]
    fn there_is_one_build_at_a_time() {
        let sights = [(0, Changed), (100, Same), (200, Same), (300, Same)];
        assert_eq!(steps(&sights), [(100, DebounceStep::Build)]);
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
