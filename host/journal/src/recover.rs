//! Opening after whatever happened: where the writer goes on, and what is kept aside.

use crate::JournalError;
use crate::files::{list, read_at, sync_folder, write_at};
use crate::format::{HEADER, Header, SEAL};
use crate::scan::{Scan, Step};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// What was found when a reel was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// Index after the last record: all that were ever appended, those pruned since included.
    pub records: u64,
    /// What was half written and has been kept aside.
    pub torn: Option<Torn>,
}

/// The end of a reel that was only half written: no good record stands in it or behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Where the bytes are kept.
    pub file: PathBuf,
    /// The segment they were in.
    pub segment: PathBuf,
    /// Where in it they began.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// Whether they lay where all had been durable. Then it was no crash that tore them: the disk or somebody changed the file,
    /// and records that were acknowledged are lost.
    pub durable: bool,
}

/// Where the writer goes on.
pub(crate) enum Recovered {
    /// In a segment that was left open.
    Open {
        path: PathBuf,
        header: Header,
        position: u64,
        index: u64,
        running: u64,
    },
    /// With a new segment. `reel` is there if there was a reel.
    Closed {
        reel: Option<u64>,
        number: u64,
        index: u64,
        running: u64,
    },
}

/// Finds where the writer goes on. Whoever calls it holds the reel's lock.
pub(crate) fn recover(folder: &Path, name: &str) -> Result<(Recovered, Opened), JournalError> {
    let mut files = list(folder, name)?;
    check_numbers(&files)?;
    let mut opened = Opened::default();
    drop_prepared(folder, name, &mut files, &mut opened)?;
    let Some((number, last)) = files.pop() else {
        let closed = Recovered::Closed {
            reel: None,
            number: 1,
            index: 0,
            running: 0,
        };
        return Ok((closed, opened));
    };
    let mut scan = begun(&last, name, number)?;
    check_earlier(&files, name, &scan)?;
    while let Step::Record { .. } = scan.step()? {}
    opened.records = scan.index();
    if scan.is_sealed() {
        finish(&scan)?;
        let closed = Recovered::Closed {
            reel: Some(scan.header().reel),
            number: number + 1,
            index: scan.index(),
            running: scan.running(),
        };
        return Ok((closed, opened));
    }
    if let Some(torn) = keep_tail(folder, &mut scan)? {
        opened.torn = Some(torn);
    }
    let open = Recovered::Open {
        path: last,
        header: scan.header().clone(),
        position: scan.position(),
        index: scan.index(),
        running: scan.running(),
    };
    Ok((open, opened))
}

fn check_numbers(files: &[(u64, PathBuf)]) -> Result<(), JournalError> {
    for pair in files.windows(2) {
        if pair[0].0 + 1 != pair[1].0 {
            let what = format!(
                "the segment before it, number {}, is missing",
                pair[1].0 - 1
            );
            return Err(JournalError::damaged(&pair[1].1, 0, what));
        }
    }
    Ok(())
}

fn begun(path: &Path, name: &str, number: u64) -> Result<Scan, JournalError> {
    Scan::open(path, name, number)?
        .ok_or_else(|| JournalError::damaged(path, 0, "it has no header"))
}

/// Removes the segment that was prepared and never begun, which an ended process leaves.
fn drop_prepared(
    folder: &Path,
    name: &str,
    files: &mut Vec<(u64, PathBuf)>,
    opened: &mut Opened,
) -> Result<(), JournalError> {
    let draft = folder.join(format!("{name}.next"));
    if draft.exists() {
        fs::remove_file(&draft).map_err(JournalError::io("delete", &draft))?;
    }
    let Some((_, path)) = files.last() else {
        return Ok(());
    };
    let file = File::open(path).map_err(JournalError::io("open", path))?;
    let mut magic = [0; 8];
    read_at(&file, &mut magic, 0).map_err(JournalError::io("read from", path))?;
    if magic != [0; 8] {
        return Ok(());
    }
    let bytes = used(&file).map_err(JournalError::io("read from", path))?;
    if bytes > HEADER {
        return Err(JournalError::damaged(
            path,
            0,
            "it has contents but no header",
        ));
    }
    if bytes > 0 {
        let kept = aside(path, 0);
        fs::rename(path, &kept).map_err(JournalError::io("put aside", path))?;
        opened.torn = Some(Torn {
            file: kept,
            segment: path.clone(),
            offset: 0,
            bytes,
            durable: false,
        });
    } else {
        fs::remove_file(path).map_err(JournalError::io("delete", path))?;
    }
    files.pop();
    Ok(())
}

/// Looks at the ends of the segments before the last: each must be sealed and lead on to the next.
fn check_earlier(files: &[(u64, PathBuf)], name: &str, last: &Scan) -> Result<(), JournalError> {
    let mut next = last.header().clone();
    for (number, path) in files.iter().rev() {
        let mut scan = begun(path, name, *number)?;
        let length = scan.length()?;
        let seal = scan.seal_at(length.saturating_sub(SEAL))?;
        if seal.is_none() {
            while let Step::Record { .. } = scan.step()? {}
            if !scan.is_sealed() {
                let what = "it does not go on to its end, but a later segment is there";
                return Err(JournalError::damaged(path, scan.position(), what));
            }
            finish(&scan)?;
        }
        let header = scan.header();
        let end = seal.map_or((scan.index(), scan.running()), |(records, running)| {
            (header.first + records, running)
        });
        if end != (next.first, next.chain) || header.reel != next.reel {
            let what = "the segment after it does not go on where it ends";
            return Err(JournalError::damaged(
                path,
                length.saturating_sub(SEAL),
                what,
            ));
        }
        next = header.clone();
    }
    Ok(())
}

/// Gives a sealed segment its exact length, which an ended process could not.
fn finish(scan: &Scan) -> Result<(), JournalError> {
    let path = scan.path();
    if scan.length()? == scan.position() {
        return Ok(());
    }
    if !scan.tail()?.is_empty() {
        let what = "something stands behind the end of the segment";
        return Err(JournalError::damaged(path, scan.position(), what));
    }
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(scan.position()))
        .map_err(JournalError::io("set the length of", path))
}

/// Copies what stands behind the last good frame aside and puts zeros in its place.
fn keep_tail(folder: &Path, scan: &mut Scan) -> Result<Option<Torn>, JournalError> {
    let tail = scan.tail()?;
    let (path, offset) = (scan.path(), scan.position());
    if tail.is_empty() {
        return Ok(None);
    }
    if let Some((good, index)) = scan.next_good()? {
        let what = format!(
            "record {} is not as it was written, but record {index} at byte {good} is",
            scan.index()
        );
        return Err(JournalError::damaged(path, offset, what));
    }
    let kept = aside(path, offset);
    let copied = File::create(&kept).and_then(|file| {
        write_at(&file, &tail, 0)?;
        file.sync_all()?;
        sync_folder(folder)
    });
    copied.map_err(JournalError::io("keep the torn end in", &kept))?;
    let cleared = OpenOptions::new().write(true).open(path).and_then(|file| {
        write_at(&file, &vec![0; tail.len()], offset)?;
        file.sync_all()
    });
    cleared.map_err(JournalError::io("clear the torn end of", path))?;
    Ok(Some(Torn {
        file: kept,
        segment: path.to_owned(),
        offset,
        bytes: tail.len() as u64,
        durable: scan.mark().is_ok_and(|mark| mark > offset),
    }))
}

/// A name for what is kept aside that is not taken.
fn aside(segment: &Path, offset: u64) -> PathBuf {
    let mut path = segment.with_extension(format!("torn-{offset}"));
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = segment.with_extension(format!("torn-{offset}-{number}"));
    }
    path
}

/// Bytes up to the last one that is not zero.
fn used(file: &File) -> std::io::Result<u64> {
    let mut chunk = vec![0; 256 << 10];
    let (mut offset, mut used) = (0, 0);
    loop {
        let got = read_at(file, &mut chunk, offset)?;
        if got == 0 {
            return Ok(used);
        }
        if let Some(last) = chunk[..got].iter().rposition(|byte| *byte != 0) {
            used = offset + last as u64 + 1;
        }
        offset += got as u64;
    }
}
