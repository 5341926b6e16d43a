//! Synchronises a local book from diffs and snapshots, and reports its state: a state machine without I/O.
//!
//! The exchange's rule: each diff changes the book of one update id ([`DepthUpdate::base_id`]). The first one applied to a
//! snapshot must have `base <= lastUpdateId < u`, every further one `base == previous u`. Anything else is a gap. Diffs that
//! arrive while a snapshot is awaited are kept, up to a bound; a snapshot older than the kept diffs is requested again.
//!
//! Events: deltas level by level; on a gap `stale`; once synchronised again `clear`, the levels, and `live`.
//!
//! # Live means now
//!
//! A book is live only while nothing contradicts it ([`Contradiction`]). In every state its top is compared with the exchange's own
//! best bid and ask, at the same update id; it must not be crossed for longer than a message; ids must not go back while time
//! goes on; and diffs must come while quotes and trades show that the market moves. A repeated diff is no contradiction: it is
//! as old as the one that it repeats.
//!
//! A snapshot is cut off at some depth, and levels beyond are unknown until they change. The book therefore remembers the
//! depth of the snapshot. When the best price moves beyond it, a snapshot is requested, and the book counts as proven by quotes
//! ([`Recovery::Evidence`]), or else is stale as after a gap.
//!
//! # Recovery without a snapshot
//!
//! In a capture, requests are not answered. Guessing the missing levels is not allowed; but the exchange's own best bid
//! and ask ([`Recovery::Evidence`]) can prove a book. After a gap or a contradiction the book is discarded and rebuilt from diffs
//! alone, so every level in it is exact, though levels that have not changed since are missing. When its top has equalled the
//! exchange's for `agreements` consecutive depth events, the book is live. The first mismatch (the price reached a level that is
//! missing) makes it stale again. A proven book can thus be too thin away from the top, never too thick.
//!
//! A snapshot that comes while the book is live replaces it only once the diffs have reached it and both have the same top: a
//! book that the exchange's own quotes prove is not given up for an answer to an old request.

use super::book::LocalBook;
use super::wire::{BookTicker, DepthSnapshot, DepthUpdate, Levels};
use crate::binance::top_check::{Top, TopCheck, TopVerdict};
use std::collections::VecDeque;
use tickdeck_model::{
    Body, BookChange, BookUpdate, InstrumentId, Pad, Price, Side, Size, Timestamp, VenueId,
    VenueScope, VenueState, VenueStatus,
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

/// Messages after which a book may be crossed. One can be, between two messages of a fast market.
const MAX_CROSSED: u32 = 1;

/// How long quotes and trades may move without a diff. The slowest stream of diffs has one a second.
const SILENCE_NS: u64 = 3_000_000_000;

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
        /// The last id of the book.
        expected: u64,
        /// The id of the book that the diff changes.
        got: u64,
    },
    /// The book contradicts itself or the exchange; it is stale.
    Contradicted(Contradiction),
    /// A price reached levels that the book does not know: the book is stale, or counts as proven by quotes (see
    /// [`BookSync::is_live`]).
    BeyondKnown,
    /// The book is synchronised.
    Synced(Synced),
    /// A snapshot that cannot be used: older than the book or than the diffs kept, or another market than the live book's.
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
    /// Its top is not the exchange's own best bid and ask at the same update id.
    Quotes {
        /// The update id.
        last_id: u64,
        /// The book's.
        local: Top,
        /// The exchange's.
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
    /// Quotes or trades moved for a while, and no diff came.
    Silent {
        /// The update id.
        last_id: u64,
    },
    /// Too many frames in a row could not be read; one of them may have been a diff.
    Unreadable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No book yet; diffs are kept.
    Waiting,
    /// Whole from a snapshot.
    Whole {
        /// Whether the next diff may change an older book: the first after a snapshot.
        may_straddle: bool,
    },
    /// Being rebuilt from diffs; holds the number of consecutive tops that agreed.
    Rebuilding { agreed: u32 },
    /// Proven at the top; levels away from it may be missing.
    Proven,
}

#[derive(Debug, Clone)]
struct Kept {
    base_id: u64,
    last_id: u64,
    levels: Levels,
}

/// A book from a snapshot, and how far it is known.
#[derive(Debug, Clone)]
struct Candidate {
    last_id: u64,
    book: LocalBook,
    cut: Cut,
}

/// Worst price of a snapshot's bids and asks, where it was cut.
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    bid: Option<Price>,
    ask: Option<Price>,
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
    /// The diff with the highest last id since the ids began: that id, and the venue's time.
    newest_diff: Option<(u64, Timestamp)>,
    kept: VecDeque<Kept>,
    top_check: TopCheck,
    cut: Cut,
    /// A snapshot ahead of a live book.
    candidate: Option<Box<Candidate>>,
    /// Consecutive diffs after which the book was crossed.
    crossed: u32,
    /// When a quote or trade first showed that a diff is due.
    moved_at: Option<Timestamp>,
    /// The venue's time of the first diff that the snapshot already held.
    behind_since: Option<Timestamp>,
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
            newest_diff: None,
            kept: VecDeque::new(),
            top_check: TopCheck::default(),
            cut: Cut::default(),
            candidate: None,
            crossed: 0,
            moved_at: None,
            behind_since: None,
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
        if update.last_id <= last {
            let Some(contradiction) = self.known_id_contradicts(update) else {
                return SyncStep::Duplicate;
            };
            self.say_stale(out);
            self.start_over(update, levels);
            return SyncStep::Contradicted(contradiction);
        }
        let base = update.base_id();
        let follows = match self.state {
            State::Whole { may_straddle: true } => base <= last,
            State::Waiting | State::Whole { .. } | State::Rebuilding { .. } | State::Proven => {
                base == last
            }
        };
        if !follows {
            self.say_stale(out);
            self.start_over(update, levels);
            return SyncStep::Gap {
                expected: last,
                got: base,
            };
        }
        self.advance(update);
        match self.state {
            State::Waiting => {
                self.keep(update, levels);
                SyncStep::Kept
            }
            State::Whole { .. } | State::Rebuilding { .. } | State::Proven => {
                self.change(update, levels, out)
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
        let is_known = self.last_id.is_some_and(|last| snapshot.last_id <= last);
        if matches!(self.state, State::Whole { .. }) && is_known {
            return SyncStep::SnapshotUnused;
        }
        let mut candidate = Candidate::new(snapshot, levels);
        let reached = |kept: &Kept| kept.last_id <= snapshot.last_id;
        let first = self.kept.iter().position(|kept| !reached(kept));
        if let Some(first) = first {
            if self.kept[first].base_id > snapshot.last_id {
                self.request = Some(SnapshotRequest {
                    at_least_id: self.kept[first].base_id,
                });
                return SyncStep::SnapshotUnused;
            }
            for kept in self.kept.range(first..) {
                candidate.apply(kept.last_id, &kept.levels);
            }
        }
        if self.is_live() {
            if first.is_none() {
                // The diffs will reach it.
                self.candidate = Some(Box::new(candidate));
                return SyncStep::Kept;
            }
            return self.replace_live(candidate, out);
        }
        if is_crossed(Top::of_book(&candidate.book)) {
            return SyncStep::SnapshotUnused;
        }
        if candidate.is_beyond() {
            // The diffs kept have moved the price beyond it; only a deeper or newer one helps.
            self.request = Some(SnapshotRequest {
                at_least_id: candidate.last_id,
            });
            return SyncStep::BeyondKnown;
        }
        self.adopt(candidate, first.is_none(), out);
        self.say(VenueState::Live, out);
        SyncStep::Synced(Synced::Snapshot)
    }

    /// Processes the exchange's best bid and ask, received at `at`.
    pub fn ticker(
        &mut self,
        at: Timestamp,
        ticker: &BookTicker,
        out: &mut Vec<Body>,
    ) -> Option<SyncStep> {
        if self.state == State::Waiting {
            return None;
        }
        self.top_check.ticker(ticker);
        let mut step = None;
        while let Some(verdict) = self.top_check.next_verdict() {
            step = self.judge(verdict, out).or(step);
        }
        let is_ahead = self.last_id.is_some_and(|last| ticker.update_id > last);
        if is_ahead && Top::of_ticker(ticker) != Top::of_book(&self.book) {
            step = self.moved(at, out).or(step);
        }
        step
    }

    /// Notes a public trade, received at `at`: it changes the book, so a diff must follow.
    pub fn trade(
        &mut self,
        at: Timestamp,
        ts_venue: Timestamp,
        out: &mut Vec<Body>,
    ) -> Option<SyncStep> {
        let is_newer = self
            .newest_diff
            .is_some_and(|(_, newest)| ts_venue > newest);
        is_newer.then(|| self.moved(at, out)).flatten()
    }

    /// Notes that frames could not be read which may have been diffs.
    pub fn unreadable(&mut self, out: &mut Vec<Body>) -> Option<SyncStep> {
        self.is_live()
            .then(|| self.contradict(Contradiction::Unreadable, out))
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

    fn advance(&mut self, update: &DepthUpdate) {
        self.last_id = Some(update.last_id);
        self.newest_diff = Some((update.last_id, update.ts_venue));
        (self.moved_at, self.behind_since) = (None, None);
    }

    /// Applies a diff that follows.
    fn change(&mut self, update: &DepthUpdate, levels: &Levels, out: &mut Vec<Body>) -> SyncStep {
        let was_whole = matches!(self.state, State::Whole { .. });
        apply(&mut self.book, levels);
        if !was_whole {
            self.keep(update, levels);
        }
        let top = Top::of_book(&self.book);
        if self.stays_crossed(top) {
            let is_live = self.is_live();
            let last_id = update.last_id;
            self.say_stale(out);
            self.start_over(update, levels);
            return match is_live {
                true => SyncStep::Contradicted(Contradiction::Crossed {
                    last_id,
                    local: top,
                }),
                false => SyncStep::Kept,
            };
        }
        self.top_check.depth(update.last_id, top);
        let mut step = match self.is_live() {
            true => SyncStep::Applied,
            false => SyncStep::Kept,
        };
        if was_whole {
            self.state = State::Whole {
                may_straddle: false,
            };
            if is_beyond(self.cut, &self.book) {
                self.leave_snapshot(update, levels, out);
                step = SyncStep::BeyondKnown;
            }
        }
        if self.is_live() {
            self.tell_deltas(update.last_id, levels, out);
            self.follow_candidate(update, levels, out);
        }
        step
    }

    /// Whether the book is crossed for too long, now that its top is this.
    fn stays_crossed(&mut self, top: Top) -> bool {
        self.crossed = match is_crossed(top) {
            true => self.crossed + 1,
            false => 0,
        };
        self.crossed > MAX_CROSSED
    }

    /// What a diff shows whose ids the book has passed. A repeated one is no newer than the newest; one that a snapshot already
    /// holds has ids that no diff had.
    fn known_id_contradicts(&mut self, update: &DepthUpdate) -> Option<Contradiction> {
        let newest = self.newest_diff.unwrap_or((0, update.ts_venue));
        let (is_newer, last_id) = (update.ts_venue > newest.1, newest.0);
        if update.last_id <= last_id {
            return is_newer.then_some(Contradiction::IdsWentBack {
                last_id,
                got: update.last_id,
            });
        }
        self.newest_diff = Some((update.last_id, update.ts_venue.max(newest.1)));
        let since = *self.behind_since.get_or_insert(update.ts_venue);
        let is_long = update.ts_venue > since.saturating_add_unsigned(SILENCE_NS);
        let last_id = self.last_id.unwrap_or(0);
        (self.is_live() && is_long).then_some(Contradiction::Silent { last_id })
    }

    /// Notes that the market moved beyond the book, at `at`.
    fn moved(&mut self, at: Timestamp, out: &mut Vec<Body>) -> Option<SyncStep> {
        let since = *self.moved_at.get_or_insert(at);
        if !self.is_live() || at < since.saturating_add_unsigned(SILENCE_NS) {
            return None;
        }
        let last_id = self.last_id.unwrap_or(0);
        Some(self.contradict(Contradiction::Silent { last_id }, out))
    }

    /// Takes in what the exchange's quotes say about the book.
    fn judge(&mut self, verdict: TopVerdict, out: &mut Vec<Body>) -> Option<SyncStep> {
        match (self.state, verdict, self.recovery) {
            (
                State::Rebuilding { agreed },
                TopVerdict::Agrees,
                Recovery::Evidence { agreements },
            ) => {
                if agreed + 1 < agreements {
                    self.state = State::Rebuilding { agreed: agreed + 1 };
                    return None;
                }
                self.state = State::Proven;
                self.tell_whole(out);
                self.say(VenueState::Live, out);
                Some(SyncStep::Synced(Synced::Evidence))
            }
            (State::Rebuilding { .. }, TopVerdict::Differs { .. }, _) => {
                self.state = State::Rebuilding { agreed: 0 };
                None
            }
            (State::Proven, TopVerdict::Differs { .. }, _) => {
                // Every level is exact, but one was missing.
                self.say_stale(out);
                self.state = State::Rebuilding { agreed: 0 };
                Some(SyncStep::BeyondKnown)
            }
            (
                State::Whole { .. },
                TopVerdict::Differs {
                    last_id,
                    local,
                    exchange,
                },
                _,
            ) => {
                let quotes = Contradiction::Quotes {
                    last_id,
                    local,
                    exchange,
                };
                Some(self.contradict(quotes, out))
            }
            (_, TopVerdict::Agrees | TopVerdict::Unchecked, _) | (State::Waiting, ..) => None,
        }
    }

    /// Makes the book stale and discards it: which of its levels are wrong is not known.
    fn contradict(&mut self, contradiction: Contradiction, out: &mut Vec<Body>) -> SyncStep {
        self.say_stale(out);
        self.discard();
        self.request = self
            .last_id
            .map(|last| SnapshotRequest { at_least_id: last });
        self.state = self.before_a_book();
        SyncStep::Contradicted(contradiction)
    }

    /// Discards the book; this diff is the first of the new one.
    fn start_over(&mut self, update: &DepthUpdate, levels: &Levels) {
        self.discard();
        self.advance(update);
        self.request = Some(SnapshotRequest {
            at_least_id: update.base_id(),
        });
        self.state = self.before_a_book();
        self.keep(update, levels);
        if self.state != State::Waiting {
            apply(&mut self.book, levels);
            self.top_check
                .depth(update.last_id, Top::of_book(&self.book));
        }
    }

    fn before_a_book(&self) -> State {
        match self.recovery {
            Recovery::Snapshot => State::Waiting,
            Recovery::Evidence { .. } => State::Rebuilding { agreed: 0 },
        }
    }

    fn discard(&mut self) {
        self.book.clear();
        self.kept.clear();
        self.top_check.clear();
        self.cut = Cut::default();
        self.candidate = None;
        self.crossed = 0;
        (self.moved_at, self.behind_since) = (None, None);
    }

    /// Handles a best price beyond the range of the snapshot. The levels in the book are exact, but some may be missing.
    fn leave_snapshot(&mut self, update: &DepthUpdate, levels: &Levels, out: &mut Vec<Body>) {
        self.cut = Cut::default();
        self.request = self
            .last_id
            .map(|last| SnapshotRequest { at_least_id: last });
        self.keep(update, levels);
        self.state = match self.recovery {
            Recovery::Evidence { .. } => State::Proven,
            Recovery::Snapshot => {
                self.say_stale(out);
                State::Waiting
            }
        };
    }

    /// Brings a snapshot that was ahead of the live book up to a diff, and takes it over if it is no longer ahead.
    fn follow_candidate(&mut self, update: &DepthUpdate, levels: &Levels, out: &mut Vec<Body>) {
        let Some(mut candidate) = self.candidate.take() else {
            return;
        };
        if update.last_id <= candidate.last_id {
            self.candidate = Some(candidate);
        } else if update.base_id() <= candidate.last_id {
            candidate.apply(update.last_id, levels);
            self.replace_live(*candidate, out);
        }
    }

    /// Replaces a live book by one from a snapshot that has reached the same id, if both are of one market.
    fn replace_live(&mut self, candidate: Candidate, out: &mut Vec<Body>) -> SyncStep {
        let is_other = Top::of_book(&candidate.book) != Top::of_book(&self.book);
        if is_other || candidate.is_beyond() {
            return SyncStep::SnapshotUnused;
        }
        self.adopt(candidate, false, out);
        SyncStep::Synced(Synced::Snapshot)
    }

    fn adopt(&mut self, candidate: Candidate, may_straddle: bool, out: &mut Vec<Body>) {
        let Candidate { last_id, book, cut } = candidate;
        (self.book, self.cut, self.last_id) = (book, cut, Some(last_id));
        self.state = State::Whole { may_straddle };
        self.kept.clear();
        self.top_check.forget_tops();
        if !may_straddle {
            self.top_check.depth(last_id, Top::of_book(&self.book));
        }
        self.crossed = 0;
        self.request = None;
        self.candidate = None;
        self.tell_whole(out);
    }

    fn keep(&mut self, update: &DepthUpdate, levels: &Levels) {
        if self.kept.len() == MAX_KEPT_UPDATES {
            self.kept.pop_front();
        }
        let levels = levels.clone();
        let is_large = levels.count() > LARGE_UPDATE;
        self.kept.push_back(Kept {
            base_id: update.base_id(),
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

    /// Says that the book is no longer live, if it was.
    fn say_stale(&self, out: &mut Vec<Body>) {
        if self.is_live() {
            self.say(VenueState::Stale, out);
        }
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

impl Candidate {
    fn new(snapshot: &DepthSnapshot, levels: &Levels) -> Self {
        let mut book = LocalBook::default();
        apply(&mut book, levels);
        Self {
            last_id: snapshot.last_id,
            book,
            cut: Cut {
                bid: cut_of(&levels.bids, Price::min),
                ask: cut_of(&levels.asks, Price::max),
            },
        }
    }

    fn apply(&mut self, last_id: u64, levels: &Levels) {
        apply(&mut self.book, levels);
        self.last_id = last_id;
    }

    fn is_beyond(&self) -> bool {
        is_beyond(self.cut, &self.book)
    }
}

fn apply(book: &mut LocalBook, levels: &Levels) {
    for (price, size) in &levels.bids {
        book.set(Side::Buy, *price, *size);
    }
    for (price, size) in &levels.asks {
        book.set(Side::Sell, *price, *size);
    }
}

fn is_crossed(top: Top) -> bool {
    (top.bid.zip(top.ask)).is_some_and(|(bid, ask)| bid.price >= ask.price)
}

/// Whether the best price of a side is beyond the depth at which its snapshot was cut.
fn is_beyond(cut: Cut, book: &LocalBook) -> bool {
    let bid_gone = (cut.bid).is_some_and(|cut| book.best_bid().is_none_or(|best| best.price < cut));
    let ask_gone = (cut.ask).is_some_and(|cut| book.best_ask().is_none_or(|best| best.price > cut));
    bid_gone || ask_gone
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
