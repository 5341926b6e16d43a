//! What a frame does to a book, and what shows that a book is not the market's.

use crate::binance::top_check::Top;

/// How a book is synchronised again after a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// By a snapshot, which the caller fetches when asked.
    Snapshot,
    /// By a snapshot if one arrives, else by proof from the exchange's best bid and ask.
    Evidence {
        /// Consecutive depth events whose top must agree.
        agreements: u32,
    },
}

/// Asks the caller to fetch a snapshot of the book and hand it to [`BookSync::snapshot`](super::BookSync::snapshot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// A snapshot older than this is of no use.
    pub at_least_id: u64,
}

/// The effect of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncStep {
    /// The frame was applied to the book.
    Applied,
    /// All its ids were known; the frame was ignored.
    Duplicate,
    /// The frame is kept until a snapshot arrives or the book is proven.
    Kept,
    /// Diffs between these ids are missing; the book was stale, if only until a snapshot that was there already.
    Gap {
        /// The last id of the book.
        expected: u64,
        /// The id of the book that the diff changes.
        got: u64,
    },
    /// The book contradicts itself or the exchange; it was stale, if only until a snapshot that was there already.
    Contradicted(Contradiction),
    /// A price reached levels that the book does not know: the book is stale, or counts as proven by quotes (see
    /// [`BookSync::is_live`](super::BookSync::is_live)).
    BeyondKnown,
    /// The book is synchronised.
    Synced(Synced),
    /// A snapshot that cannot be used: older than the book or than the diffs kept, crossed, with one side only, no deeper than the book,
    /// or of another market than the one that the quotes prove.
    SnapshotUnused,
}

/// How the book was synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synced {
    /// A snapshot.
    Snapshot,
    /// The exchange's best bid and ask.
    Evidence,
}

/// What shows that a book is not that of the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// Its top is not the exchange's own best bid and ask.
    Quotes {
        /// The update id.
        last_id: u64,
        /// The book's.
        local: Top,
        /// The exchange's.
        exchange: Top,
    },
    /// Its top is not that of a snapshot of the same update id.
    Snapshot {
        /// The update id.
        last_id: u64,
        /// The book's.
        local: Top,
        /// The snapshot's.
        exchange: Top,
    },
    /// Its best bid is not below its best ask, for more than one message.
    Crossed {
        /// The update id.
        last_id: u64,
        /// The book's.
        local: Top,
    },
    /// A newer diff has ids that were used before.
    IdsWentBack {
        /// The last id so far.
        last_id: u64,
        /// The diff's last id.
        got: u64,
    },
    /// Quotes or trades moved for a while, and the diffs did not keep pace.
    Silent {
        /// The update id.
        last_id: u64,
    },
    /// Diffs come, and stay behind the snapshot that the book is from.
    Behind {
        /// The snapshot's id.
        last_id: u64,
        /// The diff's last id.
        got: u64,
    },
    /// The book is proven by quotes alone; its top moved for a while, and no quote came.
    Unproven {
        /// The update id.
        last_id: u64,
    },
    /// Too many frames in a row could not be read; one of them may have been a diff.
    Unreadable {
        /// Their number.
        frames: u32,
    },
}
