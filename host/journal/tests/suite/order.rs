//! Writing and reading in order.

use crate::records::{kind, payload, small};
use std::thread;
use tickdeck_journal::{JournalError, Reader, Reel, ReelConfig, Sync, prune, segments, verify};

fn append(reel: &mut Reel, count: u64) {
    for _ in 0..count {
        let index = reel.next_index();
        let got = reel.append(kind(index), &payload(index)).unwrap();
        assert_eq!(got, index);
    }
}

fn check(reader: &mut Reader, from: u64, to: u64) {
    for index in from..to {
        let record = reader.next().unwrap().expect("the record is there");
        assert_eq!(
            (record.index, record.kind, record.payload),
            (index, kind(index), &payload(index)[..])
        );
    }
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn records_read_back_across_segments_and_reopenings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for round in 0..6 {
        let (mut reel, opened) = Reel::open(folder, "events", &small()).unwrap();
        assert_eq!((opened.records, opened.torn), (round * 2_000, None));
        append(&mut reel, 2_000);
        if round % 2 == 0 {
            reel.close().unwrap();
        }
    }
    let mut reader = Reader::open(folder, "events").unwrap();
    check(&mut reader, 0, 12_000);
    for index in [7_000, 0, 11_999, 12_000, 4_321] {
        reader.seek(index).unwrap();
        assert_eq!(reader.position(), index);
        check(&mut reader, index, 12_000);
    }
    let outside = reader.seek(12_001).unwrap_err();
    assert!(matches!(
        outside,
        JournalError::OutOfRange { next: 12_000, .. }
    ));
    let verified = verify(folder, "events", &mut |_, _| {}).unwrap();
    assert_eq!((verified.records, verified.damage), (12_000, vec![]));
}

#[test]
fn a_reader_sees_each_record_as_soon_as_it_is_appended() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reel, _) = Reel::open(folder.path(), "events", &small()).unwrap();
    append(&mut reel, 1);
    let mut reader = Reader::open(folder.path(), "events").unwrap();
    check(&mut reader, 0, 1);
    for index in 1..3_000 {
        append(&mut reel, 1);
        check(&mut reader, index, index + 1);
    }
}

#[test]
fn a_run_of_records_is_the_same_as_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut reel, _) = Reel::open(folder.path(), "events", &small()).unwrap();
    let bytes: Vec<u8> = (0..104 * 3_000).map(|at| (at / 104) as u8).collect();
    assert_eq!(reel.append_all(5, &bytes, 104).unwrap(), 0);
    assert_eq!(reel.append_all(5, &[], 104).unwrap(), 3_000);
    assert_eq!(reel.next_index(), 3_000);
    reel.close().unwrap();
    let mut reader = Reader::open(folder.path(), "events").unwrap();
    for index in 0..3_000 {
        let record = reader.next().unwrap().unwrap();
        assert_eq!(record.index, index);
        assert_eq!(record.payload, [index as u8; 104]);
    }
}

#[test]
fn syncing_makes_all_durable_and_closed_segments_can_be_pruned() {
    for sync in [Sync::default(), Sync::Order, Sync::Never] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let segment_bytes = 64 << 10;
        let config = ReelConfig {
            sync,
            segment_bytes,
            ..small()
        };
        let (mut reel, _) = Reel::open(folder, "events", &config).unwrap();
        append(&mut reel, 4_000);
        reel.sync().unwrap();
        assert_eq!(reel.durable(), 4_000);
        reel.health().unwrap();
        let before = segments(folder, "events").unwrap();
        assert!(before.len() > 5);
        // Another thread gives closed segments their length.
        let open = || {
            segments(folder, "events")
                .unwrap()
                .iter()
                .filter(|one| one.bytes == segment_bytes)
                .count()
        };
        while open() > 1 {
            thread::yield_now();
        }
        let gone = prune(folder, "events", 200 << 10).unwrap();
        let after = segments(folder, "events").unwrap();
        assert_eq!(gone.len() + after.len(), before.len());
        assert!(!gone.is_empty() && !after.is_empty());
        append(&mut reel, 10);
        reel.close().unwrap();
        let mut reader = Reader::open(folder, "events").unwrap();
        check(&mut reader, after[0].first, 4_010);
        let (reel, opened) = Reel::open(folder, "events", &config).unwrap();
        assert_eq!(opened.records, 4_010);
        reel.close().unwrap();
    }
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_reel, _) = Reel::open(folder.path(), "events", &small()).unwrap();
    let second = Reel::open(folder.path(), "events", &small());
    assert!(matches!(second, Err(JournalError::InUse { .. })));
    Reel::open(folder.path(), "actions", &small()).unwrap();
}
