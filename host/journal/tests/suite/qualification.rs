//! One qualification for every candidate base of the journal: our reel and the crates `tickertape` and `open-wal`. Ours must
//! pass; the behavior of the others is pinned, because decision 11 rests on it.

use crate::records::{Random, folder, small};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tickdeck_journal::{Reader, Reel, Sync, verify};

/// Records in each test.
const RECORDS: u64 = 400;

/// A record that no other has a part of.
fn payload(index: u64) -> Vec<u8> {
    let mut random = Random(index << 32);
    (0..=index % 20)
        .flat_map(|_| random.next().to_le_bytes())
        .collect()
}

/// The requirements on a base.
trait Base {
    const NAME: &'static str;

    /// Appends the records to a new log; `then` sees the folder while the writer has neither synced nor ended.
    fn append(folder: &Path, then: &mut dyn FnMut());

    /// Appends the records and ends in order.
    fn write(folder: &Path);

    /// Opens the log as a writer does after a crash, and reads all that is there.
    fn open(folder: &Path) -> Result<Vec<Vec<u8>>, String>;

    /// Whether its own check finds anything wrong.
    fn finds_damage(folder: &Path) -> bool;
}

struct Ours;

impl Base for Ours {
    const NAME: &'static str = "ours";

    fn append(folder: &Path, then: &mut dyn FnMut()) {
        let config = tickdeck_journal::ReelConfig {
            sync: Sync::Never,
            ..small()
        };
        let (mut reel, _) = Reel::open(folder, "x", &config).unwrap();
        for index in 0..RECORDS {
            reel.append(1, &payload(index)).unwrap();
        }
        then();
    }

    fn write(folder: &Path) {
        let (mut reel, _) = Reel::open(folder, "x", &small()).unwrap();
        for index in 0..RECORDS {
            reel.append(1, &payload(index)).unwrap();
        }
        reel.close().unwrap();
    }

    fn open(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
        let (reel, _) = Reel::open(folder, "x", &small()).map_err(|error| error.to_string())?;
        let mut reader = Reader::open(folder, "x").map_err(|error| error.to_string())?;
        let mut records = Vec::new();
        while let Some(record) = reader.next().map_err(|error| error.to_string())? {
            records.push(record.payload.to_vec());
        }
        drop(reel);
        Ok(records)
    }

    fn finds_damage(folder: &Path) -> bool {
        verify(folder, "x", &mut |_, _| {}).map_or(true, |verified| !verified.damage.is_empty())
    }
}

struct Tickertape;

impl Tickertape {
    fn writer(folder: &Path) -> Result<tickertape::Writer, String> {
        let config = tickertape::WriterConfig::default().segment_size(64 << 10);
        tickertape::Writer::open(folder, config).map_err(|error| error.to_string())
    }

    fn fill(folder: &Path) -> tickertape::Writer {
        let mut writer = Self::writer(folder).unwrap();
        for index in 0..RECORDS {
            let record = tickertape::NewRecord {
                schema_id: 1,
                venue_ts_ns: 0,
                local_ts_ns: 0,
                payload: &payload(index),
            };
            writer.append(&record).unwrap();
        }
        writer
    }
}

impl Base for Tickertape {
    const NAME: &'static str = "tickertape";

    fn append(folder: &Path, then: &mut dyn FnMut()) {
        let writer = Self::fill(folder);
        then();
        drop(writer);
    }

    fn write(folder: &Path) {
        Self::fill(folder).checkpoint().unwrap();
    }

    fn open(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
        let writer = Self::writer(folder)?;
        let config = tickertape::ReaderConfig::default();
        let mut reader =
            tickertape::Reader::open(folder, config).map_err(|error| error.to_string())?;
        let mut records = Vec::new();
        while let Some(record) = reader.try_next().map_err(|error| error.to_string())? {
            records.push(record.payload.to_vec());
        }
        drop(writer);
        Ok(records)
    }

    fn finds_damage(folder: &Path) -> bool {
        tickertape::inspect::verify(folder).map_or(true, |report| !report.problems.is_empty())
    }
}

struct OpenWal;

impl OpenWal {
    fn wal(folder: &Path) -> Result<open_wal::Wal, String> {
        let config = open_wal::WalConfig {
            segment_size: 64 << 10,
            max_record_size: 4 << 10,
        };
        let opened = open_wal::Wal::open(folder, config);
        opened
            .map(|(wal, _)| wal)
            .map_err(|error| format!("{error:?}"))
    }

    fn fill(folder: &Path) -> open_wal::Wal {
        let mut wal = Self::wal(folder).unwrap();
        for index in 0..RECORDS {
            wal.append(&payload(index)).unwrap();
        }
        wal
    }
}

impl Base for OpenWal {
    const NAME: &'static str = "open-wal";

    fn append(folder: &Path, then: &mut dyn FnMut()) {
        let wal = Self::fill(folder);
        then();
        drop(wal);
    }

    fn write(folder: &Path) {
        Self::fill(folder).commit().unwrap();
    }

    fn open(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
        let wal = Self::wal(folder)?;
        let mut reader = wal
            .reader_from(open_wal::Lsn(0))
            .map_err(|error| format!("{error:?}"))?;
        let mut records = Vec::new();
        while let Some(record) = reader.next() {
            let (_, payload) = record.map_err(|error| format!("{error:?}"))?;
            records.push(payload.to_vec());
        }
        Ok(records)
    }

    /// It has no check but opening and reading.
    fn finds_damage(folder: &Path) -> bool {
        let all: Vec<Vec<u8>> = (0..RECORDS).map(payload).collect();
        Self::open(folder) != Ok(all)
    }
}

/// What a base does, in the order in which decision 11 lists it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// All records are in the files once `append` has returned.
    survives_the_process: bool,
    /// Of 100 changed bits spread over the files, how many its check finds.
    bits_found: u32,
    /// What stood half written behind the last record is somewhere in the folder after opening.
    keeps_the_torn_end: bool,
    /// Opening with a changed record in the middle is an error.
    refuses_damage_in_the_middle: bool,
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The files of a folder that hold anything, with the folders in it.
fn holding(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths.extend(holding(&path));
        } else if path.metadata().unwrap().len() > 0 {
            paths.push(path);
        }
    }
    paths.sort();
    paths
}

fn flip(path: &Path, byte: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut was = [0];
    file.read_exact_at(&mut was, byte).unwrap();
    file.write_all_at(&[was[0] ^ 0x10], byte).unwrap();
}

/// Where the bytes of a record's payload lie.
fn find(folder: &Path, payload: &[u8]) -> Option<(PathBuf, u64)> {
    holding(folder).into_iter().find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let mut windows = bytes.windows(payload.len());
        let at = windows.position(|window| window == payload)?;
        Some((path, at as u64))
    })
}

fn survives_the_process<B: Base>() -> bool {
    let (live, left) = (folder(), folder());
    B::append(live.path(), &mut || copy(live.path(), left.path()));
    let all: Vec<Vec<u8>> = (0..RECORDS).map(payload).collect();
    B::open(left.path()) == Ok(all)
}

fn bits_found<B: Base>() -> u32 {
    let original = folder();
    B::write(original.path());
    let files = holding(original.path());
    let total: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    let mut found = 0;
    for part in 0..100 {
        let mut byte = total * part / 100 + part % 7;
        let changed = folder();
        copy(original.path(), changed.path());
        for file in &files {
            let length = file.metadata().unwrap().len();
            if byte < length {
                flip(
                    &changed
                        .path()
                        .join(file.strip_prefix(original.path()).unwrap()),
                    byte,
                );
                break;
            }
            byte -= length;
        }
        found += u32::from(B::finds_damage(changed.path()));
    }
    found
}

/// Changes the last record, and looks whether its bytes are anywhere after opening.
fn keeps_the_torn_end<B: Base>() -> bool {
    let (live, torn) = (folder(), folder());
    let last = payload(RECORDS - 1);
    B::append(live.path(), &mut || copy(live.path(), torn.path()));
    if find(torn.path(), &last).is_none() {
        // It was in memory only.
        B::write(torn.path());
    }
    let (path, at) = find(torn.path(), &last).unwrap();
    flip(&path, at);
    let mut changed = last;
    changed[0] ^= 0x10;
    B::open(torn.path()).is_ok() && find(torn.path(), &changed).is_some()
}

fn refuses_damage_in_the_middle<B: Base>() -> bool {
    let damaged = folder();
    B::write(damaged.path());
    let middle = payload(RECORDS - 20);
    let (path, at) = find(damaged.path(), &middle).unwrap();
    flip(&path, at + 1);
    B::open(damaged.path()).is_err()
}

fn qualify<B: Base>() -> Outcome {
    let outcome = Outcome {
        survives_the_process: survives_the_process::<B>(),
        bits_found: bits_found::<B>(),
        keeps_the_torn_end: keeps_the_torn_end::<B>(),
        refuses_damage_in_the_middle: refuses_damage_in_the_middle::<B>(),
    };
    println!("{}: {outcome:?}", B::NAME);
    outcome
}

#[test]
fn the_reel_qualifies() {
    let wanted = Outcome {
        survives_the_process: true,
        bits_found: 100,
        keeps_the_torn_end: true,
        refuses_damage_in_the_middle: true,
    };
    assert_eq!(qualify::<Ours>(), wanted);
}

#[test]
fn what_the_other_bases_do_is_as_decision_11_says() {
    // `verify` of tickertape looks only at what records use; what is behind them may hold anything.
    let tickertape = Outcome {
        survives_the_process: true,
        bits_found: 26,
        keeps_the_torn_end: true,
        refuses_damage_in_the_middle: true,
    };
    assert_eq!(qualify::<Tickertape>(), tickertape);
    // open-wal keeps what is appended in memory until it is synced, and cuts a torn end off.
    let open_wal = Outcome {
        survives_the_process: false,
        bits_found: 67,
        keeps_the_torn_end: false,
        refuses_damage_in_the_middle: true,
    };
    assert_eq!(qualify::<OpenWal>(), open_wal);
}
