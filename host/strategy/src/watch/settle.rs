//! The state machine of settling, which decides when a plugin is read.

use super::config::WatchConfig;
use std::time::Duration;

/// The minimum time between two polls, whatever the configuration.
const LEAST_GAP: Duration = Duration::from_millis(5);

/// The intervals of settling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) settle: Duration,
    pub(super) cap: Duration,
    pub(super) rescan: Duration,
    /// Time between polls that hints ask for, and between polls of files that are written without pause.
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

/// The settling state of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its files were read, or it is new and was never polled.
    Settled {
        /// Whether a change since then might not show in the metadata.
        recheck: bool,
    },
    /// Its files changed.
    Settling {
        /// When they first changed.
        since: Duration,
        /// When they last changed.
        changed: Duration,
    },
    /// Its module was read and is truncated; the rest may follow.
    Unfinished {
        /// When its files last changed.
        changed: Duration,
    },
}

/// The action after a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// Read it to check that it is unchanged.
    Verify,
    /// Read it and report the result.
    Read,
}

impl Phase {
    /// Starts settling.
    pub(super) const fn changed(now: Duration) -> Self {
        Self::Settling {
            since: now,
            changed: now,
        }
    }

    /// Advances by one poll that found the files the `same` as the poll before, and the module `absent` or not.
    pub(super) fn poll(
        self,
        same: bool,
        absent: bool,
        now: Duration,
        times: &Times,
    ) -> (Self, Step) {
        match (self, same) {
            (Self::Settled { recheck: false }, true) => (self, Step::Wait),
            (Self::Settled { recheck: true }, true) => (self, Step::Verify),
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
                    _ => (self, Step::Read),
                }
            }
        }
    }

    /// Returns when the plugin is to be read if nothing changes until then.
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
    fn every_phase_handles_every_poll() {
        use Step::{Read, Verify, Wait};
        let (same, other, there, absent) = (true, false, false, true);
        let settled = |recheck| Phase::Settled { recheck };
        let settling = |since, changed| Phase::Settling {
            since: ms(since),
            changed: ms(changed),
        };
        let unfinished = |at| Phase::Unfinished { changed: ms(at) };
        let check = |phase: Phase, same, absent, at, then, step| {
            let found = phase.poll(same, absent, ms(at), &Times::of(&WatchConfig::new("x")));
            assert_eq!(found, (then, step), "{phase:?} {same} {absent} {at}");
        };
        check(settled(false), same, there, 9, settled(false), Wait);
        check(settled(true), same, there, 9, settled(true), Verify);
        check(settled(false), other, there, 9, settling(9, 9), Wait);
        check(settled(true), other, there, 9, settling(9, 9), Wait);
        check(settling(5, 9), other, there, 900, settling(5, 900), Wait);
        check(settling(5, 9), same, there, 208, settling(5, 9), Wait);
        check(settling(5, 9), same, there, 209, settling(5, 9), Read);
        check(unfinished(9), same, there, 2_008, unfinished(9), Wait);
        check(unfinished(9), same, there, 2_009, unfinished(9), Read);
        check(unfinished(9), other, there, 900, settling(900, 900), Wait);
        // At the cap: keeps waiting after a change, but not after half a settle without one, unless the module is absent.
        let long = settling(0, 1_990);
        check(long, other, there, 2_000, settling(0, 2_000), Wait);
        check(long, same, there, 2_000, long, Wait);
        check(long, same, there, 2_090, long, Read);
        check(long, same, absent, 2_090, long, Wait);
        check(long, same, absent, 2_190, long, Read);
    }
}
