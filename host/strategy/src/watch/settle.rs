//! When a plugin is read: the state machine of settling.

use super::config::WatchConfig;
use std::time::Duration;

/// The least gap between two looks, whatever the configuration.
const LEAST_GAP: Duration = Duration::from_millis(5);

/// The times that settling goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) settle: Duration,
    pub(super) cap: Duration,
    pub(super) rescan: Duration,
    /// Between looks that hints ask for, and between looks at what is written without end.
    pub(super) gap: Duration,
}

impl Times {
    pub(super) fn of(config: &WatchConfig) -> Self {
        let gap = (config.settle / 2).max(LEAST_GAP);
        Self {
            settle: config.settle.max(gap),
            cap: config.settle_cap,
            rescan: config.rescan.max(gap),
            gap,
        }
    }
}

/// How far a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its files were read, or it is new and was never looked at.
    Settled {
        /// A change since might not show from outside.
        doubtful: bool,
    },
    /// Its files changed.
    Settling {
        /// When they first did.
        since: Duration,
        /// When they last did.
        changed: Duration,
    },
    /// Its module was read and breaks off; the rest may come.
    Unfinished {
        /// When its files last changed.
        changed: Duration,
    },
}

/// What to do after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// Read it to see whether it is still what it was.
    Verify,
    /// Read it, and say what it is.
    Judge,
}

impl Phase {
    /// Starts to settle.
    pub(super) const fn changed(now: Duration) -> Self {
        Self::Settling {
            since: now,
            changed: now,
        }
    }

    /// Goes on by one look that found the files the `same` as the look before, and the module `absent` or not.
    pub(super) fn look(
        self,
        same: bool,
        absent: bool,
        now: Duration,
        times: &Times,
    ) -> (Self, Step) {
        match (self, same) {
            (Self::Settled { doubtful: false }, true) => (self, Step::Wait),
            (Self::Settled { doubtful: true }, true) => (self, Step::Verify),
            (Self::Settled { .. } | Self::Unfinished { .. }, false) => {
                (Self::changed(now), Step::Wait)
            }
            (Self::Settling { since, .. }, false) => {
                let changed = now;
                (Self::Settling { since, changed }, Step::Wait)
            }
            (Self::Settling { .. } | Self::Unfinished { .. }, true) => {
                match self.due(absent, times) {
                    Some(due) if now < due => (self, Step::Wait),
                    _ => (self, Step::Judge),
                }
            }
        }
    }

    /// When it is to be read, if nothing changes until then.
    pub(super) fn due(self, absent: bool, times: &Times) -> Option<Duration> {
        let (since, changed) = match self {
            Self::Settled { .. } => return None,
            Self::Settling { since, changed } => (since, changed),
            Self::Unfinished { changed } => return Some(changed + times.cap.max(times.settle)),
        };
        let settled = changed + times.settle;
        // A strategy is not stopped in the middle of a rebuild, however long that takes.
        let capped = (since + times.cap).max(changed + times.gap);
        Some(if absent { settled } else { settled.min(capped) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn every_phase_answers_every_look() {
        use Step::{Judge, Verify, Wait};
        let (same, other, there, absent) = (true, false, false, true);
        let settled = |doubtful| Phase::Settled { doubtful };
        let settling = |since, changed| Phase::Settling {
            since: ms(since),
            changed: ms(changed),
        };
        let unfinished = |at| Phase::Unfinished { changed: ms(at) };
        let check = |phase: Phase, same, absent, at, then, step| {
            let found = phase.look(same, absent, ms(at), &Times::of(&WatchConfig::new("x")));
            assert_eq!(found, (then, step), "{phase:?} {same} {absent} {at}");
        };
        check(settled(false), same, there, 9, settled(false), Wait);
        check(settled(true), same, there, 9, settled(true), Verify);
        check(settled(false), other, there, 9, settling(9, 9), Wait);
        check(settled(true), other, there, 9, settling(9, 9), Wait);
        check(settling(5, 9), other, there, 900, settling(5, 900), Wait);
        check(settling(5, 9), same, there, 208, settling(5, 9), Wait);
        check(settling(5, 9), same, there, 209, settling(5, 9), Judge);
        check(unfinished(9), same, there, 2_008, unfinished(9), Wait);
        check(unfinished(9), same, there, 2_009, unfinished(9), Judge);
        check(unfinished(9), other, there, 900, settling(900, 900), Wait);
        // At the cap: a change keeps waiting, half a settle without one does not, unless the module is absent.
        let long = settling(0, 1_990);
        check(long, other, there, 2_000, settling(0, 2_000), Wait);
        check(long, same, there, 2_000, long, Wait);
        check(long, same, there, 2_090, long, Judge);
        check(long, same, absent, 2_090, long, Wait);
        check(long, same, absent, 2_190, long, Judge);
    }
}
