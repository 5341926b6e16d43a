//! Verifies every byte of a reel.

use crate::JournalError;
use crate::files::{check_name, list};
use crate::format::{HEADER, MARK};
use crate::io::used;
use crate::scan::{Scan, Step};
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tickdeck_files::open_plain;

/// The bytes between two progress reports.
const PROGRESS: u64 = 4 << 20;

/// Maximum number of damaged places that are listed.
const MAX_DAMAGE: usize = 10_000;

/// The number of retries at a place that a writer may be writing, and the time between them.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// The result of [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of segments that have been started.
    pub segments: u64,
    /// The number of good records.
    pub records: u64,
    /// The number of bytes that were read.
    pub bytes: u64,
    /// The number of the first segment. Numbers are counted from 1; the caller knows whether earlier ones may be missing.
    pub first: u64,
    /// The number of the last segment, even if it was only prepared.
    pub last: u64,
    /// Whether the last started segment is closed: its last writer closed it cleanly, or moved to another one.
    pub sealed: bool,
    /// Whether the last segment is closed, has its exact length and was fully durable. If a writer moved on to another segment,
    /// that one was made durable before this is set, so a machine crash does not lose it.
    pub finished: bool,
    /// A record that a killed writer left half-written after the last one; the next writer puts it aside.
    pub torn: Option<Damage>,
    /// Everything that differs from what was written.
    pub damage: Vec<Damage>,
}

/// A place that differs from what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// The place of the damage: the byte, or the beginning of its frame or header.
    pub offset: u64,
    /// The fault.
    pub what: String,
}

/// Reads every byte of a reel and checks it. `progress` receives the bytes done and their total.
///
/// A reel may be verified while it is being written; records appended in the meantime may or may not be read.
///
/// # Errors
/// The folder or a file cannot be read. Damage is not an error; it is in the result.
pub fn verify(
    folder: &Path,
    name: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, JournalError> {
    check_name(name)?;
    let files = list(folder, name)?;
    if files.is_empty() {
        return Err(JournalError::Missing {
            folder: folder.to_owned(),
            name: name.to_owned(),
        });
    }
    let mut total = 0;
    for (_, path) in &files {
        total += length(path)?;
    }
    let mut check = Check {
        folder,
        name,
        verified: Verified {
            first: files[0].0,
            last: files[files.len() - 1].0,
            ..Verified::default()
        },
        before: None,
        capacity: None,
        total,
        progress,
    };
    for (at, (number, path)) in files.iter().enumerate() {
        if at > 0 && files[at - 1].0 + 1 != *number {
            let what = format!("the segment before it, number {}, is missing", number - 1);
            check.damage(path, 0, what);
            check.before = None;
        }
        check.segment(path, *number, at + 1 == files.len())?;
    }
    Ok(check.verified)
}

struct Check<'a> {
    folder: &'a Path,
    name: &'a str,
    verified: Verified,
    /// The reel, index and running checksum at the end of the segment before, if known.
    before: Option<(u64, u64, u64)>,
    /// The length of the segment before while it was open.
    capacity: Option<u64>,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Check<'_> {
    fn segment(&mut self, path: &Path, number: u64, last: bool) -> Result<(), JournalError> {
        let done = self.verified.bytes;
        match Scan::open(path, self.name, number) {
            Ok(Some(scan)) => self.begun(scan, last)?,
            Ok(None) => self.prepared(path, last)?,
            Err(JournalError::Damaged { offset, what, .. }) => {
                self.damage(path, offset, what);
                self.before = None;
                self.verified.sealed = false;
                self.verified.finished = false;
            }
            // Pruned since the folder was listed.
            Err(error) if !path.exists() => drop(error),
            Err(error) => return Err(error),
        }
        self.verified.bytes = done + length(path).unwrap_or(0);
        (self.progress)(self.verified.bytes, self.total.max(self.verified.bytes));
        Ok(())
    }

    fn begun(&mut self, mut scan: Scan, last: bool) -> Result<(), JournalError> {
        let path = scan.path().to_owned();
        let header = scan.header().clone();
        let is = (header.reel, header.first, header.chain);
        if self.before.is_some_and(|before| before != is) {
            let what = "it does not continue where the segment before it ends";
            self.damage(&path, 0, what);
        }
        if let Err(what) = scan.mark() {
            self.damage(&path, MARK, what);
        }
        self.verified.segments += 1;
        let whole = self.frames(&mut scan)?;
        self.verified.sealed = scan.is_sealed();
        if !scan.is_sealed() && !last && self.is_followed(header.number) {
            // It may have been closed while it was read.
            if whole && self.frames(&mut scan)? && !scan.is_sealed() {
                let what = "the segment stops here, but a later one exists";
                self.damage(&path, scan.position(), what);
            }
            self.verified.sealed = scan.is_sealed();
        }
        if whole {
            self.end(&mut scan)?;
        }
        let end = scan.position();
        let exact = scan.is_sealed() && scan.length()? == end && scan.mark() == Ok(end);
        self.verified.finished = last && exact;
        let end = (header.reel, scan.index(), scan.running());
        self.before = scan.is_sealed().then_some(end);
        self.capacity = Some(header.capacity);
        Ok(())
    }

    /// Reads the frames, skipping damage; returns whether it reached the end of the written part.
    fn frames(&mut self, scan: &mut Scan) -> Result<bool, JournalError> {
        let mut reported = 0;
        loop {
            match scan.step()? {
                Step::Record { .. } => self.verified.records += 1,
                Step::Seal { .. } => return Ok(true),
                Step::End if !self.is_hole(scan)? => return Ok(true),
                Step::End => {
                    let what = format!("record {} is missing", scan.index());
                    if !self.step_over(scan, what)? {
                        return Ok(false);
                    }
                }
                Step::Broken(what) => {
                    if !self.step_over(scan, what)? {
                        return Ok(false);
                    }
                }
            }
            if scan.position() - reported >= PROGRESS {
                reported = scan.position();
                let done = self.verified.bytes + reported;
                (self.progress)(done, self.total.max(done));
            }
        }
    }

    /// Returns whether good frames follow although there is none here.
    fn is_hole(&self, scan: &Scan) -> Result<bool, JournalError> {
        // In this order: if there is nothing, a writer may write several frames before the next check; if there is something,
        // none of it was written before the frame that belongs here.
        let holds = scan.span()?.is_some() && !self.is_written(scan)?;
        Ok(holds && scan.next_good()?.is_some() && !scan.has_more()?)
    }

    /// Notes damage and continues after it; returns whether there is a good frame after it.
    fn step_over(&mut self, scan: &mut Scan, what: String) -> Result<bool, JournalError> {
        self.damage(scan.path(), scan.position(), what);
        if self.verified.damage.len() >= MAX_DAMAGE {
            let what = "further damage is not listed: nothing in here can be relied on";
            self.damage(scan.path(), scan.position(), what);
            return Ok(false);
        }
        let good = scan.next_good()?;
        if let Some((position, index)) = good {
            scan.resume_at(position, index);
        }
        Ok(good.is_some())
    }

    /// Checks the bytes after the last frame and the length of the file.
    fn end(&mut self, scan: &mut Scan) -> Result<(), JournalError> {
        let path = scan.path().to_owned();
        let (length, capacity) = (scan.length()?, scan.header().capacity);
        let closed = scan.is_sealed() && length == scan.position();
        if length != capacity && !closed {
            let should = if scan.is_sealed() {
                scan.position()
            } else {
                capacity
            };
            let what = format!("the file is {length} bytes long and should be {should}");
            self.damage(&path, length.min(should), what);
        }
        if !scan.is_sealed() && scan.mark().is_ok_and(|mark| mark > scan.position()) {
            let what = "records that were durable are missing here";
            self.damage(&path, scan.position(), what);
        }
        // Inspected before waiting for a writer: bytes that come after the wait do not count.
        if let Some(span) = scan.span()?
            && !self.is_written(scan)?
        {
            if self.is_half_written(scan)? {
                self.verified.torn = Some(Damage {
                    file: path,
                    offset: scan.position(),
                    what: "a record is half-written here".to_owned(),
                });
                return Ok(());
            }
            let what = "there are bytes behind the last record, where all should be zero";
            self.damage(&path, span.start, what);
        }
        Ok(())
    }

    /// Returns whether the bytes after the last record are one that a killed writer left half-written: its first word, which is
    /// written last, is missing, and it was not synced yet. A single bit may equally be a changed one.
    fn is_half_written(&self, scan: &Scan) -> Result<bool, JournalError> {
        let durable = scan.mark().map_or(true, |mark| mark > scan.position());
        if scan.is_sealed() || durable || scan.has_more()? || self.is_followed(scan.header().number)
        {
            return Ok(false);
        }
        let mut bits = 0u64;
        scan.pieces(scan.tail()?, &mut |_, piece| {
            bits += piece
                .iter()
                .map(|byte| u64::from(byte.count_ones()))
                .sum::<u64>();
            Ok(())
        })?;
        Ok(bits > 1)
    }

    /// Waits for a writer that is in the middle of a frame here; returns whether it has written one since. Does not wait without a
    /// writer.
    fn is_written(&self, scan: &Scan) -> Result<bool, JournalError> {
        if scan.is_sealed() {
            return Ok(false);
        }
        for _ in 0..LOOKS {
            if scan.has_more()? {
                return Ok(true);
            }
            if scan.span()?.is_none() || !self.has_writer() {
                return Ok(false);
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(false)
    }

    fn has_writer(&self) -> bool {
        let lock = open_plain(&self.folder.join(format!("{}.lock", self.name)));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn is_followed(&self, number: u64) -> bool {
        let path = crate::files::segment_file(self.folder, self.name, number + 1);
        matches!(Scan::open(&path, self.name, number + 1), Ok(Some(_)))
    }

    /// Checks a segment that was prepared but never started: it is as long as its predecessor and all zero.
    fn prepared(&mut self, path: &Path, last: bool) -> Result<(), JournalError> {
        let file = open_plain(path).map_err(JournalError::io("open", path))?;
        let span = used(&file, 0).map_err(JournalError::io("read from", path))?;
        if let Some(span) = span {
            if self.has_writer() && span.start < HEADER {
                return Ok(());
            }
            self.damage(path, span.start, "there are contents but no header");
        } else if !last || self.capacity.is_none() {
            self.damage(path, 0, "it has no header");
        } else if self.capacity != Some(length(path)?) {
            let what = "it is prepared for what comes next, but not as long as it should be";
            self.damage(path, length(path)?, what);
        }
        Ok(())
    }

    fn damage(&mut self, file: &Path, offset: u64, what: impl Into<String>) {
        self.verified.damage.push(Damage {
            file: file.to_owned(),
            offset,
            what: what.into(),
        });
    }
}

fn length(path: &Path) -> Result<u64, JournalError> {
    let metadata = path.metadata();
    Ok(metadata.map_err(JournalError::io("look at", path))?.len())
}
