//! Synchronises a local book from diffs and snapshots, and reports its state: a state machine without I/O.
//!
//! The exchange's rule: diffs carry their first and last update id (`U`, `u`); the first one applied to a snapshot must
//! have `U <= lastUpdateId + 1 <= u`, every further one `U == previous u + 1`. Anything else is a gap. Diffs that
//! arrive while a snapshot is awaited are kept, up to a bound; a snapshot older than the kept diffs is requested again.
//!
//! Events: deltas level by level; on a gap `stale`; once synchronised again `clear`, the levels, and `live`.
//!
//! A snapshot is cut off at some depth, and levels beyond are unknown until they change. The book therefore remembers the
//! depth of the snapshot. When the best price moves beyond it, a snapshot is requested, and the top is no longer trusted:
//! it is verified against the exchange's best bid and ask ([`Recovery::Evidence`]), or else stale as after a gap.
//!
//! # Recovery without a snapshot
//!
//! In a capture, requests are not answered. Guessing the missing levels is not allowed; but the exchange's own best bid
//! and ask ([`Recovery::Evidence`]) can prove a book. After a gap the book is discarded and rebuilt from diffs alone, so
//! every level in it is exact, though levels that have not changed since are missing. When its top has equalled the
//! exchange's for `agreements` consecutive depth events, the book is live. It stays under verification: the first mismatch (the
//! price reached a level that is missing) makes it stale again. A proven book can thus be too thin away from the top,
//! never too thick, and a snapshot that does come replaces it.

use super::book::LocalBook;
use super::wire::{BookTicker, DepthSnapshot, DepthUpdate, Levels};
use crate::binance::top_check::{Top, TopCheck, TopVerdict};
use std::collections::VecDeque;
use tickdeck_model::{
    Body, BookChange, BookUpdate, InstrumentId, Pad, Price, Side, Size, VenueId, VenueScope,
    VenueState, VenueStatus,
};

/// Diffs kept while a snapshot is awaited: 200 s of the 100 ms stream. The oldest go first, which at worst means asking
/// for a newer snapshot.
const MAX_KEPT_UPDATES: usize = 2_000;
/// Maximum number of levels of all kept diffs; they are counted only after a large diff. Real diffs have a few hundred; a line
/// of a hostile file has room for a million.
const MAX_KEPT_LEVELS: usize = 1 << 21;
const LARGE_UPDATE: usize = 1 << 11;

/// A snapshot side with this many levels counts as cut off there. It is the smallest depth that is requested to build a
/// book; a book that really ends there only costs a needless resynchronisation when its whole side is empty.
const CUT_AT_LEVELS: usize = 100;

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

/// Asks the caller to fetch a snapshot of the book and hand it to [`BookSync::snapshot`].
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
    /// Diffs between these ids are missing; the book is stale.
    Gap {
        /// The expected first id.
        expected: u64,
        /// The actual first id.
        got: u64,
    },
    /// The best price moved beyond the depth of the snapshot: the book is stale, or under verification (see
    /// [`BookSync::is_live`]).
    BeyondSnapshot,
    /// The book is synchronised.
    Synced(Synced),
    /// A snapshot that cannot be used: older than the book or than the diffs kept.
    SnapshotTooOld,
}

/// How the book was synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synced {
    /// A snapshot.
    Snapshot,
    /// The exchange's best bid and ask.
    Evidence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No book yet; diffs are kept.
    Waiting,
    /// Whole from a snapshot.
    Whole {
        /// Whether the next diff may begin before the book's id: the first after a snapshot.
        may_straddle: bool,
    },
    /// Being rebuilt from diffs; holds the number of consecutive tops that agreed.
    Rebuilding { agreed: u32 },
    /// Proven at the top, and verified at every depth event.
    Proven,
}

#[derive(Debug, Clone)]
struct Kept {
    first_id: u64,
    last_id: u64,
    levels: Levels,
}

/// One instrument's book and its synchronisation state.
#[derive(Debug, Clone)]
pub struct BookSync {
    instrument: InstrumentId,
    venue: VenueId,
    recovery: Recovery,
    state: State,
    book: LocalBook,
    /// Last id the book, or the diffs kept, have reached.
    last_id: Option<u64>,
    kept: VecDeque<Kept>,
    top_check: TopCheck,
    /// Worst price of the snapshot's bids and asks, where it was cut.
    cut: (Option<Price>, Option<Price>),
    request: Option<SnapshotRequest>,
}

impl BookSync {
    /// A book that waits for its first frames.
    pub fn new(instrument: InstrumentId, venue: VenueId, recovery: Recovery) -> Self {
        Self {
            instrument,
            venue,
            recovery,
            state: State::Waiting,
            book: LocalBook::default(),
            last_id: None,
            kept: VecDeque::new(),
            top_check: TopCheck::default(),
            cut: (None, None),
            request: None,
        }
    }

    /// The book; only to be traded against while [`BookSync::is_live`].
    pub fn book(&self) -> &LocalBook {
        &self.book
    }

    /// Whether the book is whole, by a snapshot or by proof.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Whole { .. } | State::Proven)
    }

    /// Last update id of the book, or of the diffs kept.
    pub fn last_id(&self) -> Option<u64> {
        self.last_id
    }

    /// Takes the request for a snapshot, if there is one. Each is given once; ask again here if the fetch failed.
    pub fn take_request(&mut self) -> Option<SnapshotRequest> {
        self.request.take()
    }

    /// Processes a diff and appends its changes.
    pub fn depth(
        &mut self,
        update: &DepthUpdate,
        levels: &Levels,
        out: &mut Vec<Body>,
    ) -> SyncStep {
        let Some(last) = self.last_id else {
            self.say(VenueState::Stale, out);
            self.start_over(update, levels);
            return SyncStep::Kept;
        };
        let expected = last.saturating_add(1);
        if update.last_id <= last {
            return SyncStep::Duplicate;
        }
        let follows = match self.state {
            State::Whole { may_straddle: true } => update.first_id <= expected,
            State::Waiting | State::Whole { .. } | State::Rebuilding { .. } | State::Proven => {
                update.first_id == expected
            }
        };
        if !follows {
            if self.is_live() {
                self.say(VenueState::Stale, out);
            }
            self.start_over(update, levels);
            return SyncStep::Gap {
                expected,
                got: update.first_id,
            };
        }
        self.last_id = Some(update.last_id);
        match self.state {
            State::Waiting => {
                self.keep(update, levels);
                SyncStep::Kept
            }
            State::Whole { .. } => {
                self.apply(levels);
                self.state = State::Whole {
                    may_straddle: false,
                };
                let beyond = self.is_beyond_snapshot();
                if beyond {
                    self.leave_snapshot(out);
                    self.keep(update, levels);
                    self.top_check
                        .depth(update.last_id, Top::of_book(&self.book));
                }
                if self.is_live() {
                    self.tell_deltas(update.last_id, levels, out);
                }
                if beyond {
                    SyncStep::BeyondSnapshot
                } else {
                    SyncStep::Applied
                }
            }
            State::Rebuilding { .. } => {
                self.rebuild_with(update, levels);
                SyncStep::Kept
            }
            State::Proven => {
                self.rebuild_with(update, levels);
                self.tell_deltas(update.last_id, levels, out);
                SyncStep::Applied
            }
        }
    }

    /// Processes a snapshot and appends the whole book if that synchronises it.
    pub fn snapshot(
        &mut self,
        snapshot: &DepthSnapshot,
        levels: &Levels,
        out: &mut Vec<Body>,
    ) -> SyncStep {
        let was_live = self.is_live();
        if matches!(self.state, State::Whole { .. })
            && self.last_id.is_some_and(|last| snapshot.last_id <= last)
        {
            return SyncStep::SnapshotTooOld;
        }
        while self
            .kept
            .front()
            .is_some_and(|kept| kept.last_id <= snapshot.last_id)
        {
            self.kept.pop_front();
        }
        let straddles = self
            .kept
            .front()
            .is_none_or(|first| first.first_id <= snapshot.last_id.saturating_add(1));
        if !straddles {
            self.request = self.kept.front().map(|first| SnapshotRequest {
                at_least_id: first.first_id,
            });
            return SyncStep::SnapshotTooOld;
        }
        self.book.clear();
        self.apply(levels);
        self.cut = (
            cut_of(&levels.bids, Price::min),
            cut_of(&levels.asks, Price::max),
        );
        self.state = State::Whole {
            may_straddle: self.kept.is_empty(),
        };
        self.last_id = Some(
            self.kept
                .back()
                .map_or(snapshot.last_id, |kept| kept.last_id),
        );
        for kept in std::mem::take(&mut self.kept) {
            self.apply(&kept.levels);
        }
        self.top_check.clear();
        self.request = None;
        if self.is_beyond_snapshot() {
            // The diffs kept have moved the price beyond it; only a deeper or newer one helps.
            self.state = State::Waiting;
            self.request = self
                .last_id
                .map(|last| SnapshotRequest { at_least_id: last });
            if was_live {
                self.say(VenueState::Stale, out);
            }
            return SyncStep::BeyondSnapshot;
        }
        self.tell_whole(out);
        if !was_live {
            self.say(VenueState::Live, out);
        }
        SyncStep::Synced(Synced::Snapshot)
    }

    /// Processes the exchange's best bid and ask, the evidence for a book that is being rebuilt.
    pub fn ticker(&mut self, ticker: &BookTicker, out: &mut Vec<Body>) -> Option<SyncStep> {
        let Recovery::Evidence { agreements } = self.recovery else {
            return None;
        };
        if !matches!(self.state, State::Rebuilding { .. } | State::Proven) {
            return None;
        }
        self.top_check.ticker(ticker);
        let mut step = None;
        while let Some(verdict) = self.top_check.next_verdict() {
            step = match (self.state, verdict) {
                (State::Rebuilding { agreed }, TopVerdict::Agrees) if agreed + 1 >= agreements => {
                    self.state = State::Proven;
                    self.tell_whole(out);
                    self.say(VenueState::Live, out);
                    Some(SyncStep::Synced(Synced::Evidence))
                }
                (State::Rebuilding { agreed }, TopVerdict::Agrees) => {
                    self.state = State::Rebuilding { agreed: agreed + 1 };
                    step
                }
                (State::Rebuilding { .. }, TopVerdict::Differs { .. }) => {
                    self.state = State::Rebuilding { agreed: 0 };
                    step
                }
                (State::Proven, TopVerdict::Differs { .. }) => {
                    self.state = State::Rebuilding { agreed: 0 };
                    self.say(VenueState::Stale, out);
                    Some(SyncStep::BeyondSnapshot)
                }
                (_, TopVerdict::Agrees | TopVerdict::Unchecked)
                | (State::Waiting | State::Whole { .. }, _) => step,
            };
        }
        step
    }

    /// Appends the whole book: `clear`, then every level, the best of each side first.
    pub fn tell_whole(&self, out: &mut Vec<Body>) {
        let update_id = self.last_id.unwrap_or(0);
        let mut left = self.book.len();
        let clear = (Side::Buy, Price::ZERO, Size::ZERO);
        out.push(self.level(BookChange::Clear, clear, left == 0, update_id));
        for side in [Side::Buy, Side::Sell] {
            for level in self.book.levels(side) {
                left -= 1;
                let level = (side, level.price, level.size);
                out.push(self.level(BookChange::Snapshot, level, left == 0, update_id));
            }
        }
    }

    // --- private -------------------------------------------------------------------------------------------------

    /// Discards the book; this diff is the first of the new one.
    fn start_over(&mut self, update: &DepthUpdate, levels: &Levels) {
        self.book.clear();
        self.kept.clear();
        self.top_check.clear();
        self.cut = (None, None);
        self.last_id = Some(update.last_id);
        self.request = Some(SnapshotRequest {
            at_least_id: update.first_id,
        });
        match self.recovery {
            Recovery::Snapshot => {
                self.state = State::Waiting;
                self.keep(update, levels);
            }
            Recovery::Evidence { .. } => {
                self.state = State::Rebuilding { agreed: 0 };
                self.rebuild_with(update, levels);
            }
        }
    }

    /// Handles a best price beyond the range of the snapshot. The levels in the book are exact, but some may be missing.
    fn leave_snapshot(&mut self, out: &mut Vec<Body>) {
        self.cut = (None, None);
        self.request = self
            .last_id
            .map(|last| SnapshotRequest { at_least_id: last });
        self.state = match self.recovery {
            Recovery::Evidence { .. } => State::Proven,
            Recovery::Snapshot => {
                self.say(VenueState::Stale, out);
                State::Waiting
            }
        };
    }

    fn rebuild_with(&mut self, update: &DepthUpdate, levels: &Levels) {
        self.keep(update, levels);
        self.apply(levels);
        self.top_check
            .depth(update.last_id, Top::of_book(&self.book));
    }

    fn keep(&mut self, update: &DepthUpdate, levels: &Levels) {
        if self.kept.len() == MAX_KEPT_UPDATES {
            self.kept.pop_front();
        }
        let levels = levels.clone();
        let is_large = levels.count() > LARGE_UPDATE;
        self.kept.push_back(Kept {
            first_id: update.first_id,
            last_id: update.last_id,
            levels,
        });
        if is_large {
            self.drop_oldest_kept();
        }
    }

    /// Keeps no more levels than a few of the largest diffs have.
    fn drop_oldest_kept(&mut self) {
        let mut levels: usize = self.kept.iter().map(|kept| kept.levels.count()).sum();
        while levels > MAX_KEPT_LEVELS
            && let Some(oldest) = self.kept.pop_front()
        {
            levels -= oldest.levels.count();
        }
    }

    fn apply(&mut self, levels: &Levels) {
        for (price, size) in &levels.bids {
            self.book.set(Side::Buy, *price, *size);
        }
        for (price, size) in &levels.asks {
            self.book.set(Side::Sell, *price, *size);
        }
    }

    fn is_beyond_snapshot(&self) -> bool {
        let (bid_cut, ask_cut) = self.cut;
        let bid_gone =
            bid_cut.is_some_and(|cut| self.book.best_bid().is_none_or(|best| best.price < cut));
        let ask_gone =
            ask_cut.is_some_and(|cut| self.book.best_ask().is_none_or(|best| best.price > cut));
        bid_gone || ask_gone
    }

    fn tell_deltas(&self, update_id: u64, levels: &Levels, out: &mut Vec<Body>) {
        let mut left = levels.bids.len() + levels.asks.len();
        for (side, levels) in [(Side::Buy, &levels.bids), (Side::Sell, &levels.asks)] {
            for (price, size) in levels {
                left -= 1;
                out.push(self.level(
                    BookChange::Delta,
                    (side, *price, *size),
                    left == 0,
                    update_id,
                ));
            }
        }
    }

    fn level(
        &self,
        change: BookChange,
        level: (Side, Price, Size),
        last: bool,
        update_id: u64,
    ) -> Body {
        let (side, price, size) = level;
        let instrument = self.instrument;
        BookUpdate {
            instrument,
            change,
            side,
            last,
            pad: Pad::ZERO,
            price,
            size,
            update_id,
        }
        .into()
    }

    fn say(&self, state: VenueState, out: &mut Vec<Body>) {
        let scope = VenueScope::Instrument;
        out.push(
            VenueStatus {
                venue: self.venue,
                instrument: self.instrument,
                scope,
                state,
                pad: Pad::ZERO,
            }
            .into(),
        );
    }
}

/// Returns the price at which a side of a snapshot was cut off, if it was.
fn cut_of(levels: &[(Price, Size)], worse: fn(Price, Price) -> Price) -> Option<Price> {
    if levels.len() < CUT_AT_LEVELS {
        return None;
    }
    levels.iter().map(|(price, _)| *price).reduce(worse)
}

#[cfg(test)]
mod tests;
