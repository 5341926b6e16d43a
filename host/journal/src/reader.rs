//! Reads a reel from its files, even while it is being written.

use crate::JournalError;
use crate::files::{check_name, list, segment_file};
use crate::scan::{Scan, Step};
use std::path::{Path, PathBuf};

/// A record in the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The index, counted from 0 without gaps over all segments.
    pub index: u64,
    /// The kind that the writer gave.
    pub kind: u16,
    /// The payload that the writer gave.
    pub payload: &'a [u8],
}

/// A position in a reel, between two records.
pub struct Reader {
    folder: PathBuf,
    name: String,
    scan: Scan,
}

impl Reader {
    /// Opens a reel at its first remaining record. Any number of readers may do so, in any process.
    ///
    /// # Errors
    /// The reel does not exist, its first segment's header is damaged, or a file can't be read.
    pub fn open(folder: &Path, name: &str) -> Result<Self, JournalError> {
        check_name(name)?;
        let missing = || JournalError::Missing {
            folder: folder.to_owned(),
            name: name.to_owned(),
        };
        let files = list(folder, name)?;
        let (number, path) = files.first().ok_or_else(missing)?;
        let scan = Scan::open(path, name, *number)?.ok_or_else(missing)?;
        Ok(Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            scan,
        })
    }

    /// Reads the next record; `None` at the end, after which more may follow later.
    ///
    /// # Errors
    /// The record is damaged, or a file can't be read.
    #[allow(
        clippy::should_implement_trait,
        reason = "the record borrows from the reader"
    )]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        loop {
            match self.scan.step()? {
                Step::Record {
                    index,
                    kind,
                    payload,
                } => {
                    let payload = self.scan.payload(payload);
                    return Ok(Some(Record {
                        index,
                        kind,
                        payload,
                    }));
                }
                Step::Seal { .. } => {
                    if !self.enter_next()? {
                        return Ok(None);
                    }
                }
                Step::End => {
                    if !self.abandoned()? {
                        return Ok(None);
                    }
                }
                Step::Broken(what) => {
                    return Err(JournalError::damaged(
                        self.scan.path(),
                        self.scan.position(),
                        what,
                    ));
                }
            }
        }
    }

    /// Moves to the record with this index, which [`Reader::next`] then returns. The index after the last record is valid too.
    ///
    /// # Errors
    /// The index is not in the reel, its segment is damaged before it, or a file can't be read.
    pub fn seek(&mut self, index: u64) -> Result<(), JournalError> {
        let mut found = None;
        for (number, path) in list(&self.folder, &self.name)?.into_iter().rev() {
            let Some(scan) = Scan::open(&path, &self.name, number)? else {
                continue;
            };
            let first = scan.header().first;
            found = Some(scan);
            if first <= index {
                break;
            }
        }
        let scan = found.ok_or_else(|| JournalError::Missing {
            folder: self.folder.clone(),
            name: self.name.clone(),
        })?;
        let first = scan.header().first;
        let before = std::mem::replace(&mut self.scan, scan);
        let reached = index >= first && self.skip_to(index)?;
        if reached {
            return Ok(());
        }
        let next = self.scan.index();
        self.scan = before;
        Err(JournalError::OutOfRange {
            name: self.name.clone(),
            index,
            first,
            next,
        })
    }

    /// Returns the index of the next record.
    pub const fn position(&self) -> u64 {
        self.scan.index()
    }

    fn skip_to(&mut self, index: u64) -> Result<bool, JournalError> {
        while self.scan.index() < index {
            if self.next()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves to the next segment, if it has been started.
    fn enter_next(&mut self) -> Result<bool, JournalError> {
        let number = self.scan.header().number + 1;
        let path = segment_file(&self.folder, &self.name, number);
        let scan = match Scan::open(&path, &self.name, number) {
            Ok(scan) => scan,
            Err(JournalError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let scan = match scan {
            Some(scan) => scan,
            None => match self.next_left(number)? {
                Some(scan) => scan,
                None => return Ok(false),
            },
        };
        let header = scan.header();
        let end = (
            self.scan.header().reel,
            self.scan.index(),
            self.scan.running(),
        );
        if (header.reel, header.first, header.chain) != end {
            let what = "it does not continue where the segment before it ends";
            return Err(JournalError::damaged(scan.path(), 0, what));
        }
        self.scan = scan;
        Ok(true)
    }

    /// Returns the first remaining segment after this number. Only segments without records may be missing before it: a reader
    /// that waits for a deleted one would wait forever.
    fn next_left(&self, number: u64) -> Result<Option<Scan>, JournalError> {
        let files = list(&self.folder, &self.name)?;
        let Some((later, path)) = files.iter().find(|(other, _)| *other > number) else {
            return Ok(None);
        };
        let Some(scan) = Scan::open(path, &self.name, *later)? else {
            return Ok(None);
        };
        let (index, first) = (self.scan.index(), scan.header().first);
        if index == first {
            return Ok(Some(scan));
        }
        Err(JournalError::Pruned {
            name: self.name.clone(),
            index,
            first,
        })
    }

    /// Returns whether to read again because a later segment exists although this one has no end: if it still has none then, it
    /// is damaged.
    fn abandoned(&mut self) -> Result<bool, JournalError> {
        let number = self.scan.header().number + 1;
        let path = segment_file(&self.folder, &self.name, number);
        if !path.exists() || Scan::open(&path, &self.name, number)?.is_none() {
            return Ok(false);
        }
        if self.scan.has_more()? {
            return Ok(true);
        }
        let what = "the segment stops here, but a later one exists";
        Err(JournalError::damaged(
            self.scan.path(),
            self.scan.position(),
            what,
        ))
    }
}
