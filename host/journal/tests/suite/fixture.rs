//! A reel that was written once and for all by format 1, schema 7. Every later version reads it.

use crate::independent;
use crate::records::{NAME, append, files, folder, kind, payload, small};
use std::fs;
use std::path::{Path, PathBuf};
use tickdeck_journal::{Reader, Reel, segments, verify};

const RECORDS: u64 = 60;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

#[test]
fn a_reel_of_format_1_is_read_whole() {
    let infos = segments(&fixture(), NAME).unwrap();
    let reported: Vec<_> = infos
        .iter()
        .map(|info| {
            (
                info.number,
                info.first,
                info.records,
                info.sealed,
                info.schema,
            )
        })
        .collect();
    assert_eq!(
        reported,
        [
            (1, 0, RECORDS - 10, true, 7),
            (2, RECORDS - 10, 10, false, 7)
        ]
    );
    let mut reader = Reader::open(&fixture(), NAME).unwrap();
    for index in 0..RECORDS {
        let record = reader.next().unwrap().unwrap();
        assert_eq!(
            (record.index, record.kind, record.payload),
            (index, kind(index), &payload(index)[..])
        );
    }
    assert!(reader.next().unwrap().is_none());
    let verified = verify(&fixture(), NAME, &mut |_, _| {}).unwrap();
    assert_eq!(
        (verified.records, verified.sealed, verified.damage),
        (RECORDS, false, vec![])
    );
    let read = independent::read(&fixture(), NAME);
    assert_eq!(
        (read[1].next(), read[1].schema, read[1].capacity),
        (RECORDS, 7, 16 << 10)
    );
}

#[test]
fn a_reel_of_format_1_is_gone_on_with() {
    let folder = folder();
    for file in files(&fixture()) {
        fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    let (mut reel, opened) = Reel::open(folder.path(), NAME, &small()).unwrap();
    assert_eq!((opened.records, opened.torn), (RECORDS, None));
    append(&mut reel, 200);
    reel.close().unwrap();
    let verified = verify(folder.path(), NAME, &mut |_, _| {}).unwrap();
    assert_eq!((verified.records, verified.damage), (RECORDS + 200, vec![]));
}
