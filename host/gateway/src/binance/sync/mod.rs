//! Synchronises a local book from diffs and snapshots, and reports its state: a state machine without I/O.
//!
//! The exchange's rule: each diff changes the book of one update id ([`DepthUpdate::base_id`]), and its levels are whole sizes. A diff
//! whose base the book has not reached shows a gap. On Spot one whose base the book has passed is applied as well (`U <= id + 1`); on
//! USD-M futures only the first after a snapshot may be such a one, and every further one names the last (`pu`). Sources: "How to
//! manage a local order book correctly" in Binance's documentation of either market. Diffs that arrive while a snapshot is awaited are
//! kept, up to a bound; a snapshot older than the kept diffs is requested again.
//!
//! Events: deltas level by level; on a gap `stale`; once synchronised again `clear`, the levels, and `live`.
//!
//! # Live means now
//!
//! A book is live only while nothing contradicts it ([`Contradiction`]). In every state its top is compared with the exchange's own
//! best bid and ask; it must not be crossed for longer than a message; ids must not go back while time goes on; and diffs must come
//! while quotes and trades show that the market moves, and keep pace with them. A book that they leave behind is kept: it is live again
//! once they have caught up. A repeated diff is no contradiction: it is as old as the one that it repeats.
//!
//! A snapshot is cut off at some depth, and levels beyond are unknown until they change. The book therefore remembers the
//! depth of the snapshot. When the best price moves beyond it, a snapshot is requested, and the book counts as proven by quotes
//! ([`Recovery::Evidence`]) if there are any, or else is stale as after a gap.
//!
//! # Recovery without a snapshot
//!
//! In a capture, requests are not answered. Guessing the missing levels is not allowed; but the exchange's own best bid
//! and ask ([`Recovery::Evidence`]) can prove a book. After a gap or a contradiction the book is discarded and rebuilt from diffs
//! alone, so every level in it is exact, though levels that have not changed since are missing. When its top has equalled the
//! exchange's for `agreements` consecutive depth events, the book is live. The first mismatch (the price reached a level that is
//! missing) makes it stale again, and so does a top that moves without a quote. A proven book can thus be too thin away from the top,
//! never too thick.
//!
//! # A snapshot of a live book
//!
//! Where the book is at the snapshot's id, or the kept diffs bring the snapshot there, both must have the same top. If not, quotes
//! decide for the book, and without quotes the snapshot replaces it. A snapshot that is ahead waits for the diffs to reach it: a book
//! that the exchange's own quotes prove is not given up for an answer to an old request. Where diffs are missing, or come no more, the
//! snapshot that waits takes the book's place.

mod candidate;
mod kept;
mod pace;
mod step;
mod tell;

pub use step::{Contradiction, Recovery, SnapshotRequest, SyncStep, Synced};

use super::book::LocalBook;
use super::wire::{BookTicker, DepthSnapshot, DepthUpdate, Levels};
use crate::binance::top_check::{Top, TopCheck, TopVerdict};
use candidate::{Candidate, Cut, apply, is_crossed};
use kept::KeptUpdates;
use pace::{Lag, PATIENCE_NS, Reach, Silence};
use tickdeck_model::{Body, InstrumentId, Timestamp, VenueId, VenueState};

/// Messages after which a book may be crossed. One can be, between two messages of a fast market.
const MAX_CROSSED: u32 = 1;

/// So many quotes in a row, none of the book's own id, contradict a whole book that differs from all of them. Fewer may be because a quote
/// was lost.
const MAX_DOUBTS: u32 = 3;

/// How much the exchange's times of one diff may differ between two of its servers, or between collectors of which one records
/// milliseconds and another microseconds. Diffs of one stream are 100 ms apart.
const SKEW_NS: i64 = 50_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No book yet; diffs are kept.
    Waiting,
    /// Whole from a snapshot.
    Whole {
        /// Whether no diff has changed it yet; the first may change an older book.
        is_fresh: bool,
    },
    /// Being rebuilt from diffs; holds the number of consecutive tops that agreed.
    Rebuilding { agreed: u32 },
    /// Proven at the top; levels away from it may be missing.
    Proven,
}

/// Signs that the book may not be the market's. All are forgotten with the book.
#[derive(Debug, Clone, Copy, Default)]
struct Watch {
    /// Consecutive diffs after which the book was crossed.
    crossed: u32,
    /// Since quotes or trades moved beyond the newest diff.
    silence: Option<Silence>,
    /// Since a snapshot is ahead of the diffs.
    lag: Option<Lag>,
    /// Older quotes in a row that a whole book differs from: how many, and the id of the last. The newest may be missing.
    doubts: (u32, u64),
    /// The venue's time of the diff since which a proven book's top has moved without a quote.
    unproven_since: Option<Timestamp>,
}

/// One instrument's book and its synchronisation state.
#[derive(Debug, Clone)]
pub struct BookSync {
    instrument: InstrumentId,
    venue: VenueId,
    recovery: Recovery,
    state: State,
    /// Whether diffs are overdue: the book is kept, and was the market's some time ago.
    is_silent: bool,
    /// What was last said of the book.
    said: Option<VenueState>,
    book: LocalBook,
    /// Last id the book, or the diffs kept, have reached.
    last_id: Option<u64>,
    /// The diff with the highest last id since the ids began: that id, and the venue's time.
    newest_diff: Option<(u64, Timestamp)>,
    kept: KeptUpdates,
    top_check: TopCheck,
    cut: Cut,
    /// A snapshot ahead of the book.
    candidate: Option<Box<Candidate>>,
    watch: Watch,
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
            is_silent: false,
            said: None,
            book: LocalBook::default(),
            last_id: None,
            newest_diff: None,
            kept: KeptUpdates::default(),
            top_check: TopCheck::default(),
            cut: Cut::default(),
            candidate: None,
            watch: Watch::default(),
            request: None,
        }
    }

    /// The book; only to be traded against while [`BookSync::is_live`].
    pub fn book(&self) -> &LocalBook {
        &self.book
    }

    /// Whether the book is whole, by a snapshot or by proof, and the market's of now.
    pub fn is_live(&self) -> bool {
        !self.is_silent && matches!(self.state, State::Whole { .. } | State::Proven)
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
            return self.known_ids(update, levels, out);
        }
        let base = update.base_id();
        let may_overlap =
            update.previous_id.is_none() || self.state == State::Whole { is_fresh: true };
        if base > last || (base < last && !may_overlap) {
            self.say(VenueState::Stale, out);
            self.restart(update, levels, out);
            return SyncStep::Gap {
                expected: last,
                got: base,
            };
        }
        self.advance(update);
        if self.state != State::Waiting {
            return self.change(update, levels, out);
        }
        self.kept.keep(update, levels);
        let followed = self.follow_candidate(update, levels, out);
        followed.unwrap_or(SyncStep::Kept)
    }

    /// Processes a snapshot, received at `at`, and appends the whole book if that synchronises it.
    pub fn snapshot(
        &mut self,
        at: Timestamp,
        snapshot: &DepthSnapshot,
        levels: &Levels,
        out: &mut Vec<Body>,
    ) -> SyncStep {
        let mut candidate = Candidate::new(snapshot, levels);
        // An exchange's book has two sides; what has one was cut or damaged.
        let top = Top::of_book(&candidate.book);
        if is_crossed(top) || top.bid.is_none() || top.ask.is_none() {
            return SyncStep::SnapshotUnused;
        }
        match self.kept.after(snapshot.last_id) {
            Ok(missing) => missing.for_each(|kept| candidate.apply(kept.last_id, &kept.levels)),
            Err(at_least_id) => {
                self.request = Some(SnapshotRequest { at_least_id });
                return SyncStep::SnapshotUnused;
            }
        }
        let last = self.last_id.unwrap_or(0);
        let is_older = match self.is_silent {
            // The market has moved since.
            true => candidate.last_id <= last,
            false => candidate.last_id < last,
        };
        if is_older {
            if !self.is_live() {
                self.request_newer();
            }
            return SyncStep::SnapshotUnused;
        }
        if self.is_live() {
            return match candidate.last_id == last {
                true => {
                    let is_fresh = self.state == State::Whole { is_fresh: true };
                    self.compare(candidate, is_fresh, out)
                }
                false => self.hold(candidate, at, out),
            };
        }
        if candidate.is_usable() {
            let is_fresh = candidate.last_id == snapshot.last_id;
            self.adopt(candidate, is_fresh, out);
            return SyncStep::Synced(Synced::Snapshot);
        }
        // The diffs kept have moved the price beyond it; only a deeper or newer one helps.
        self.request = Some(SnapshotRequest {
            at_least_id: candidate.last_id,
        });
        match is_crossed(Top::of_book(&candidate.book)) {
            true => SyncStep::SnapshotUnused,
            false => SyncStep::BeyondKnown,
        }
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
        if self.top_check.ticker(ticker) {
            self.watch.unproven_since = None;
        }
        let mut step = None;
        while let Some(verdict) = self.top_check.next_verdict() {
            step = self.judge(verdict, out).or(step);
        }
        let is_ahead = self.last_id.is_some_and(|last| ticker.update_id > last);
        if is_ahead && Top::of_ticker(ticker) != Top::of_book(&self.book) {
            let reach = Reach {
                quote_id: ticker.update_id,
                ..Reach::default()
            };
            step = self.moved(at, reach, out).or(step);
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
        let is_newer = self.newest_diff.is_none_or(|(_, newest)| ts_venue > newest);
        let reach = Reach {
            trade_at: ts_venue,
            ..Reach::default()
        };
        is_newer.then(|| self.moved(at, reach, out)).flatten()
    }

    /// Notes that a frame could not be read which may have been a quote.
    pub fn quote_may_be_missing(&mut self) {
        self.top_check.hole();
    }

    /// Notes that so many frames could not be read which may have been diffs.
    pub fn unreadable(&mut self, frames: u32, out: &mut Vec<Body>) -> Option<SyncStep> {
        if !self.is_live() {
            return None;
        }
        // They may have come after the snapshot that waits.
        self.candidate = None;
        Some(self.contradict(Contradiction::Unreadable { frames }, out))
    }

    // --- private -------------------------------------------------------------------------------------------------

    fn advance(&mut self, update: &DepthUpdate) {
        self.last_id = Some(update.last_id);
        self.newest_diff = Some((update.last_id, update.ts_venue));
        self.watch.lag = None;
        let reach = Reach {
            quote_id: update.last_id,
            trade_at: update.ts_venue,
        };
        self.watch.silence.take_if(|silence| silence.is_over(reach));
    }

    /// Applies a diff that follows.
    fn change(&mut self, update: &DepthUpdate, levels: &Levels, out: &mut Vec<Body>) -> SyncStep {
        let was_whole = matches!(self.state, State::Whole { .. });
        // The diffs go on, and may be late for good.
        self.is_silent &= self.watch.silence.is_some();
        apply(&mut self.book, levels);
        if !was_whole {
            self.kept.keep(update, levels);
        }
        let top = Top::of_book(&self.book);
        if self.stays_crossed(top) {
            let is_live = self.is_live();
            let last_id = update.last_id;
            self.say(VenueState::Stale, out);
            self.restart(update, levels, out);
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
            self.state = State::Whole { is_fresh: false };
            if self.cut.is_passed(&self.book) {
                self.leave_snapshot(update, levels, out);
                step = SyncStep::BeyondKnown;
            }
        } else if self.lacks_proof(update, top) {
            self.say(VenueState::Stale, out);
            self.state = State::Rebuilding { agreed: 0 };
            step = SyncStep::Contradicted(Contradiction::Unproven {
                last_id: update.last_id,
            });
        }
        if self.is_live() {
            match self.said {
                Some(VenueState::Live) => self.tell_deltas(update.last_id, levels, out),
                _ => self.tell_live(out),
            }
        }
        self.follow_candidate(update, levels, out).unwrap_or(step)
    }

    /// Whether the book is crossed for too long, now that its top is this.
    fn stays_crossed(&mut self, top: Top) -> bool {
        let crossed = &mut self.watch.crossed;
        *crossed = match is_crossed(top) {
            true => *crossed + 1,
            false => 0,
        };
        *crossed > MAX_CROSSED
    }

    /// Whether the top of a proven book has moved for too long without a quote, now that it is this.
    fn lacks_proof(&mut self, update: &DepthUpdate, top: Top) -> bool {
        if self.state != State::Proven || self.top_check.newest() == Some(top) {
            self.watch.unproven_since = None;
            return false;
        }
        let since = (self.watch.unproven_since).get_or_insert(update.ts_venue);
        update.ts_venue > since.saturating_add_unsigned(PATIENCE_NS)
    }

    /// Takes in a diff whose ids the book has passed.
    fn known_ids(
        &mut self,
        update: &DepthUpdate,
        levels: &Levels,
        out: &mut Vec<Body>,
    ) -> SyncStep {
        let Some(contradiction) = self.known_ids_contradict(update) else {
            return SyncStep::Duplicate;
        };
        self.say(VenueState::Stale, out);
        // The diffs may still reach a snapshot that they are behind.
        let is_behind = matches!(contradiction, Contradiction::Behind { .. });
        let ahead = self.last_id.filter(|_| is_behind).map(|last_id| Candidate {
            last_id,
            book: std::mem::take(&mut self.book),
            cut: self.cut,
            waits: (0, 0),
            is_doubtful: true,
        });
        self.start_over(update, levels);
        self.candidate = ahead.map(Box::new);
        SyncStep::Contradicted(contradiction)
    }

    /// What a diff shows whose ids the book has passed. A repeated one is no newer than the newest; one that a snapshot already
    /// holds has ids that no diff had.
    fn known_ids_contradict(&mut self, update: &DepthUpdate) -> Option<Contradiction> {
        let (newest_id, newest_at) = self.newest_diff.unwrap_or((0, update.ts_venue));
        let got = update.last_id;
        if got <= newest_id {
            // The same id is the same state of the book, whatever the clocks say.
            let is_newer = update.ts_venue > newest_at.saturating_add(SKEW_NS);
            return (is_newer && got < newest_id).then_some(Contradiction::IdsWentBack {
                last_id: newest_id,
                got,
            });
        }
        let ts_venue = update.ts_venue.max(newest_at);
        self.newest_diff = Some((got, ts_venue));
        let last_id = self.last_id.unwrap_or(0);
        let distance = last_id - got;
        let lag = (self.watch.lag).get_or_insert(Lag::from(ts_venue, distance));
        let is_hopeless = lag.is_hopeless(ts_venue, distance);
        is_hopeless.then_some(Contradiction::Behind { last_id, got })
    }

    /// Notes that the market moved beyond the book, at `at`, and how far.
    fn moved(&mut self, at: Timestamp, reach: Reach, out: &mut Vec<Body>) -> Option<SyncStep> {
        let silence = (self.watch.silence).get_or_insert(Silence::from(at, reach));
        if !silence.moved(at, reach) || !self.is_live() {
            return None;
        }
        self.say(VenueState::Stale, out);
        self.is_silent = true;
        self.request_newer();
        let last_id = self.last_id.unwrap_or(0);
        Some(SyncStep::Contradicted(Contradiction::Silent { last_id }))
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
                self.tell_live(out);
                Some(SyncStep::Synced(Synced::Evidence))
            }
            (State::Rebuilding { .. }, TopVerdict::Differs { .. }, _) => {
                self.state = State::Rebuilding { agreed: 0 };
                None
            }
            (State::Proven, TopVerdict::Differs { .. }, _) => {
                // Every level is exact, but one was missing.
                self.say(VenueState::Stale, out);
                (self.state, self.is_silent) = (State::Rebuilding { agreed: 0 }, false);
                Some(SyncStep::BeyondKnown)
            }
            (
                State::Whole { .. },
                TopVerdict::Differs {
                    last_id,
                    quote_id,
                    local,
                    exchange,
                },
                _,
            ) => {
                // A quote of the same id decides. An older one is not the newest if a later one is missing.
                let (doubts, doubted_by) = self.watch.doubts;
                let doubts = doubts + u32::from(doubts == 0 || doubted_by != quote_id);
                self.watch.doubts = (doubts, quote_id);
                if quote_id != last_id && doubts < MAX_DOUBTS {
                    return None;
                }
                let quotes = Contradiction::Quotes {
                    last_id,
                    local,
                    exchange,
                };
                Some(self.contradict(quotes, out))
            }
            (State::Whole { .. }, TopVerdict::Agrees, _) => {
                self.watch.doubts = (0, 0);
                None
            }
            (_, TopVerdict::Agrees | TopVerdict::Unchecked, _) | (State::Waiting, ..) => None,
        }
    }

    /// Makes the book stale and discards it: which of its levels are wrong is not known. A snapshot that waits takes its place.
    fn contradict(&mut self, contradiction: Contradiction, out: &mut Vec<Body>) -> SyncStep {
        self.say(VenueState::Stale, out);
        if !self.adopt_waiting(out) {
            self.discard();
            self.request_newer();
            self.state = self.before_a_book();
            // Without the snapshot, the diffs that it held count again.
            self.last_id = self.newest_diff.map(|(last_id, _)| last_id);
        }
        SyncStep::Contradicted(contradiction)
    }

    /// Goes on from the snapshot that waits if this diff can continue it, else from the diff alone.
    fn restart(&mut self, update: &DepthUpdate, levels: &Levels, out: &mut Vec<Body>) {
        let waiting = self.candidate.as_ref();
        let is_continued = waiting.is_some_and(|waiting| update.base_id() <= waiting.last_id);
        if !is_continued || !self.adopt_waiting(out) {
            self.start_over(update, levels);
        } else if self.last_id.is_some_and(|last| update.last_id > last) {
            self.advance(update);
            self.change(update, levels, out);
        } else {
            self.newest_diff = Some((update.last_id, update.ts_venue));
        }
    }

    /// Discards the book; this diff is the first of the new one.
    fn start_over(&mut self, update: &DepthUpdate, levels: &Levels) {
        self.discard();
        self.advance(update);
        self.request = Some(SnapshotRequest {
            at_least_id: update.base_id(),
        });
        self.state = self.before_a_book();
        self.kept.keep(update, levels);
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
        self.watch = Watch::default();
        self.is_silent = false;
    }

    fn request_newer(&mut self) {
        let request = |last| SnapshotRequest { at_least_id: last };
        self.request = self.last_id.map(request);
    }

    /// Handles a best price beyond the range of the snapshot. The levels in the book are exact, but some may be missing.
    fn leave_snapshot(&mut self, update: &DepthUpdate, levels: &Levels, out: &mut Vec<Body>) {
        self.cut = Cut::default();
        self.request_newer();
        self.kept.keep(update, levels);
        self.state = match self.recovery {
            Recovery::Evidence { .. } if self.top_check.newest().is_some() => State::Proven,
            Recovery::Evidence { .. } | Recovery::Snapshot => {
                self.say(VenueState::Stale, out);
                self.before_a_book()
            }
        };
    }

    /// Compares a live book with a snapshot of the same id, and takes the snapshot over if it has more to tell.
    fn compare(
        &mut self,
        mut candidate: Candidate,
        is_fresh: bool,
        out: &mut Vec<Body>,
    ) -> SyncStep {
        if !candidate.is_usable() {
            return SyncStep::SnapshotUnused;
        }
        let (local, exchange) = (Top::of_book(&self.book), Top::of_book(&candidate.book));
        let last_id = candidate.last_id;
        if local != exchange {
            if self.top_check.newest().is_some() {
                // The quotes decide, and they have not said that the book is wrong.
                return SyncStep::SnapshotUnused;
            }
            self.say(VenueState::Stale, out);
            self.adopt(candidate, is_fresh, out);
            return SyncStep::Contradicted(Contradiction::Snapshot {
                last_id,
                local,
                exchange,
            });
        }
        if matches!(self.state, State::Whole { .. }) {
            if !candidate.cut.is_deeper(self.cut) {
                return SyncStep::SnapshotUnused;
            }
            candidate.extend(&self.book);
            candidate.cut = candidate.cut.or_deeper(self.cut);
        } else {
            candidate.extend(&self.book);
        }
        self.adopt(candidate, is_fresh, out);
        SyncStep::Synced(Synced::Snapshot)
    }

    /// Takes in a snapshot ahead of a live book: it waits for the diffs, unless none come.
    fn hold(&mut self, mut candidate: Candidate, at: Timestamp, out: &mut Vec<Body>) -> SyncStep {
        let last = self.last_id.unwrap_or(0);
        candidate.waits = (at, last);
        let mut come_no_more = self.state == State::Whole { is_fresh: true };
        if let Some(waiting) = &self.candidate {
            let is_overdue = at >= waiting.waits.0.saturating_add_unsigned(PATIENCE_NS);
            if waiting.last_id >= candidate.last_id && !is_overdue {
                return SyncStep::SnapshotUnused;
            }
            if waiting.waits.1 == last && waiting.last_id < candidate.last_id {
                candidate.waits = waiting.waits;
                come_no_more |= is_overdue;
            }
        }
        if come_no_more {
            self.adopt(candidate, true, out);
            return SyncStep::Synced(Synced::Snapshot);
        }
        self.candidate = Some(Box::new(candidate));
        SyncStep::Kept
    }

    /// Brings a snapshot that was ahead up to a diff, and takes it over if it is no longer ahead. Returns what is more than the diff's
    /// own effect.
    fn follow_candidate(
        &mut self,
        update: &DepthUpdate,
        levels: &Levels,
        out: &mut Vec<Body>,
    ) -> Option<SyncStep> {
        let mut candidate = self.candidate.take()?;
        if update.last_id < candidate.last_id {
            self.candidate = Some(candidate);
            return None;
        }
        if update.last_id > candidate.last_id {
            candidate.apply(update.last_id, levels);
        }
        if self.is_live() {
            let step = self.compare(*candidate, false, out);
            return matches!(step, SyncStep::Contradicted(_)).then_some(step);
        }
        if !candidate.is_usable() {
            return None;
        }
        self.adopt(*candidate, false, out);
        Some(SyncStep::Synced(Synced::Snapshot))
    }

    /// Takes the snapshot over that waits; returns whether there was one to use.
    fn adopt_waiting(&mut self, out: &mut Vec<Body>) -> bool {
        let waiting = self.candidate.take();
        let newest_quote = self.top_check.newest();
        let is_usable = |waiting: &Candidate| {
            waiting.is_usable()
                && !waiting.is_doubtful
                && newest_quote.is_none_or(|quote| waiting.is_near(quote))
        };
        let Some(candidate) = waiting.filter(|waiting| is_usable(waiting)) else {
            return false;
        };
        self.adopt(*candidate, true, out);
        true
    }

    fn adopt(&mut self, candidate: Candidate, is_fresh: bool, out: &mut Vec<Body>) {
        let Candidate {
            last_id, book, cut, ..
        } = candidate;
        (self.book, self.cut, self.last_id) = (book, cut, Some(last_id));
        self.state = State::Whole { is_fresh };
        self.is_silent = false;
        self.kept.clear();
        self.top_check.forget_tops();
        if !is_fresh {
            self.top_check.depth(last_id, Top::of_book(&self.book));
        }
        self.watch = Watch::default();
        self.request = None;
        self.candidate = None;
        self.tell_live(out);
    }
}

#[cfg(test)]
mod tests;
