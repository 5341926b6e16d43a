//! The records that tests write: everything about them follows from the index.

use std::path::{Path, PathBuf};
use tickdeck_journal::{Reel, ReelConfig};

pub(crate) const NAME: &str = "events";

/// Segments of few records.
pub(crate) fn small() -> ReelConfig {
    ReelConfig {
        segment_bytes: 16 << 10,
        ..ReelConfig::default()
    }
}

pub(crate) fn kind(index: u64) -> u16 {
    (index % 1_009) as u16
}

/// Of 0 to 299 bytes, so that frames of every alignment occur.
pub(crate) fn payload(index: u64) -> Vec<u8> {
    let length = index * 37 % 300;
    (0..length)
        .map(|at| (index.wrapping_mul(31) + at * 7) as u8)
        .collect()
}

pub(crate) fn append(reel: &mut Reel, count: u64) {
    for _ in 0..count {
        let index = reel.next_index();
        let got = reel.append(kind(index), &payload(index)).unwrap();
        assert_eq!(got, index);
    }
}

/// The segments of the reel, oldest first.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "reel")
        })
        .collect();
    files.sort();
    files
}

/// A folder in memory where the machine has one, since tests write a lot.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Pseudo-random numbers from a seed (`splitmix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
