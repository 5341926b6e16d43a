//! Whether diffs keep pace with the market.

use tickdeck_model::Timestamp;

/// How long quotes and trades may move without a diff, diffs may be behind a snapshot, or a proven book's top may move without a
/// quote. The slowest stream of diffs has one a second.
pub(super) const PATIENCE_NS: u64 = 3_000_000_000;

/// What a pause between two messages counts for at most. A connection that stalls delays the diffs with everything else; what
/// comes first after that shows nothing yet.
const MAX_PAUSE_NS: u64 = 1_000_000_000;

/// How far the market has come, as quotes and trades show it: diffs must come as far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    /// The id of a quote.
    pub(super) quote_id: u64,
    /// The venue's time of a trade.
    pub(super) trade_at: Timestamp,
}

/// The local time in which quotes and trades moved beyond the diffs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    moved_at: Timestamp,
    total_ns: u64,
    /// What the diffs must reach in time.
    target: Reach,
    /// What quotes and trades have shown since.
    newest: Reach,
}

impl Silence {
    pub(super) fn from(at: Timestamp, reach: Reach) -> Self {
        Self {
            moved_at: at,
            total_ns: 0,
            target: reach,
            newest: reach,
        }
    }

    /// Takes in that the market moved as far as this; returns whether a diff is overdue.
    pub(super) fn moved(&mut self, at: Timestamp, reach: Reach) -> bool {
        let pause = at.abs_diff(self.moved_at.min(at));
        self.total_ns += pause.min(MAX_PAUSE_NS);
        self.moved_at = self.moved_at.max(at);
        self.newest = Reach {
            quote_id: self.newest.quote_id.max(reach.quote_id),
            trade_at: self.newest.trade_at.max(reach.trade_at),
        };
        self.total_ns >= PATIENCE_NS
    }

    /// Takes in how far a diff has come; returns whether the diffs keep pace. Those that come late for good do not, however many
    /// come: they must reach by then what was new when the last target was reached.
    pub(super) fn is_over(&mut self, diff: Reach) -> bool {
        let is_reached =
            diff.quote_id >= self.target.quote_id && diff.trade_at >= self.target.trade_at;
        if !is_reached {
            return false;
        }
        if self.total_ns < PATIENCE_NS {
            return true;
        }
        (self.total_ns, self.target) = (0, self.newest);
        false
    }
}

/// Diffs that a snapshot is ahead of: the venue's time from which on they are watched, and how many ids they lacked then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lag {
    since: Timestamp,
    distance: u64,
}

impl Lag {
    pub(super) fn from(since: Timestamp, distance: u64) -> Self {
        Self { since, distance }
    }

    /// Takes in the distance of another diff; returns whether the diffs do not come near: not even by a tenth in the time.
    pub(super) fn is_hopeless(&mut self, ts_venue: Timestamp, distance: u64) -> bool {
        if ts_venue <= self.since.saturating_add_unsigned(PATIENCE_NS) {
            return false;
        }
        if distance > self.distance - self.distance / 10 {
            return true;
        }
        *self = Self::from(ts_venue, distance);
        false
    }
}
