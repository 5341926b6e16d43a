//! Opening after whatever happened: where the writer goes on, and what is kept aside.

use crate::JournalError;
use crate::files::{list, read_at, sync_folder, used, write_at};
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
    if files.is_empty() {
        let closed = Recovered::Closed {
            reel: None,
            number: 1,
            index: 0,
            running: 0,
        };
        return Ok((closed, opened));
    }
    let mut scan = last_whole(name, &files)?;
    let number = scan.header().number;
    let later: Vec<PathBuf> = files
        .into_iter()
        .filter_map(|(other, path)| (other > number).then_some(path))
        .collect();
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
    if let Some(torn) = keep_tail(folder, &mut scan, &later)? {
        opened.torn = Some(torn);
    }
    let open = Recovered::Open {
        path: scan.path().to_owned(),
        header: scan.header().clone(),
        position: scan.position(),
        index: scan.index(),
        running: scan.running(),
    };
    Ok((open, opened))
}

/// Goes through the segments, the closed ones by their ends only, to the first that does not end in order; that should be the
/// last. Where the machine has ended before all of a segment was written back, it may be an earlier one, and then only
/// records that were never durable are behind it.
fn last_whole(name: &str, files: &[(u64, PathBuf)]) -> Result<Scan, JournalError> {
    let mut before: Option<(u64, u64, u64)> = None;
    for (at, (number, path)) in files.iter().enumerate() {
        let mut scan = begun(path, name, *number)?;
        let header = scan.header().clone();
        if before.is_some_and(|before| before != (header.reel, header.first, header.chain)) {
            let what = "it does not go on where the segment before it ends";
            return Err(JournalError::damaged(path, 0, what));
        }
        let last = at + 1 == files.len();
        let length = scan.length()?;
        let seal = scan.seal_at(length.saturating_sub(SEAL))?;
        if let Some((records, running)) = seal.filter(|_| !last) {
            before = Some((header.reel, header.first + records, running));
            continue;
        }
        while let Step::Record { .. } = scan.step()? {}
        if last {
            return Ok(scan);
        }
        if !scan.is_sealed() {
            let durable = scan.mark().map_or(true, |mark| mark > scan.position());
            let behind = scan.next_good()?.map_or(header.capacity, |good| good.0);
            if durable || !scan.lacks_a_page(behind)? {
                let what =
                    "what stands here is not as it was written, and a later segment is there";
                return Err(JournalError::damaged(path, scan.position(), what));
            }
            return Ok(scan);
        }
        finish(&scan)?;
        before = Some((header.reel, scan.index(), scan.running()));
    }
    unreachable!("the last segment has been returned")
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
    let bytes = used(&file, 0).map_err(JournalError::io("read from", path))?;
    let bytes = bytes.map_or(0, |span| span.end);
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

/// Copies what stands behind the last good frame aside and puts zeros in its place; segments behind it are put aside whole.
fn keep_tail(
    folder: &Path,
    scan: &mut Scan,
    later: &[PathBuf],
) -> Result<Option<Torn>, JournalError> {
    let tail = scan.tail()?;
    let (path, offset) = (scan.path(), scan.position());
    let durable = scan.mark().is_ok_and(|mark| mark > offset);
    if tail.is_empty() && later.is_empty() && !durable {
        return Ok(None);
    }
    if let Some((good, index)) = scan.next_good()?
        && (durable || !scan.lacks_a_page(good)?)
    {
        let what = format!(
            "record {} is not as it was written, but record {index} at byte {good} is",
            scan.index()
        );
        return Err(JournalError::damaged(path, offset, what));
    }
    let kept = aside(path, offset);
    let copied = File::create(&kept).and_then(|file| {
        write_at(&file, &tail, 0)?;
        file.sync_all()
    });
    copied.map_err(JournalError::io("keep the torn end in", &kept))?;
    // The last first, so that whatever ends this leaves a reel without gaps.
    for later in later.iter().rev() {
        fs::rename(later, aside(later, 0)).map_err(JournalError::io("put aside", later))?;
    }
    sync_folder(folder).map_err(JournalError::io("make durable the folder", folder))?;
    let cleared = OpenOptions::new().write(true).open(path).and_then(|file| {
        write_at(&file, &vec![0; tail.len()], offset)?;
        scan.place_mark(&file)?;
        file.sync_all()
    });
    cleared.map_err(JournalError::io("clear the torn end of", path))?;
    Ok(Some(Torn {
        file: kept,
        segment: path.to_owned(),
        offset,
        bytes: tail.len() as u64,
        durable,
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
