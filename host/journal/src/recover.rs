//! Opens a reel after any kind of ending: finds the place where the writer continues, and puts torn records aside.

use crate::JournalError;
use crate::files::list;
use crate::format::{HEADER, Header, SEAL};
use crate::io::{read_at, sync_folder, used, write_at};
use crate::scan::{Scan, Step};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use tickdeck_files::{open_plain, open_plain_with};

/// The state of a reel when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The index after the last record: the number of all that were ever appended, pruned ones included.
    pub records: u64,
    /// The half-written end that was put aside.
    pub torn: Option<Torn>,
    /// The records that [`Reel::open_until`](crate::Reel::open_until) has put aside.
    pub beyond: Option<Torn>,
}

/// The end of a reel that was put aside. If it was only half-written, there is no good record in it or after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The file that has the bytes now.
    pub file: PathBuf,
    /// The segment that had them.
    pub segment: PathBuf,
    /// Their offset in the segment.
    pub offset: u64,
    /// Their number.
    pub bytes: u64,
    /// Whether they were in the durable part. Then no crash tore them: the disk or a person changed the file, and acknowledged
    /// records are lost.
    pub durable: bool,
}

/// The place where the writer continues.
pub(crate) enum Recovered {
    /// In a segment that was left open.
    Open {
        path: PathBuf,
        header: Header,
        position: u64,
        index: u64,
        running: u64,
    },
    /// With a new segment. `reel` is set if the reel existed.
    Closed {
        reel: Option<u64>,
        number: u64,
        index: u64,
        running: u64,
    },
}

/// Finds the place where the writer continues: before record `until` at the latest. The caller holds the reel's lock. Nothing is
/// changed before everything has been inspected.
pub(crate) fn recover(
    folder: &Path,
    name: &str,
    until: u64,
) -> Result<(Recovered, Opened), JournalError> {
    let mut files = list(folder, name)?;
    check_numbers(&files)?;
    let prepared = prepared(name, &mut files)?;
    let mut opened = Opened::default();
    let mut recovered = Recovered::Closed {
        reel: None,
        number: 1,
        index: 0,
        running: 0,
    };
    if let Some(ends) = Ends::find(name, files)? {
        let scan = &ends.last;
        let tail = Tail::of(scan, &ends.later)?;
        for closed in &ends.unfinished {
            finish(closed)?;
        }
        if let Some(tail) = tail {
            let clear = |file: &File| clear(file, scan.position(), tail.length);
            opened.torn = Some(tail.put_aside(folder, scan, &ends.later, clear)?);
        }
        opened.records = scan.index();
        recovered = continuation(scan)?;
    }
    if let Some(prepared) = prepared {
        opened.torn = opened.torn.or(prepared.drop()?);
    }
    let draft = folder.join(format!("{name}.next"));
    if draft.exists() {
        fs::remove_file(&draft).map_err(JournalError::io("delete", &draft))?;
    }
    if until < opened.records {
        let (scan, torn) = put_aside(folder, name, until)?;
        opened.records = scan.index();
        opened.beyond = Some(torn);
        recovered = continuation(&scan)?;
    }
    Ok((recovered, opened))
}

/// Puts the records from `until` on of an intact reel aside.
fn put_aside(folder: &Path, name: &str, until: u64) -> Result<(Scan, Torn), JournalError> {
    let mut found = None;
    let mut later = Vec::new();
    for (number, path) in list(folder, name)? {
        let scan = begun(&path, name, number)?;
        if scan.header().first > until {
            later.push(path);
        } else {
            found = Some(scan);
        }
    }
    let Some(mut scan) = found else {
        let what = format!("the records before {until} do not exist any more");
        return Err(JournalError::damaged(folder, 0, what));
    };
    while scan.index() < until && matches!(scan.step()?, Step::Record { .. }) {}
    let length = scan.tail()?;
    let durable = scan.mark().is_ok_and(|mark| mark > scan.position());
    let tail = Tail { length, durable };
    let torn = tail.put_aside(folder, &scan, &later, |file| {
        // In one step, so that any interruption leaves whole records up to the old or the new end.
        file.set_len(scan.position())?;
        file.set_len(scan.header().capacity)
    })?;
    Ok((scan, torn))
}

fn continuation(scan: &Scan) -> Result<Recovered, JournalError> {
    let (index, running) = (scan.index(), scan.running());
    if scan.is_sealed() {
        finish(scan)?;
        return Ok(Recovered::Closed {
            reel: Some(scan.header().reel),
            number: scan.header().number + 1,
            index,
            running,
        });
    }
    Ok(Recovered::Open {
        path: scan.path().to_owned(),
        header: scan.header().clone(),
        position: scan.position(),
        index,
        running,
    })
}

/// The ends of a reel's segments.
struct Ends {
    /// The first segment without a clean end, or the last one; read to its last good frame.
    last: Scan,
    /// Closed segments before it that do not have their exact length yet.
    unfinished: Vec<Scan>,
    /// The segments behind it.
    later: Vec<PathBuf>,
}

impl Ends {
    /// Reads the segments; of those that were durable to their ends, only the ends. The first one without a clean end should be
    /// the last. If the machine crashed before all of a segment was written back, it may be an earlier one, but then only records
    /// that were never durable come after it.
    fn find(name: &str, files: Vec<(u64, PathBuf)>) -> Result<Option<Self>, JournalError> {
        let mut unfinished = Vec::new();
        let mut before: Option<(u64, u64, u64)> = None;
        let mut files = files.into_iter();
        while let Some((number, path)) = files.next() {
            let mut scan = begun(&path, name, number)?;
            let header = scan.header().clone();
            if before.is_some_and(|before| before != (header.reel, header.first, header.chain)) {
                let what = "it does not continue where the segment before it ends";
                return Err(JournalError::damaged(&path, 0, what));
            }
            let last = files.len() == 0;
            let length = scan.length()?;
            if !last
                && scan.mark() == Ok(length)
                && let Some((records, running)) = scan.seal_at(length.saturating_sub(SEAL))?
            {
                before = Some((header.reel, header.first + records, running));
                continue;
            }
            while let Step::Record { .. } = scan.step()? {}
            check_end(&scan, last)?;
            if last || !scan.is_sealed() {
                return Ok(Some(Self {
                    last: scan,
                    unfinished,
                    later: files.map(|(_, path)| path).collect(),
                }));
            }
            before = Some((header.reel, scan.index(), scan.running()));
            unfinished.push(scan);
        }
        Ok(None)
    }
}

/// Refuses a closed segment with bytes after its end, and one that stops although another follows, unless the reason is clear.
fn check_end(scan: &Scan, last: bool) -> Result<(), JournalError> {
    if scan.is_sealed() {
        return match scan.span()? {
            None => Ok(()),
            Some(span) => {
                let what = "there are bytes after the end of the segment";
                Err(JournalError::damaged(scan.path(), span.start, what))
            }
        };
    }
    let durable = scan.mark().map_or(true, |mark| mark > scan.position());
    let behind = scan.next_good()?;
    let behind = behind.map_or(scan.header().capacity, |(place, _)| place);
    if !last && (durable || !scan.lacks_a_page(behind)?) {
        let what = "this data differs from what was written, and a later segment exists";
        return Err(JournalError::damaged(scan.path(), scan.position(), what));
    }
    Ok(())
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

/// A segment that was prepared in advance, with at most a part of its header written.
struct Prepared {
    path: PathBuf,
    bytes: u64,
}

/// Removes from the list the prepared segment that a dead process left.
fn prepared(name: &str, files: &mut Vec<(u64, PathBuf)>) -> Result<Option<Prepared>, JournalError> {
    let Some((_, path)) = files.last() else {
        return Ok(None);
    };
    let failed = || JournalError::io("read from", path);
    let file = open_plain(path).map_err(JournalError::io("open", path))?;
    let mut magic = [0; 8];
    read_at(&file, &mut magic, 0).map_err(failed())?;
    let length = file.metadata().map_err(failed())?.len();
    if magic != [0; 8] || length < HEADER {
        return Ok(None);
    }
    let bytes = used(&file, 0).map_err(failed())?;
    let bytes = bytes.map_or(0, |span| span.end);
    // It is as long as its predecessor. Without a predecessor, none of it was ever durable.
    let expected = match files.iter().rev().nth(1) {
        Some((number, before)) => begun(before, name, *number)?.header().capacity,
        None => length,
    };
    if bytes > HEADER || length != expected {
        return Err(JournalError::damaged(path, 0, "it has no header"));
    }
    let path = path.clone();
    files.pop();
    Ok(Some(Prepared { path, bytes }))
}

impl Prepared {
    fn drop(self) -> Result<Option<Torn>, JournalError> {
        let Self { path, bytes } = self;
        if bytes == 0 {
            fs::remove_file(&path).map_err(JournalError::io("delete", &path))?;
            return Ok(None);
        }
        let kept = aside(&path, 0);
        fs::rename(&path, &kept).map_err(JournalError::io("put aside", &path))?;
        Ok(Some(Torn {
            file: kept,
            segment: path,
            offset: 0,
            bytes,
            durable: false,
        }))
    }
}

/// Finishes a sealed segment, which the writer's thread could no longer do: makes it durable, gives it its exact length, and
/// marks it accordingly, so that later openings need not read all of it.
fn finish(scan: &Scan) -> Result<(), JournalError> {
    let (path, end) = (scan.path(), scan.position());
    if scan.length()? == end && scan.mark() == Ok(end) {
        return Ok(());
    }
    let file = open_plain_with(OpenOptions::new().write(true), path);
    let finished = file.and_then(|file| {
        file.set_len(end)?;
        file.sync_all()?;
        scan.place_mark(&file)
    });
    finished.map_err(JournalError::io("finish", path))
}

/// The bytes after the last good frame, if they are not damage.
#[derive(Clone, Copy)]
struct Tail {
    length: u64,
    durable: bool,
}

impl Tail {
    /// Inspects the bytes after the last good frame; damage is an error.
    fn of(scan: &Scan, later: &[PathBuf]) -> Result<Option<Self>, JournalError> {
        if scan.is_sealed() {
            return Ok(None);
        }
        let length = scan.tail()?;
        let (path, offset) = (scan.path(), scan.position());
        let durable = scan.mark().is_ok_and(|mark| mark > offset);
        if length == 0 && later.is_empty() && !durable {
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
        Ok(Some(Self { length, durable }))
    }

    /// Copies the bytes aside and clears their place; later segments are put aside as a whole.
    fn put_aside(
        self,
        folder: &Path,
        scan: &Scan,
        later: &[PathBuf],
        clear: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Torn, JournalError> {
        let (path, offset) = (scan.path(), scan.position());
        let kept = aside(path, offset);
        let keep = || JournalError::io("keep the torn end in", &kept);
        let file = File::create(&kept).map_err(keep())?;
        scan.pieces(self.length, &mut |at, piece| write_at(&file, piece, at))?;
        file.sync_all().map_err(keep())?;
        // The last one first, so that any interruption leaves a reel without gaps.
        for later in later.iter().rev() {
            fs::rename(later, aside(later, 0)).map_err(JournalError::io("put aside", later))?;
        }
        sync_folder(folder).map_err(JournalError::io("make durable the folder", folder))?;
        let cleared = open_plain_with(OpenOptions::new().write(true), path).and_then(|file| {
            scan.place_mark(&file)?;
            clear(&file)?;
            file.sync_all()
        });
        cleared.map_err(JournalError::io("clear the torn end of", path))?;
        Ok(Torn {
            file: kept,
            segment: path.to_owned(),
            offset,
            bytes: self.length,
            durable: self.durable,
        })
    }
}

/// Overwrites a part of a file with zeros.
fn clear(file: &File, mut from: u64, length: u64) -> io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let end = from + length;
    while from < end {
        let part = (end - from).min(ZEROS.len() as u64) as usize;
        write_at(file, &ZEROS[..part], from)?;
        from += part as u64;
    }
    Ok(())
}

/// Returns an unused name for the bytes put aside.
fn aside(segment: &Path, offset: u64) -> PathBuf {
    let mut path = segment.with_extension(format!("torn-{offset}"));
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = segment.with_extension(format!("torn-{offset}-{number}"));
    }
    path
}
