//! What is changed or cut off in the files is noticed, and what is only torn is kept aside.

use crate::independent;
use crate::records::{NAME, append, files, folder, kind, payload, small};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use tickdeck_journal::{Damage, JournalError, Opened, Reader, Reel, ReelConfig, Sync, verify};

/// How much of the end of a reel is changed bit by bit and cut off byte by byte.
const END: u64 = 64 << 10;

/// The files of a folder by name, with their bytes.
type Snapshot = BTreeMap<PathBuf, Vec<u8>>;

fn snapshot(folder: &Path) -> Snapshot {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
        .collect()
}

fn restore(folder: &Path, snapshot: &Snapshot) {
    fs::remove_dir_all(folder).unwrap();
    fs::create_dir(folder).unwrap();
    for (name, bytes) in snapshot {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// A reel of more than 64 KiB in closed segments.
fn closed(folder: &Path) {
    let config = ReelConfig {
        segment_bytes: 40 << 10,
        ..small()
    };
    let (mut reel, _) = Reel::open(folder, NAME, &config).unwrap();
    append(&mut reel, 500);
    reel.close().unwrap();
}

/// A reel whose last segment is open, as a killed process leaves it: with zeros behind it and the next segment prepared.
fn open(folder: &Path, sync: Sync) {
    let (mut reel, _) = Reel::open(folder, NAME, &ReelConfig { sync, ..small() }).unwrap();
    append(&mut reel, 120);
    // The third is the one that is prepared, by another thread.
    let mut taken = files(folder);
    while taken.len() < 3 {
        thread::yield_now();
        taken = files(folder);
    }
    assert_eq!(taken.len(), 3);
    if sync != Sync::Never {
        reel.sync().unwrap();
    }
    let left: Snapshot = taken
        .iter()
        .map(|file| (file.file_name().unwrap().into(), fs::read(file).unwrap()))
        .collect();
    drop(reel);
    restore(folder, &left);
}

fn damage(folder: &Path) -> Vec<Damage> {
    verify(folder, NAME, &mut |_, _| {}).unwrap().damage
}

/// Where damage in this byte should be said to be.
fn place(segment: Option<&independent::Segment>, byte: u64) -> u64 {
    match segment {
        None if byte < 8 => 0,
        Some(_) if byte < 4088 => 0,
        Some(_) if byte < 4096 => 4088,
        Some(segment) if byte < segment.end => {
            let starts = segment.records.iter().map(|record| record.at);
            let last = starts.take_while(|at| *at <= byte).last().unwrap_or(4096);
            let seal = segment.end - 32;
            if segment.sealed && byte >= seal {
                seal
            } else {
                last
            }
        }
        // The first word behind the last frame is where the next one would be.
        Some(segment) if byte < segment.end + 8 => segment.end,
        _ => byte,
    }
}

/// Changes every bit of the last 64 KiB, in as many threads as the machine has cores.
fn flips_every_bit(make: impl Fn(&Path) + std::marker::Sync) -> u64 {
    let original = folder();
    make(original.path());
    assert_eq!(damage(original.path()), []);
    let left = &snapshot(original.path());
    let threads = thread::available_parallelism().unwrap().get() as u64;
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| scope.spawn(move || flips_a_part(left, part, threads)))
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    })
}

fn flips_a_part(left: &Snapshot, part: u64, parts: u64) -> u64 {
    let folder = folder();
    restore(folder.path(), left);
    let (mut before_end, mut flips) = (0, 0);
    for path in files(folder.path()).into_iter().rev() {
        let bytes = fs::read(&path).unwrap();
        let segment = independent::segment(&bytes);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let first = (bytes.len() as u64).saturating_sub(END - before_end);
        for byte in (first..bytes.len() as u64).filter(|byte| byte % parts == part) {
            let place = place(segment.as_ref(), byte);
            for bit in 0..8 {
                let was = bytes[byte as usize];
                file.write_all_at(&[was ^ 1 << bit], byte).unwrap();
                let found = damage(folder.path());
                let reported = found
                    .iter()
                    .any(|damage| damage.file == path && damage.offset == place);
                assert!(
                    reported,
                    "bit {bit} of byte {byte} of {path:?}, expected at {place}: {found:?}"
                );
                file.write_all_at(&[was], byte).unwrap();
                flips += 1;
            }
        }
        before_end = (before_end + bytes.len() as u64).min(END);
    }
    assert_eq!(damage(folder.path()), []);
    flips
}

#[test]
fn every_changed_bit_of_a_closed_reel_is_found_and_placed() {
    assert_eq!(flips_every_bit(closed), END * 8);
}

#[test]
fn every_changed_bit_of_an_open_reel_is_found_and_placed() {
    let flips = flips_every_bit(|folder| open(folder, Sync::default()));
    assert!(flips > 8 * (40 << 10), "{flips}");
}

#[test]
fn a_record_that_a_killed_writer_left_half_written_is_torn_and_a_single_bit_behind_the_last_one_is_damage()
 {
    let folder = folder();
    let folder = folder.path();
    open(folder, Sync::Never);
    let segments = tickdeck_journal::segments(folder, NAME).unwrap();
    let last = segments.last().unwrap();
    let whole = std::fs::read(&last.file).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let end = used.next_multiple_of(8);
    assert!(end + 64 < whole.len());
    // All of the frame but its first word, which is written last.
    let mut bytes = whole.clone();
    bytes[end + 16..end + 40].fill(0x5a);
    std::fs::write(&last.file, &bytes).unwrap();
    let verified = verify(folder, NAME, &mut |_, _| {}).unwrap();
    assert_eq!(verified.damage, []);
    let torn = verified.torn.unwrap();
    assert_eq!(torn.file, last.file);
    assert!(
        (end..end + 16).contains(&(torn.offset as usize)),
        "{torn:?}"
    );
    let mut bytes = whole;
    bytes[end + 16] = 1;
    std::fs::write(&last.file, &bytes).unwrap();
    let verified = verify(folder, NAME, &mut |_, _| {}).unwrap();
    assert_eq!((verified.damage.len(), verified.torn), (1, None));
}

/// What opening should make of a reel whose last begun segment has these bytes and no good frame behind its last good one.
fn check_opened(folder: &Path, path: &Path, opened: &Opened, bytes: &[u8], durable: u64) {
    let segment = independent::segment(bytes).unwrap();
    assert_eq!(opened.records, segment.next());
    let rest = &bytes[segment.end as usize..];
    let used = rest
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let Some(torn) = &opened.torn else {
        assert!(used == 0 && durable <= segment.end);
        return;
    };
    assert_eq!((torn.segment.as_path(), torn.offset), (path, segment.end));
    assert_eq!(
        (torn.bytes, torn.durable),
        (used as u64, durable > segment.end)
    );
    assert_eq!(fs::read(&torn.file).unwrap(), rest[..used]);
    assert!(torn.file.starts_with(folder));
}

/// Reads everything back, and again after going on.
fn check_goes_on(folder: &Path, mut reel: Reel, records: u64) {
    append(&mut reel, 3);
    reel.close().unwrap();
    let mut reader = Reader::open(folder, NAME).unwrap();
    for index in 0..records + 3 {
        let record = reader.next().unwrap().unwrap();
        assert_eq!(
            (record.kind, record.payload),
            (kind(index), &payload(index)[..])
        );
    }
    assert!(reader.next().unwrap().is_none());
    assert_eq!(damage(folder), []);
}

#[test]
fn a_reel_cut_to_any_length_is_recognised_and_its_end_put_aside() {
    for make in [closed, |folder: &Path| open(folder, Sync::default())] {
        let folder = folder();
        let folder = folder.path();
        make(folder);
        let left = snapshot(folder);
        let paths = files(folder);
        let begun = |path: &&PathBuf| independent::segment(&fs::read(path).unwrap()).is_some();
        let path = paths.iter().rfind(begun).unwrap().clone();
        let bytes = fs::read(&path).unwrap();
        let whole = independent::segment(&bytes).unwrap();
        let shortest = (bytes.len() as u64).saturating_sub(END);
        for length in (shortest..bytes.len() as u64).rev() {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(length).unwrap();
            let found = damage(folder);
            assert!(found.iter().any(|damage| damage.file == path), "{length}");
            // Opening costs more; what it does is the same for neighbours.
            if length.is_multiple_of(41) {
                let opened = Reel::open(folder, NAME, &small());
                if length < 4096 {
                    assert!(
                        matches!(opened, Err(JournalError::Damaged { offset: 0, .. })),
                        "{length}"
                    );
                    file.set_len(0).unwrap();
                } else {
                    let (reel, opened) = opened.unwrap();
                    check_opened(
                        folder,
                        &path,
                        &opened,
                        &bytes[..length as usize],
                        whole.mark,
                    );
                    check_goes_on(folder, reel, opened.records);
                    restore(folder, &left);
                    continue;
                }
            }
            fs::write(&path, &bytes).unwrap();
        }
    }
}

#[test]
fn a_changed_bit_in_the_last_record_is_torn_and_before_it_is_an_error_that_changes_nothing() {
    for sync in [Sync::default(), Sync::Never] {
        let folder = folder();
        let folder = folder.path();
        open(folder, sync);
        let left = snapshot(folder);
        let path = files(folder)[1].clone();
        let bytes = fs::read(&path).unwrap();
        let whole = independent::segment(&bytes).unwrap();
        let last = whole.records.last().unwrap().at;
        for byte in (4096..whole.end + 64).filter(|byte| byte % 7 == 0 || *byte >= last) {
            let mut changed = bytes.clone();
            changed[byte as usize] ^= 1 << (byte % 8);
            fs::write(&path, &changed).unwrap();
            let before = snapshot(folder);
            match Reel::open(folder, NAME, &small()) {
                Ok((reel, opened)) => {
                    assert!(byte >= last, "byte {byte}");
                    check_opened(folder, &path, &opened, &changed, whole.mark);
                    assert_eq!(opened.records, whole.next() - u64::from(byte < whole.end));
                    check_goes_on(folder, reel, opened.records);
                }
                Err(JournalError::Damaged { file, offset, .. }) => {
                    assert!(byte < last, "byte {byte}");
                    assert_eq!((&file, offset), (&path, place(Some(&whole), byte)));
                    let mut after = snapshot(folder);
                    after.remove(Path::new("events.lock"));
                    assert!(after == before, "byte {byte}");
                }
                Err(other) => panic!("byte {byte}: {other}"),
            }
            restore(folder, &left);
        }
    }
}

/// Two begun segments of which nothing is durable, and what the first holds.
fn never_synced(folder: &Path) -> (Vec<PathBuf>, Vec<u8>) {
    open(folder, Sync::Never);
    let paths = files(folder)[..2].to_vec();
    let bytes = fs::read(&paths[0]).unwrap();
    // The end of the machine comes before the segment could be shortened.
    let file = OpenOptions::new().write(true).open(&paths[0]).unwrap();
    file.set_len(16 << 10).unwrap();
    (paths, bytes)
}

#[test]
fn pages_that_the_end_of_the_machine_left_unwritten_are_torn_with_all_behind_them() {
    for page in 1..4 {
        let folder = folder();
        let folder = folder.path();
        let (paths, mut bytes) = never_synced(folder);
        let from = page * 4096;
        let to = (from + 4096).min(bytes.len());
        bytes[from..to].fill(0);
        bytes.resize(16 << 10, 0);
        fs::write(&paths[0], &bytes).unwrap();
        let later = fs::read(&paths[1]).unwrap();
        let (reel, opened) = Reel::open(folder, NAME, &small()).unwrap();
        check_opened(folder, &paths[0], &opened, &bytes, 0);
        assert!(!opened.torn.unwrap().durable);
        let aside = paths[1].with_extension("torn-0");
        assert_eq!(fs::read(aside).unwrap(), later);
        check_goes_on(folder, reel, opened.records);
    }
}

#[test]
fn a_missing_page_that_was_durable_is_damage() {
    let folder = folder();
    let folder = folder.path();
    open(folder, Sync::default());
    let path = &files(folder)[1];
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0; 4096], 4096).unwrap();
    assert_eq!(damage(folder)[0].offset, 4096);
    let error = Reel::open(folder, NAME, &small()).err().unwrap();
    assert!(
        matches!(&error, JournalError::Damaged { file, .. } if file == path),
        "{error}"
    );
}

/// Does something to the files of one reel, with those of another.
type Spoil<'a> = &'a dyn Fn(&[PathBuf], &[PathBuf]);

#[test]
fn a_segment_that_is_missing_exchanged_or_of_another_reel_is_damage() {
    let original = folder();
    closed(original.path());
    let left = snapshot(original.path());
    let foreign = folder();
    closed(foreign.path());
    let copy = |from: &Path, to: &Path| {
        fs::copy(from, to).unwrap();
    };
    let spoil: [Spoil; 4] = [
        &|ours, _| fs::remove_file(&ours[1]).unwrap(),
        &|ours, _| copy(&ours[0], &ours[1]),
        &|ours, theirs| copy(&theirs[1], &ours[1]),
        &|ours, theirs| copy(&theirs[0], &ours[0]),
    ];
    for spoil in spoil {
        let folder = original.path();
        spoil(&files(folder), &files(foreign.path()));
        assert!(!damage(folder).is_empty());
        let opened = Reel::open(folder, NAME, &small());
        assert!(matches!(opened, Err(JournalError::Damaged { .. })));
        restore(folder, &left);
    }
}

#[test]
fn a_frame_moved_to_where_another_was_is_damage() {
    let folder = folder();
    let folder = folder.path();
    open(folder, Sync::default());
    let path = &files(folder)[1];
    let bytes = fs::read(path).unwrap();
    let records = independent::segment(&bytes).unwrap().records;
    // Two frames of one size, of which the second is put in place of the first.
    let size = |at: usize| records[at + 1].at - records[at].at;
    let pairs = (0..records.len() - 1)
        .flat_map(|one| (one + 1..records.len() - 1).map(move |two| (one, two)));
    let (one, two) = pairs
        .into_iter()
        .find(|(one, two)| size(*one) == size(*two))
        .unwrap();
    let frame = &bytes[records[two].at as usize..][..size(two) as usize];
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(frame, records[one].at).unwrap();
    assert_eq!(damage(folder)[0].offset, records[one].at);
    let mut reader = Reader::open(folder, NAME).unwrap();
    let error = loop {
        match reader.next() {
            Ok(record) => assert!(record.is_some_and(|record| record.index < records[one].index)),
            Err(error) => break error,
        }
    };
    assert!(
        error
            .to_string()
            .contains(&format!("is damaged at byte {}", records[one].at)),
        "{error}"
    );
}

#[test]
fn records_from_any_index_on_are_put_aside_as_a_whole_on_request() {
    for make in [closed, |folder: &Path| open(folder, Sync::default())] {
        let folder = folder();
        let folder = folder.path();
        make(folder);
        let left = snapshot(folder);
        let (reel, whole) = Reel::open(folder, NAME, &small()).unwrap();
        drop(reel);
        for until in (0..whole.records).step_by(7).chain([whole.records - 1]) {
            restore(folder, &left);
            let (reel, opened) = Reel::open_until(folder, NAME, &small(), until).unwrap();
            assert_eq!((opened.records, opened.torn), (until, None));
            let beyond = opened.beyond.expect("records were put aside");
            let old = &left[Path::new(beyond.segment.file_name().unwrap())];
            let (from, to) = (
                beyond.offset as usize,
                (beyond.offset + beyond.bytes) as usize,
            );
            assert_eq!(fs::read(&beyond.file).unwrap(), old[from..to], "{until}");
            check_goes_on(folder, reel, until);
            let (_, again) = Reel::open(folder, NAME, &small()).unwrap();
            assert_eq!((again.records, again.beyond), (until + 3, None));
        }
        restore(folder, &left);
        let opened = Reel::open_until(folder, NAME, &small(), whole.records)
            .unwrap()
            .1;
        assert_eq!((opened.records, opened.beyond), (whole.records, None));
    }
}
