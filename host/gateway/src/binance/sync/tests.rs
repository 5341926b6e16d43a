//! The rules of the sequence numbers, gap and recovery, on small books.

use super::kept::MAX_KEPT_UPDATES;
use super::*;
use tickdeck_model::{BookChange, Price, Side, Size};

const EVIDENCE: Recovery = Recovery::Evidence { agreements: 2 };
const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

fn sync(recovery: Recovery) -> BookSync {
    BookSync::new(InstrumentId(3), VenueId(1), recovery)
}

fn levels(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Levels {
    let side = |levels: &[(i64, i64)]| {
        levels
            .iter()
            .map(|(price, size)| (Price(*price), Size(*size)))
            .collect()
    };
    Levels {
        bids: side(bids),
        asks: side(asks),
        cut_sizes: 0,
    }
}

fn update(first_id: u64, last_id: u64) -> DepthUpdate {
    DepthUpdate {
        symbol: 0,
        ts_venue: 0,
        first_id,
        last_id,
        previous_id: None,
    }
}

/// The events, abbreviated: `stale`, `live`, `clear`, `=B10x1` (snapshot), `+S12x0` (delta), `.` after the last.
fn short(out: &mut Vec<Body>) -> String {
    let text = |body: Body| match body {
        Body::Venue(status) => status.state.to_string(),
        Body::Book(level) => {
            let side = if level.side == Side::Buy { 'B' } else { 'S' };
            let text = match level.change {
                BookChange::Clear => "clear".to_owned(),
                BookChange::Snapshot => format!("={side}{}x{}", level.price.0, level.size.0),
                BookChange::Delta => format!("+{side}{}x{}", level.price.0, level.size.0),
            };
            if level.last { text + "." } else { text }
        }
        other => panic!("{other:?}"),
    };
    out.drain(..).map(text).collect::<Vec<_>>().join(" ")
}

fn synced(recovery: Recovery) -> BookSync {
    let mut sync = sync(recovery);
    let snapshot = levels(&[(10, 1), (9, 2)], &[(12, 3)]);
    assert_eq!(
        sync.snapshot(
            0,
            &DepthSnapshot { last_id: 100 },
            &snapshot,
            &mut Vec::new()
        ),
        SyncStep::Synced(Synced::Snapshot)
    );
    sync
}

#[test]
fn diffs_before_the_snapshot_are_kept_and_those_it_holds_are_dropped() {
    let (mut sync, mut out) = (sync(Recovery::Snapshot), Vec::new());
    assert_eq!(
        sync.depth(&update(90, 95), &levels(&[(10, 7)], &[]), &mut out),
        SyncStep::Kept
    );
    assert_eq!(
        sync.take_request(),
        Some(SnapshotRequest { at_least_id: 89 })
    );
    assert_eq!(sync.take_request(), None, "each request is given once");
    assert_eq!(
        sync.depth(&update(96, 104), &levels(&[(10, 5)], &[(12, 0)]), &mut out),
        SyncStep::Kept
    );
    assert_eq!(short(&mut out), "stale");
    assert!(!sync.is_live());
    let step = sync.snapshot(
        0,
        &DepthSnapshot { last_id: 100 },
        &levels(&[(10, 1)], &[(12, 3), (13, 1)]),
        &mut out,
    );
    assert_eq!(step, SyncStep::Synced(Synced::Snapshot));
    assert_eq!(short(&mut out), "clear =B10x5 =S13x1. live");
    assert_eq!(
        sync.depth(&update(105, 105), &levels(&[], &[]), &mut out),
        SyncStep::Applied
    );
}

#[test]
fn a_diff_of_spot_may_begin_before_the_book_and_not_behind_it() {
    // "If the event first update ID (U) is greater than the update ID of your local order book + 1, you have missed some events."
    for (first, last, step) in [
        (101, 101, SyncStep::Applied),
        (95, 101, SyncStep::Applied),
        (95, 100, SyncStep::Duplicate),
        (
            102,
            103,
            SyncStep::Gap {
                expected: 100,
                got: 101,
            },
        ),
    ] {
        let mut sync = synced(Recovery::Snapshot);
        let none = levels(&[], &[]);
        let mut out = Vec::new();
        assert_eq!(
            sync.depth(&update(first, last), &none, &mut out),
            step,
            "{first}..{last}"
        );
        // A later one as the first.
        let mut sync = synced(Recovery::Snapshot);
        sync.depth(&update(95, 100), &none, &mut out);
        sync.depth(&update(101, 110), &none, &mut out);
        let later = sync.depth(&update(first + 10, last + 10), &none, &mut out);
        let is_same = std::mem::discriminant(&later) == std::mem::discriminant(&step);
        assert!(is_same, "{first}..{last}: {later:?}");
    }
}

#[test]
fn a_repeated_diff_is_ignored_and_changes_nothing() {
    let (mut sync, mut out) = (synced(Recovery::Snapshot), Vec::new());
    let diff = levels(&[(10, 0), (11, 4)], &[]);
    sync.depth(&update(101, 103), &diff, &mut out);
    assert_eq!(short(&mut out), "+B10x0 +B11x4.");
    let before = sync.book().clone();
    assert_eq!(
        sync.depth(&update(101, 103), &levels(&[(11, 99)], &[]), &mut out),
        SyncStep::Duplicate
    );
    assert_eq!(*sync.book(), before);
    assert!(out.is_empty() && sync.is_live());
}

#[test]
fn a_gap_makes_the_book_stale_until_a_new_snapshot_covers_it() {
    let (mut sync, mut out) = (synced(Recovery::Snapshot), Vec::new());
    assert_eq!(
        sync.depth(&update(103, 104), &levels(&[(10, 8)], &[]), &mut out),
        SyncStep::Gap {
            expected: 100,
            got: 102
        }
    );
    assert_eq!(short(&mut out), "stale");
    assert_eq!(
        sync.take_request(),
        Some(SnapshotRequest { at_least_id: 102 })
    );
    assert_eq!(
        sync.depth(&update(105, 106), &levels(&[(9, 0)], &[]), &mut out),
        SyncStep::Kept
    );
    let old = sync.snapshot(
        0,
        &DepthSnapshot { last_id: 101 },
        &levels(&[(10, 1)], &[(12, 1)]),
        &mut out,
    );
    assert_eq!(old, SyncStep::SnapshotUnused);
    assert!(sync.take_request().is_some() && out.is_empty());
    let new = sync.snapshot(
        0,
        &DepthSnapshot { last_id: 102 },
        &levels(&[(10, 1), (9, 2)], &[(12, 3)]),
        &mut out,
    );
    assert_eq!(new, SyncStep::Synced(Synced::Snapshot));
    assert_eq!(short(&mut out), "clear =B10x8 =S12x3. live");
}

#[test]
fn a_gap_while_waiting_starts_the_waiting_over() {
    let (mut sync, mut out) = (sync(Recovery::Snapshot), Vec::new());
    sync.depth(&update(90, 95), &levels(&[], &[]), &mut out);
    assert_eq!(
        sync.depth(&update(99, 110), &levels(&[], &[]), &mut out),
        SyncStep::Gap {
            expected: 95,
            got: 98
        }
    );
    assert_eq!(short(&mut out), "stale", "stale is said once");
    let step = sync.snapshot(
        0,
        &DepthSnapshot { last_id: 96 },
        &levels(&[], &[]),
        &mut out,
    );
    assert_eq!(
        step,
        SyncStep::SnapshotUnused,
        "it does not reach the diffs kept"
    );
}

#[test]
fn what_is_kept_while_waiting_is_bounded() {
    let (mut sync, mut out) = (sync(Recovery::Snapshot), Vec::new());
    for id in 0..MAX_KEPT_UPDATES as u64 + 10 {
        sync.depth(&update(id, id), &levels(&[(1, 1)], &[]), &mut out);
    }
    assert_eq!(sync.kept.len(), MAX_KEPT_UPDATES);
    let step = sync.snapshot(
        0,
        &DepthSnapshot { last_id: 5 },
        &levels(&[], &[]),
        &mut out,
    );
    assert_eq!(
        step,
        SyncStep::SnapshotUnused,
        "the diffs that follow it were let go"
    );
}

/// A snapshot that is cut, whose bids then all go; a level far below it has become known before.
fn walked_beyond(recovery: Recovery) -> (BookSync, SyncStep, String) {
    let (mut sync, mut out) = (sync(recovery), Vec::new());
    let bids: Vec<(i64, i64)> = (0..100).map(|at| (1_000 - at, 1)).collect();
    sync.snapshot(
        0,
        &DepthSnapshot { last_id: 100 },
        &levels(&bids, &[(2_000, 1)]),
        &mut out,
    );
    sync.depth(&update(101, 101), &levels(&[(500, 1)], &[]), &mut out);
    let mut gone: Vec<(i64, i64)> = bids.iter().map(|(price, _)| (*price, 0)).collect();
    sync.depth(
        &update(102, 102),
        &levels(&gone.split_off(1), &[]),
        &mut out,
    );
    assert!(sync.is_live(), "one level above the cut is enough");
    out.clear();
    let step = sync.depth(&update(103, 103), &levels(&gone, &[]), &mut out);
    (sync, step, short(&mut out))
}

#[test]
fn a_price_that_walks_beyond_the_snapshots_depth_is_not_believed() {
    let (mut sync, step, told) = walked_beyond(Recovery::Snapshot);
    assert_eq!((step, told.as_str()), (SyncStep::BeyondKnown, "stale"));
    assert!(sync.take_request().is_some() && !sync.is_live());
}

#[test]
fn beyond_the_snapshot_the_exchanges_own_top_decides() {
    for (true_bid, goes_on) in [(500, true), (700, false)] {
        let (mut sync, mut out) = (sync(EVIDENCE), Vec::new());
        let snapshot = levels(&[(1_000, 1), (999, 1)], &[(2_000, 1)]);
        sync.snapshot(0, &DepthSnapshot { last_id: 100 }, &snapshot, &mut out);
        sync.depth(&update(101, 101), &levels(&[(500, 1)], &[]), &mut out);
        sync.ticker(0, &quote(101, (1_000, 1), (2_000, 1)), &mut out);
        out.clear();
        let gone = levels(&[(1_000, 0), (999, 0)], &[]);
        let step = sync.depth(&update(102, 102), &gone, &mut out);
        assert_eq!(step, SyncStep::BeyondKnown);
        assert_eq!(short(&mut out), "+B1000x0 +B999x0.");
        assert!(sync.take_request().is_some() && sync.is_live());
        for update_id in [102, 103] {
            sync.ticker(0, &quote(update_id, (true_bid, 1), (2_000, 1)), &mut out);
        }
        assert_eq!(sync.is_live(), goes_on, "{true_bid}");
        assert_eq!(short(&mut out), if goes_on { "" } else { "stale" });
    }
}

#[test]
fn beyond_the_snapshot_a_book_without_quotes_is_proven_by_nothing() {
    for depth in [1, 5, 20, 100] {
        let (mut sync, mut out) = (sync(EVIDENCE), Vec::new());
        let bids: Vec<(i64, i64)> = (0..depth).map(|at| (1_000 - at, 1)).collect();
        let snapshot = levels(&bids, &[(2_000, 1)]);
        sync.snapshot(0, &DepthSnapshot { last_id: 100 }, &snapshot, &mut out);
        sync.depth(&update(101, 101), &levels(&[(500, 1)], &[]), &mut out);
        assert!(sync.is_live());
        out.clear();
        let gone: Vec<(i64, i64)> = bids.iter().map(|(price, _)| (*price, 0)).collect();
        let step = sync.depth(&update(102, 102), &levels(&gone, &[]), &mut out);
        assert_eq!(step, SyncStep::BeyondKnown, "{depth} levels");
        assert_eq!(short(&mut out), "stale");
        // Quotes that come later prove it.
        for id in [102, 103, 104] {
            sync.ticker(0, &quote(id, (500, 1), (2_000, 1)), &mut out);
            sync.depth(&update(id + 1, id + 1), &levels(&[(400, 1)], &[]), &mut out);
        }
        assert!(sync.is_live());
    }
}

#[test]
fn without_a_snapshot_the_top_must_be_proven_and_stays_on_trial() {
    let (mut sync, mut out) = (synced(Recovery::Evidence { agreements: 2 }), Vec::new());
    let ticker = |update_id: u64, bid: i64, ask: i64| BookTicker {
        symbol: 0,
        update_id,
        bid: (Price(bid), Size(1)),
        ask: (Price(ask), Size(1)),
    };
    sync.depth(&update(110, 110), &levels(&[(8, 1)], &[(13, 1)]), &mut out);
    assert_eq!(short(&mut out), "stale");
    // The true bid is 9, which has not changed since the gap, so the book lacks it.
    sync.ticker(0, &ticker(110, 9, 13), &mut out);
    sync.depth(&update(111, 111), &levels(&[(9, 1)], &[]), &mut out);
    sync.ticker(0, &ticker(111, 9, 13), &mut out);
    sync.depth(&update(112, 112), &levels(&[(7, 4)], &[]), &mut out);
    assert!(
        !sync.is_live() && out.is_empty(),
        "one top differed, one agreed, one is open"
    );
    let step = sync.ticker(0, &ticker(113, 9, 12), &mut out);
    assert_eq!(step, Some(SyncStep::Synced(Synced::Evidence)));
    assert_eq!(short(&mut out), "clear =B9x1 =B8x1 =B7x4 =S13x1. live");
    // A level that the book never saw reaches the top.
    sync.depth(&update(113, 114), &levels(&[(7, 5)], &[]), &mut out);
    assert_eq!(short(&mut out), "+B7x5.");
    sync.ticker(0, &ticker(115, 9, 12), &mut out);
    assert_eq!(short(&mut out), "stale");
    assert!(!sync.is_live());
}

#[test]
fn a_later_snapshot_replaces_a_book_that_is_being_rebuilt() {
    let (mut sync, mut out) = (synced(Recovery::Evidence { agreements: 2 }), Vec::new());
    sync.depth(&update(110, 112), &levels(&[(8, 1)], &[]), &mut out);
    out.clear();
    let step = sync.snapshot(
        0,
        &DepthSnapshot { last_id: 110 },
        &levels(&[(10, 1)], &[(12, 3)]),
        &mut out,
    );
    assert_eq!(step, SyncStep::Synced(Synced::Snapshot));
    assert_eq!(short(&mut out), "clear =B10x1 =B8x1 =S12x3. live");
}

/// A diff of a time.
fn diff_at(ts_venue: Timestamp, first_id: u64, last_id: u64) -> DepthUpdate {
    DepthUpdate {
        ts_venue,
        ..update(first_id, last_id)
    }
}

fn quote(update_id: u64, bid: (i64, i64), ask: (i64, i64)) -> BookTicker {
    let level = |(price, size)| (Price(price), Size(size));
    BookTicker {
        symbol: 0,
        update_id,
        bid: level(bid),
        ask: level(ask),
    }
}

#[test]
fn diffs_of_futures_follow_by_the_id_that_they_name() {
    let future = |first_id, last_id, previous| DepthUpdate {
        previous_id: Some(previous),
        ..update(first_id, last_id)
    };
    let (mut sync, mut out, none) = (synced(EVIDENCE), Vec::new(), levels(&[], &[]));
    for (diff, step) in [
        (future(80, 95, 70), SyncStep::Duplicate),
        (future(98, 120, 96), SyncStep::Applied),
        (future(131, 140, 120), SyncStep::Applied),
        (
            future(151, 160, 149),
            SyncStep::Gap {
                expected: 140,
                got: 149,
            },
        ),
    ] {
        assert_eq!(sync.depth(&diff, &none, &mut out), step, "{diff:?}");
    }
}

#[test]
fn a_newer_diff_of_known_ids_is_no_repetition() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    sync.depth(
        &diff_at(10 * MS, 101, 103),
        &levels(&[(9, 1)], &[]),
        &mut out,
    );
    out.clear();
    for repeated_at in [9 * MS, 10 * MS] {
        let step = sync.depth(&diff_at(repeated_at, 101, 103), &levels(&[], &[]), &mut out);
        assert_eq!(step, SyncStep::Duplicate);
    }
    assert!(sync.is_live() && out.is_empty());
    let step = sync.depth(&diff_at(100 * MS, 3, 3), &levels(&[(5, 1)], &[]), &mut out);
    let went_back = Contradiction::IdsWentBack {
        last_id: 103,
        got: 3,
    };
    assert_eq!(step, SyncStep::Contradicted(went_back));
    assert_eq!(short(&mut out), "stale");
}

#[test]
fn a_snapshot_that_the_diffs_do_not_come_near_is_not_believed_until_they_reach_it() {
    let (mut sync, mut out, none) = (synced(EVIDENCE), Vec::new(), levels(&[], &[]));
    for at in 0..4 {
        let id = at as u64 + 1;
        let step = sync.depth(&diff_at(at * SECOND, id, id), &none, &mut out);
        assert_eq!(step, SyncStep::Duplicate, "{at}");
    }
    assert!(sync.is_live());
    let step = sync.depth(&diff_at(4 * SECOND, 5, 5), &none, &mut out);
    let behind = Contradiction::Behind {
        last_id: 100,
        got: 5,
    };
    assert_eq!(step, SyncStep::Contradicted(behind));
    assert_eq!(short(&mut out), "stale");
    sync.depth(&diff_at(5 * SECOND, 6, 98), &none, &mut out);
    assert!(!sync.is_live());
    let step = sync.depth(
        &diff_at(6 * SECOND, 99, 101),
        &levels(&[(8, 7)], &[]),
        &mut out,
    );
    assert_eq!(step, SyncStep::Synced(Synced::Snapshot));
    assert_eq!(short(&mut out), "clear =B10x1 =B9x2 =B8x7 =S12x3. live");
}

#[test]
fn a_book_may_be_crossed_for_one_message_and_no_longer() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    let crossing = levels(&[(12, 1)], &[]);
    assert_eq!(
        sync.depth(&update(101, 101), &crossing, &mut out),
        SyncStep::Applied
    );
    let uncrossed = levels(&[(12, 0)], &[]);
    sync.depth(&update(102, 102), &uncrossed, &mut out);
    assert!(sync.is_live());
    sync.depth(&update(103, 103), &crossing, &mut out);
    out.clear();
    let step = sync.depth(&update(104, 104), &levels(&[(9, 5)], &[]), &mut out);
    assert!(matches!(
        step,
        SyncStep::Contradicted(Contradiction::Crossed { last_id: 104, .. })
    ));
    assert_eq!(short(&mut out), "stale");
}

#[test]
fn quotes_of_the_same_id_that_differ_end_a_whole_book_and_later_ones_do_not() {
    for recovery in [EVIDENCE, Recovery::Snapshot] {
        let (mut sync, mut out) = (synced(recovery), Vec::new());
        sync.depth(&update(101, 102), &levels(&[(10, 4)], &[]), &mut out);
        out.clear();
        // Another id is another moment.
        assert_eq!(
            sync.ticker(0, &quote(102, (10, 4), (12, 3)), &mut out),
            None
        );
        assert_eq!(
            sync.ticker(0, &quote(103, (11, 1), (12, 3)), &mut out),
            None
        );
        assert!(sync.is_live());
        sync.depth(
            &update(103, 104),
            &levels(&[(11, 1), (9, 1)], &[]),
            &mut out,
        );
        out.clear();
        sync.ticker(0, &quote(104, (11, 2), (12, 3)), &mut out);
        let step = sync.ticker(0, &quote(105, (11, 2), (12, 3)), &mut out);
        let Some(SyncStep::Contradicted(Contradiction::Quotes { last_id: 104, .. })) = step else {
            panic!("{step:?}");
        };
        assert_eq!(short(&mut out), "stale");
        assert!(sync.take_request().is_some());
    }
}

/// A whole book that a diff has changed: at update 102, bids 10 and 9, ask 12.
fn followed(recovery: Recovery) -> BookSync {
    let mut sync = synced(recovery);
    let diff = levels(&[(9, 3)], &[]);
    assert_eq!(
        sync.depth(&diff_at(1, 101, 102), &diff, &mut Vec::new()),
        SyncStep::Applied
    );
    sync
}

fn snapshot_of(sync: &mut BookSync, at: Timestamp, last_id: u64, bid: i64) -> (SyncStep, String) {
    let mut out = Vec::new();
    let deeper = levels(&[(bid, 1), (3, 9)], &[(12, 3)]);
    let step = sync.snapshot(at, &DepthSnapshot { last_id }, &deeper, &mut out);
    (step, short(&mut out))
}

#[test]
fn a_snapshot_ahead_of_a_live_book_replaces_it_where_the_diffs_reach_it() {
    for (bid, told) in [
        (10, "+B8x7. clear =B10x1 =B8x7 =B3x9 =S12x3."),
        // Another market than the quotes prove.
        (11, "+B8x7."),
    ] {
        let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
        sync.ticker(0, &quote(102, (10, 1), (12, 3)), &mut out);
        assert_eq!(snapshot_of(&mut sync, 0, 105, bid).0, SyncStep::Kept);
        sync.depth(&update(103, 104), &levels(&[(9, 0)], &[]), &mut out);
        assert!(sync.is_live());
        out.clear();
        let reached = sync.depth(&update(105, 107), &levels(&[(8, 7)], &[]), &mut out);
        assert_eq!(
            (reached, short(&mut out).as_str()),
            (SyncStep::Applied, told)
        );
        assert!(sync.is_live());
    }
}

#[test]
fn a_diff_that_ends_at_the_snapshot_compares_the_book_with_it() {
    let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
    assert_eq!(snapshot_of(&mut sync, 0, 105, 10).0, SyncStep::Kept);
    sync.depth(&update(103, 105), &levels(&[(9, 0)], &[]), &mut out);
    assert_eq!(short(&mut out), "+B9x0. clear =B10x1 =B3x9 =S12x3.");
}

#[test]
fn without_quotes_a_snapshot_of_the_same_id_and_another_top_replaces_the_book() {
    let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
    let (step, told) = snapshot_of(&mut sync, 0, 102, 8);
    assert!(
        matches!(
            step,
            SyncStep::Contradicted(Contradiction::Snapshot { last_id: 102, .. })
        ),
        "{step:?}"
    );
    assert_eq!(told, "stale clear =B8x1 =B3x9 =S12x3. live");
    // The same where the diffs reach it only later.
    let mut sync = followed(EVIDENCE);
    snapshot_of(&mut sync, 0, 103, 8);
    let step = sync.depth(&update(103, 104), &levels(&[(9, 0)], &[]), &mut out);
    assert!(
        matches!(
            step,
            SyncStep::Contradicted(Contradiction::Snapshot { last_id: 104, .. })
        ),
        "{step:?}"
    );
    // With quotes, they decide.
    let mut sync = followed(EVIDENCE);
    sync.ticker(0, &quote(102, (10, 1), (12, 3)), &mut out);
    assert_eq!(
        snapshot_of(&mut sync, 0, 102, 8),
        (SyncStep::SnapshotUnused, String::new())
    );
}

#[test]
fn a_narrow_snapshot_takes_no_level_from_a_live_book() {
    let deep = levels(&[(10, 1), (9, 2), (8, 3)], &[(12, 3), (13, 4)]);
    let narrow = levels(&[(10, 1)], &[(12, 3)]);
    let (mut sync, mut out) = (sync(EVIDENCE), Vec::new());
    sync.snapshot(0, &DepthSnapshot { last_id: 100 }, &deep, &mut out);
    sync.depth(&update(101, 101), &levels(&[(9, 5)], &[]), &mut out);
    let step = sync.snapshot(0, &DepthSnapshot { last_id: 101 }, &narrow, &mut out);
    assert_eq!(step, SyncStep::SnapshotUnused);
    assert_eq!(sync.book().len(), 5);
    // One that is deeper on one side gives that side.
    let mixed = levels(&[(10, 1)], &[(12, 3), (13, 4), (14, 7)]);
    let step = sync.snapshot(0, &DepthSnapshot { last_id: 101 }, &mixed, &mut out);
    assert_eq!(step, SyncStep::Synced(Synced::Snapshot));
    assert_eq!(sync.book().len(), 6);
    out.clear();
    // The depth known is still that of the deep one.
    let gone = levels(&[(10, 0), (9, 0)], &[]);
    sync.depth(&update(102, 102), &gone, &mut out);
    assert!(sync.is_live());
}

#[test]
fn a_book_that_only_snapshots_feed_is_as_new_as_the_newest() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    for (at, id) in [(1, 105), (2, 110)] {
        let (step, told) = snapshot_of(&mut sync, at, id, 11);
        assert_eq!(step, SyncStep::Synced(Synced::Snapshot));
        assert_eq!(told, "clear =B11x1 =B3x9 =S12x3.");
    }
    assert_eq!(sync.last_id(), Some(110));
    // Trades without a snapshot or a diff end it, and the next snapshot begins it again.
    for at in 3..7 {
        sync.trade(at * SECOND, 1, &mut out);
    }
    assert_eq!(short(&mut out), "stale");
    let (_, told) = snapshot_of(&mut sync, 7 * SECOND, 120, 10);
    assert_eq!(told, "clear =B10x1 =B3x9 =S12x3. live");
}

#[test]
fn where_the_diffs_stop_and_snapshots_go_on_the_newest_counts() {
    let mut sync = followed(EVIDENCE);
    assert_eq!(snapshot_of(&mut sync, SECOND, 110, 11).0, SyncStep::Kept);
    assert_eq!(
        snapshot_of(&mut sync, 2 * SECOND, 120, 11).0,
        SyncStep::Kept
    );
    let older = snapshot_of(&mut sync, 3 * SECOND, 115, 11);
    assert_eq!(older.0, SyncStep::SnapshotUnused);
    let newer = snapshot_of(&mut sync, 4 * SECOND, 130, 11);
    assert_eq!(newer.0, SyncStep::Synced(Synced::Snapshot));
    assert_eq!((sync.last_id(), sync.is_live()), (Some(130), true));
}

#[test]
fn a_snapshot_that_waits_closes_a_gap_below_it() {
    let gap = SyncStep::Gap {
        expected: 102,
        got: 105,
    };
    for (last, told) in [
        (108, "stale clear =B10x1 =B3x9 =S12x3. live"),
        (115, "stale clear =B10x1 =B3x9 =S12x3. live +B8x7."),
    ] {
        let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
        assert_eq!(snapshot_of(&mut sync, 0, 110, 10).0, SyncStep::Kept);
        let step = sync.depth(&diff_at(2, 106, last), &levels(&[(8, 7)], &[]), &mut out);
        assert_eq!((step, short(&mut out).as_str()), (gap, told), "{last}");
        assert!(sync.is_live());
    }
    // One that the gap is above is of no use.
    let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
    snapshot_of(&mut sync, 0, 104, 10);
    sync.depth(&diff_at(2, 106, 108), &levels(&[(8, 7)], &[]), &mut out);
    assert_eq!(short(&mut out), "stale");
    assert!(!sync.is_live());
}

#[test]
fn a_snapshot_older_than_a_contradicted_book_is_not_taken_for_it() {
    let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
    sync.ticker(0, &quote(102, (10, 5), (12, 3)), &mut out);
    let step = sync.ticker(0, &quote(103, (10, 5), (12, 3)), &mut out);
    assert!(matches!(step, Some(SyncStep::Contradicted(_))), "{step:?}");
    sync.take_request();
    assert_eq!(
        snapshot_of(&mut sync, 0, 101, 10),
        (SyncStep::SnapshotUnused, String::new())
    );
    assert_eq!(
        sync.take_request(),
        Some(SnapshotRequest { at_least_id: 102 })
    );
    assert!(!sync.is_live());
    let (_, told) = snapshot_of(&mut sync, 0, 102, 10);
    assert_eq!(told, "clear =B10x1 =B3x9 =S12x3. live");
}

#[test]
fn one_quote_that_is_missing_does_not_end_a_whole_book() {
    let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
    sync.ticker(0, &quote(101, (10, 1), (12, 3)), &mut out);
    // The quotes of 103 to 105 are lost.
    for (id, size) in [(103, 2), (104, 3), (105, 4)] {
        sync.depth(&update(id, id), &levels(&[(10, size)], &[]), &mut out);
    }
    for id in [106, 108] {
        let quote = quote(id, (10, 4), (12, 3));
        assert_eq!(sync.ticker(0, &quote, &mut out), None);
        let first = sync.last_id().unwrap() + 1;
        sync.depth(&update(first, id + 1), &levels(&[(9, 1)], &[]), &mut out);
    }
    assert!(sync.is_live());
    // Three quotes in a row that the book contradicts do.
    for id in [110, 120, 125] {
        sync.ticker(0, &quote(id, (10, 8), (12, 3)), &mut out);
        let first = sync.last_id().unwrap() + 1;
        sync.depth(&update(first, id + 1), &levels(&[(9, 1)], &[]), &mut out);
    }
    out.clear();
    let step = sync.ticker(0, &quote(130, (10, 8), (12, 3)), &mut out);
    assert!(
        matches!(
            step,
            Some(SyncStep::Contradicted(Contradiction::Quotes { .. }))
        ),
        "{step:?}"
    );
    assert_eq!(short(&mut out), "stale");
}

#[test]
fn a_proven_book_whose_quotes_stop_is_no_longer_proven() {
    let (mut sync, mut out) = (sync(EVIDENCE), Vec::new());
    let mut id = 0;
    let mut diff = |sync: &mut BookSync, out: &mut Vec<Body>, ms: i64, bid: i64| {
        id += 1;
        let level = levels(&[(9, 0), (10, 0), (bid, 1)], &[(12, 1)]);
        let step = sync.depth(&diff_at(ms * MS, id, id), &level, out);
        (id, step)
    };
    for ms in 0..4 {
        let (id, _) = diff(&mut sync, &mut out, ms, 10);
        sync.ticker(0, &quote(id, (10, 1), (12, 1)), &mut out);
    }
    assert!(sync.is_live());
    // As long as the top stays, no quote is due.
    for second in 1..20 {
        diff(&mut sync, &mut out, second * 1_000, 10);
    }
    assert!(sync.is_live());
    for second in 20..24 {
        diff(&mut sync, &mut out, second * 1_000, 9);
    }
    assert!(sync.is_live());
    out.clear();
    let (_, step) = diff(&mut sync, &mut out, 24_000, 9);
    assert!(
        matches!(step, SyncStep::Contradicted(Contradiction::Unproven { .. })),
        "{step:?}"
    );
    assert_eq!(short(&mut out), "stale");
}

#[test]
fn the_same_diff_from_another_server_or_in_another_unit_is_no_newer() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    let none = levels(&[], &[]);
    sync.depth(&diff_at(7 * MS, 101, 103), &none, &mut out);
    for finer in [
        diff_at(7 * MS + 450_000, 101, 103),
        diff_at(30 * MS, 101, 102),
        // The same last id is the same book, at any time.
        diff_at(900 * MS, 100, 103),
    ] {
        assert_eq!(sync.depth(&finer, &none, &mut out), SyncStep::Duplicate);
    }
    assert!(sync.is_live());
}

#[test]
fn diffs_behind_a_snapshot_may_come_from_far_as_long_as_they_come_near() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    // The snapshot is at 100; six seconds of diffs were buffered before it.
    for id in 41..=100 {
        let at = id as i64 * SECOND / 10;
        let step = sync.depth(&diff_at(at, id, id), &levels(&[], &[]), &mut out);
        assert_eq!(step, SyncStep::Duplicate, "{id}");
    }
    let step = sync.depth(
        &diff_at(11 * SECOND, 101, 101),
        &levels(&[(9, 5)], &[]),
        &mut out,
    );
    assert_eq!((step, sync.is_live()), (SyncStep::Applied, true));
}

#[test]
fn quotes_and_trades_without_a_diff_show_that_the_diffs_have_stopped() {
    let ahead = quote(200, (10, 9), (12, 3));
    let same = quote(200, (10, 1), (12, 3));
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    sync.depth(&diff_at(5, 101, 101), &levels(&[(9, 1)], &[]), &mut out);
    out.clear();
    // A quote that is the book's top says nothing, however late.
    assert_eq!(sync.ticker(0, &same, &mut out), None);
    assert_eq!(sync.ticker(60 * SECOND, &same, &mut out), None);
    assert_eq!(sync.trade(61 * SECOND, 5, &mut out), None, "no newer");
    for second in 62..65 {
        assert_eq!(sync.trade(second * SECOND, 6, &mut out), None);
    }
    assert!(sync.is_live());
    let step = sync.ticker(65 * SECOND, &ahead, &mut out);
    let silent = Contradiction::Silent { last_id: 101 };
    assert_eq!(step, Some(SyncStep::Contradicted(silent)));
    assert_eq!(short(&mut out), "stale");
    assert_eq!(
        sync.take_request(),
        Some(SnapshotRequest { at_least_id: 101 })
    );
    // A snapshot of then is not one of now.
    assert_eq!(
        snapshot_of(&mut sync, 66 * SECOND, 101, 10).0,
        SyncStep::SnapshotUnused
    );
    // The book was kept. It is live once the diffs have come to where the market was when they went on.
    let late = diff_at(9, 102, 102);
    let step = sync.depth(&late, &levels(&[(8, 1)], &[]), &mut out);
    assert_eq!((step, short(&mut out).as_str()), (SyncStep::Kept, ""));
    let step = sync.depth(&diff_at(9, 103, 200), &levels(&[(8, 2)], &[]), &mut out);
    assert_eq!(step, SyncStep::Applied);
    assert_eq!(short(&mut out), "clear =B10x1 =B9x1 =B8x2 =S12x3. live");
}

#[test]
fn a_connection_that_stalls_as_a_whole_is_no_silence_of_the_diffs() {
    let (mut sync, mut out) = (followed(EVIDENCE), Vec::new());
    for at in [0, 30 * SECOND, 30 * SECOND + 1] {
        let ahead = quote(200 + at as u64, (10, 9), (12, 3));
        assert_eq!(sync.ticker(at, &ahead, &mut out), None, "{at}");
    }
    assert!(sync.is_live() && out.is_empty());
    // Where the market is slow, the diffs are missed all the same.
    for minute in 1..4 {
        let ahead = quote(300 + minute, (10, 9), (12, 3));
        sync.ticker(minute as i64 * 60 * SECOND, &ahead, &mut out);
    }
    assert!(!sync.is_live());
}

#[test]
fn diffs_that_come_late_for_good_do_not_make_a_book_live() {
    for (delay, is_live) in [(1, true), (2, true), (5, false), (30, false)] {
        let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
        let mut live = 0;
        // Ten quotes and a diff a second; a quote a message, in time.
        for at in 0..1_200i64 {
            let id = 100 + at as u64;
            sync.ticker(
                at * SECOND / 10,
                &quote(id, (10, 1 + at % 11), (12, 3)),
                &mut out,
            );
            let late = id.saturating_sub(delay * 10);
            if late > 100 {
                let diff = diff_at(late as i64 * SECOND / 10, late, late);
                sync.depth(
                    &diff,
                    &levels(&[(10, 1 + (late as i64 - 100) % 11)], &[]),
                    &mut out,
                );
            }
            live += usize::from(sync.is_live() && at > 600);
        }
        assert_eq!(live > 500, is_live, "{delay} s: {live}");
        assert_eq!(live < 10, !is_live, "{delay} s: {live}");
    }
}

#[test]
fn a_snapshot_that_the_diffs_do_not_come_near_takes_no_books_place() {
    let (mut sync, mut out) = (sync(EVIDENCE), Vec::new());
    // Of another symbol, with ids far ahead.
    let other = levels(&[(2_000, 1)], &[(2_001, 1)]);
    sync.snapshot(0, &DepthSnapshot { last_id: 1_000_000 }, &other, &mut out);
    let both = levels(&[(10, 1)], &[(12, 3)]);
    for id in 1..60 {
        sync.depth(&diff_at(id as i64 * SECOND / 10, id, id), &both, &mut out);
        sync.ticker(
            id as i64 * SECOND / 10,
            &quote(id, (10, 1), (12, 3)),
            &mut out,
        );
    }
    assert!(sync.is_live(), "proven by quotes");
    out.clear();
    sync.depth(&diff_at(7 * SECOND, 70, 70), &both, &mut out);
    assert_eq!(
        short(&mut out),
        "stale",
        "a gap, and the other is not taken"
    );
}

#[test]
fn two_snapshots_of_one_id_are_one() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    let deeper = levels(&[(10, 1), (9, 2), (8, 1)], &[(12, 3), (13, 1)]);
    sync.snapshot(0, &DepthSnapshot { last_id: 100 }, &deeper, &mut out);
    let future = DepthUpdate {
        previous_id: Some(96),
        ..update(98, 120)
    };
    let none = levels(&[], &[]);
    assert_eq!(sync.depth(&future, &none, &mut out), SyncStep::Applied);
}

#[test]
fn a_snapshot_with_one_side_is_no_book() {
    let mut out = Vec::new();
    for one in [
        levels(&[(10, 1)], &[]),
        levels(&[], &[(12, 1)]),
        levels(&[], &[]),
    ] {
        let mut sync = sync(EVIDENCE);
        let step = sync.snapshot(0, &DepthSnapshot { last_id: 100 }, &one, &mut out);
        assert_eq!(step, SyncStep::SnapshotUnused);
        assert!(!sync.is_live());
    }
}
