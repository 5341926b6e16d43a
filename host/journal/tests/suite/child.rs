//! The other process of the tests that kill it, starve it or take its disk away: this test binary itself, whose
//! environment has its role. It reports its actions line by line on its standard error.

use crate::records::{NAME, Random, append, kind, payload, small};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tickdeck_journal::{JournalError, Reel, ReelConfig, Sync, prune};

const ROLE: &str = "TICKDECK_JOURNAL_CHILD";
const FOLDER: &str = "TICKDECK_JOURNAL_FOLDER";
const SEED: &str = "TICKDECK_JOURNAL_SEED";

/// A command that runs this binary as the other process.
pub(crate) fn command(role: &str, folder: &Path, seed: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child::is_the_other_process", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn is_the_other_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    let seed = std::env::var(SEED).unwrap().parse().unwrap();
    match role.as_str() {
        "appends" => appends(folder, seed),
        "meets-faults" => meets_faults(folder),
        "waits-for-a-slow-disk" => waits_for_a_slow_disk(folder),
        "fills-the-disk" => crate::full::fills_the_disk(folder),
        other => crate::replacing::replaces(folder, other),
    }
}

/// One line, one write: the parent sees all of it or nothing.
pub(crate) fn report(line: &str) {
    let line = format!("{line}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Appends until killed, one by one or in runs, and reports each index once it is appended.
fn appends(folder: &Path, seed: u64) {
    let mut random = Random(seed);
    let sync = match random.below(3) {
        0 => Sync::Never,
        1 => Sync::Order,
        _ => Sync::Interval(Duration::from_millis(1)),
    };
    let (mut reel, opened) = Reel::open(folder, NAME, &ReelConfig { sync, ..small() }).unwrap();
    report(&format!("opened {}", opened.records));
    // Reporting takes longer than appending. Some report rarely, so that they are killed while they append.
    let reports_every = [1, 1, 16, 256][random.below(4) as usize];
    loop {
        match random.below(64) {
            0 => {
                // Records of one size in one go; what they contain still follows from the first one's index.
                let first = reel.next_index();
                let run: Vec<u8> = (first..first + 10).flat_map(run_payload).collect();
                assert_eq!(reel.append_all(RUN, &run, 24).unwrap(), first);
            }
            1 => reel.sync().unwrap(),
            2 => drop(prune(folder, NAME, 256 << 10).unwrap()),
            3 if random.below(8) == 0 => {
                reel.close().unwrap();
                reel = Reel::open(folder, NAME, &ReelConfig { sync, ..small() })
                    .unwrap()
                    .0;
                continue;
            }
            _ => append(&mut reel, 1),
        }
        if random.below(reports_every) == 0 {
            report(&format!("appended {}", reel.next_index()));
        }
    }
}

/// How many records are appended while calls fail: enough for some more than 200 calls of either family.
pub(crate) const FAULTY_RECORDS: u64 = 5_400;

/// Kind of the records that are appended in runs.
pub(crate) const RUN: u16 = 0xffff;

pub(crate) fn run_payload(index: u64) -> [u8; 24] {
    [index as u8; 24]
}

/// Appends and syncs while a write or a sync fails below it; reports everything.
fn meets_faults(folder: &Path) {
    let config = ReelConfig {
        sync: Sync::Order,
        ..small()
    };
    let (mut reel, opened) = match Reel::open(folder, NAME, &config) {
        Ok(opened) => opened,
        Err(error) => return report(&format!("not-opened {error}")),
    };
    report(&format!("opened {}", opened.records));
    let mut refused = 0;
    while reel.next_index() < FAULTY_RECORDS {
        let index = reel.next_index();
        match reel.append(kind(index), &payload(index)) {
            Ok(_) => report(&format!("appended {}", index + 1)),
            Err(error) => {
                report(&format!("refused {error}"));
                assert_eq!(reel.next_index(), index);
                refused += 1;
                if matches!(error, JournalError::SyncFailed { .. }) || refused == 5 {
                    break;
                }
            }
        }
        if index.is_multiple_of(40) {
            match reel.sync() {
                Ok(()) => report(&format!("durable {}", reel.durable())),
                Err(error) => {
                    report(&format!("unsynced {error}"));
                    break;
                }
            }
        }
    }
    ends(reel);
}

/// Appends while a sync takes longer than a second; reports that the reel says so, and that it recovers afterwards.
fn waits_for_a_slow_disk(folder: &Path) {
    let (mut reel, _) = Reel::open(folder, NAME, &small()).unwrap();
    append(&mut reel, 10);
    let stalled = loop {
        if let Err(error) = reel.health() {
            break error;
        }
        std::thread::yield_now();
    };
    assert!(matches!(stalled, JournalError::Stalled { .. }), "{stalled}");
    report(&format!("stalled {stalled}"));
    append(&mut reel, 10);
    reel.sync().unwrap();
    reel.health().unwrap();
    reel.close().unwrap();
    report("closed 20");
}

/// Reports whether a failure stays, and closes.
fn ends(mut reel: Reel) {
    let index = reel.next_index();
    let failed = matches!(reel.health(), Err(JournalError::SyncFailed { .. }));
    if failed {
        let again = [reel.append(1, b"again").map(drop), reel.sync()];
        let terminal =
            |result: &Result<(), _>| matches!(result, Err(JournalError::SyncFailed { .. }));
        assert!(again.iter().all(terminal), "{again:?}");
        assert_eq!(reel.next_index(), index);
        report("terminal");
    }
    match reel.close() {
        Ok(()) => report(&format!("closed {index}")),
        Err(error) => report(&format!("unclosed {error}")),
    }
}
