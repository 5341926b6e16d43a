//! The rules of the sequence numbers, gap and recovery, on small books.

use super::*;

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
        sync.snapshot(&DepthSnapshot { last_id: 100 }, &snapshot, &mut Vec::new()),
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
fn the_first_diff_may_straddle_the_snapshot_and_no_later_one_may() {
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
        assert_eq!(
            sync.depth(&update(first, last), &levels(&[], &[]), &mut Vec::new()),
            step,
            "{first}..{last}"
        );
    }
    let mut sync = synced(Recovery::Snapshot);
    sync.depth(&update(95, 101), &levels(&[], &[]), &mut Vec::new());
    let overlapping = sync.depth(&update(101, 103), &levels(&[], &[]), &mut Vec::new());
    assert_eq!(
        overlapping,
        SyncStep::Gap {
            expected: 101,
            got: 100
        }
    );
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
        &DepthSnapshot { last_id: 101 },
        &levels(&[(10, 1)], &[]),
        &mut out,
    );
    assert_eq!(old, SyncStep::SnapshotUnused);
    assert!(sync.take_request().is_some() && out.is_empty());
    let new = sync.snapshot(
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
    let step = sync.snapshot(&DepthSnapshot { last_id: 96 }, &levels(&[], &[]), &mut out);
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
    let step = sync.snapshot(&DepthSnapshot { last_id: 5 }, &levels(&[], &[]), &mut out);
    assert_eq!(
        step,
        SyncStep::SnapshotUnused,
        "the diffs that follow it were let go"
    );
}

/// A snapshot that is cut, whose bids then all go; a level far below it has become known before.
fn walked_beyond(recovery: Recovery) -> (BookSync, SyncStep, String) {
    let (mut sync, mut out) = (sync(recovery), Vec::new());
    let bids: Vec<(i64, i64)> = (0..CUT_AT_LEVELS as i64)
        .map(|at| (1_000 - at, 1))
        .collect();
    sync.snapshot(
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
        let (mut sync, step, told) = walked_beyond(Recovery::Evidence { agreements: 2 });
        assert_eq!((step, told.as_str()), (SyncStep::BeyondKnown, "+B1000x0."));
        assert!(sync.take_request().is_some() && sync.is_live());
        let bid = (Price(true_bid), Size(1));
        let mut out = Vec::new();
        for update_id in [103, 104] {
            sync.ticker(
                0,
                &BookTicker {
                    symbol: 0,
                    update_id,
                    bid,
                    ask: (Price(2_000), Size(1)),
                },
                &mut out,
            );
        }
        assert_eq!(sync.is_live(), goes_on, "{true_bid}");
        assert_eq!(short(&mut out), if goes_on { "" } else { "stale" });
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
        &DepthSnapshot { last_id: 110 },
        &levels(&[(10, 1)], &[(12, 3)]),
        &mut out,
    );
    assert_eq!(step, SyncStep::Synced(Synced::Snapshot));
    assert_eq!(short(&mut out), "clear =B10x1 =B8x1 =S12x3. live");
}

const EVIDENCE: Recovery = Recovery::Evidence { agreements: 2 };

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
    sync.depth(&diff_at(10, 101, 103), &levels(&[(9, 1)], &[]), &mut out);
    out.clear();
    for repeated_at in [9, 10] {
        let step = sync.depth(&diff_at(repeated_at, 101, 103), &levels(&[], &[]), &mut out);
        assert_eq!(step, SyncStep::Duplicate);
    }
    assert!(sync.is_live() && out.is_empty());
    let step = sync.depth(&diff_at(11, 3, 3), &levels(&[(5, 1)], &[]), &mut out);
    let went_back = Contradiction::IdsWentBack {
        last_id: 103,
        got: 3,
    };
    assert_eq!(step, SyncStep::Contradicted(went_back));
    assert_eq!(short(&mut out), "stale");
}

#[test]
fn a_snapshot_that_the_diffs_never_reach_is_not_believed_for_ever() {
    let (mut sync, mut out, none) = (synced(EVIDENCE), Vec::new(), levels(&[], &[]));
    // The ids began anew before the first diff came.
    let second = 1_000_000_000;
    for at in 0..4 {
        let id = at as u64 + 1;
        let step = sync.depth(&diff_at(at * second, id, id), &none, &mut out);
        assert_eq!(step, SyncStep::Duplicate, "{at}");
    }
    assert!(sync.is_live());
    let step = sync.depth(&diff_at(4 * second, 5, 5), &none, &mut out);
    let silent = Contradiction::Silent { last_id: 100 };
    assert_eq!(step, SyncStep::Contradicted(silent));
    assert!(!sync.is_live());
}

#[test]
fn a_book_may_be_crossed_for_one_message_and_no_longer() {
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    let crossing = levels(&[(12, 1)], &[]);
    assert_eq!(
        sync.depth(&update(101, 101), &crossing, &mut out),
        SyncStep::Applied
    );
    let uncrossed = levels(&[], &[(12, 0), (13, 1)]);
    sync.depth(&update(102, 102), &uncrossed, &mut out);
    assert!(sync.is_live());
    sync.depth(&update(103, 103), &levels(&[(13, 1)], &[]), &mut out);
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

#[test]
fn a_snapshot_ahead_of_a_live_book_replaces_it_where_the_diffs_reach_it() {
    for (bid, step, told) in [
        (
            10,
            SyncStep::Applied,
            "+B8x7. clear =B10x1 =B8x7 =B3x9 =S12x3.",
        ),
        // Another market than the quotes prove.
        (11, SyncStep::Applied, "+B8x7."),
    ] {
        let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
        let deeper = levels(&[(bid, 1), (8, 2), (3, 9)], &[(12, 3)]);
        let ahead = sync.snapshot(&DepthSnapshot { last_id: 105 }, &deeper, &mut out);
        assert_eq!(ahead, SyncStep::Kept);
        sync.depth(&update(101, 105), &levels(&[(8, 2), (9, 0)], &[]), &mut out);
        assert!(sync.is_live());
        out.clear();
        let reached = sync.depth(&update(106, 107), &levels(&[(8, 7)], &[]), &mut out);
        assert_eq!((reached, short(&mut out).as_str()), (step, told));
        assert!(sync.is_live());
    }
}

#[test]
fn quotes_and_trades_without_a_diff_show_that_the_diffs_have_stopped() {
    let second = 1_000_000_000;
    let ahead = quote(200, (10, 9), (12, 3));
    let same = quote(200, (10, 1), (12, 3));
    let (mut sync, mut out) = (synced(EVIDENCE), Vec::new());
    sync.depth(&diff_at(5, 101, 101), &levels(&[(9, 1)], &[]), &mut out);
    out.clear();
    // A quote that is the book's top says nothing, however late.
    assert_eq!(sync.ticker(0, &same, &mut out), None);
    assert_eq!(sync.ticker(60 * second, &same, &mut out), None);
    assert_eq!(sync.trade(61 * second, 5, &mut out), None, "no newer");
    assert_eq!(sync.trade(62 * second, 6, &mut out), None, "the first");
    assert_eq!(sync.ticker(64 * second, &ahead, &mut out), None);
    assert!(sync.is_live());
    let step = sync.ticker(65 * second, &ahead, &mut out);
    let silent = Contradiction::Silent { last_id: 101 };
    assert_eq!(step, Some(SyncStep::Contradicted(silent)));
    assert_eq!(short(&mut out), "stale");
}
