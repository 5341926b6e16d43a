//! A segment that is being written: its file, its mapping, and the progress of each thread.

use crate::JournalError;
use crate::files::segment_file;
use crate::format::{HEADER, Header, MARK, mark};
use crate::io::{sync_folder, write_at};
use crate::mapping::Mapping;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tickdeck_files::open_plain_with;

/// The bytes prepared in one step.
pub(crate) const STEP: u64 = 1 << 20;

/// The bytes prepared ahead of the writer: at 250 MB/s enough to cover the time until a descheduled thread gets a core back.
pub(crate) const AHEAD: u64 = 16 << 20;

/// The bytes ahead of the writer whose pages are made writable again after a sync made them read-only.
const TOUCH: u64 = 4 << 20;

static ZEROS: [u8; STEP as usize] = [0; STEP as usize];

/// A segment that is being written.
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    file: File,
    mapping: Mapping,
    pub(crate) number: u64,
    pub(crate) capacity: u64,
    identity: OnceLock<u32>,
    /// Everything before this is written and may be synced. Moved by the writer.
    written: AtomicU64,
    /// Everything before this is durable. Moved by the syncing thread.
    synced: AtomicU64,
    /// Everything before this is allocated on the disk and may be written. Moved by the preparing thread.
    prepared: AtomicU64,
    /// The position that the writer waits for.
    wanted: AtomicU64,
    sealed: AtomicBool,
    /// Whether the folder's entry is durable.
    entered: AtomicBool,
}

impl Segment {
    /// Creates a file of zeros under its final name, with its first step prepared and without a header.
    pub(crate) fn create(
        folder: &Path,
        name: &str,
        number: u64,
        capacity: u64,
        header: Option<&Header>,
    ) -> Result<Self, JournalError> {
        let path = segment_file(folder, name, number);
        // Under a name that is not read, until its length is right: a crash here leaves nothing that looks damaged.
        let draft = folder.join(format!("{name}.next"));
        let made = Self::draft(&draft, path, number, capacity);
        let segment = made.inspect_err(|_| drop(fs::remove_file(&draft)))?;
        if let Some(header) = header {
            segment.begin(header);
        }
        fs::rename(&draft, &segment.path)
            .map_err(JournalError::io("put into place", &segment.path))?;
        Ok(segment)
    }

    fn draft(
        draft: &Path,
        path: PathBuf,
        number: u64,
        capacity: u64,
    ) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options
            .open(draft)
            .map_err(JournalError::io("create", draft))?;
        file.set_len(capacity)
            .map_err(JournalError::io("set the length of", draft))?;
        let segment = Self::over(file, path, number, capacity, 0)?;
        segment.extend(HEADER)?;
        Ok(segment)
    }

    /// Continues a segment that an earlier run left open, after its last good frame.
    pub(crate) fn resume(
        path: &Path,
        header: &Header,
        position: u64,
    ) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        let file = open_plain_with(options.read(true).write(true), path);
        let file = file.map_err(JournalError::io("open", path))?;
        file.set_len(header.capacity)
            .map_err(JournalError::io("set the length of", path))?;
        let segment = Self::over(
            file,
            path.to_owned(),
            header.number,
            header.capacity,
            position,
        )?;
        let _ = segment.identity.set(header.identity());
        segment.extend(position + 1)?;
        Ok(segment)
    }

    fn over(
        file: File,
        path: PathBuf,
        number: u64,
        capacity: u64,
        position: u64,
    ) -> Result<Self, JournalError> {
        let mapping =
            Mapping::new(&file, capacity).map_err(JournalError::io("map into memory", &path))?;
        Ok(Self {
            path,
            file,
            mapping,
            number,
            capacity,
            identity: OnceLock::new(),
            written: AtomicU64::new(position),
            synced: AtomicU64::new(0),
            prepared: AtomicU64::new(position),
            wanted: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
            entered: AtomicBool::new(false),
        })
    }

    /// Writes the header, its first bytes last.
    pub(crate) fn begin(&self, header: &Header) {
        let page = header.encode();
        let magic = u64::from_le_bytes(page[..8].try_into().expect("eight bytes"));
        self.mapping.copy(8, &page[8..]);
        self.mapping.publish(0, magic);
        let _ = self.identity.set(header.identity());
        self.written.store(HEADER, Ordering::Release);
    }

    /// Writes zeros to the next step of the file, so that it is allocated on the disk, and makes its pages present.
    ///
    /// # Errors
    /// The write fails, as on a full disk. Nothing has moved then, and it may be tried again.
    pub(crate) fn extend(&self, at_least: u64) -> Result<(), JournalError> {
        loop {
            let from = self.prepared();
            if from >= at_least.min(self.capacity) {
                return Ok(());
            }
            let to = ((from / STEP + 1) * STEP).min(self.capacity);
            write_at(&self.file, &ZEROS[..(to - from) as usize], from)
                .map_err(JournalError::io("write to", &self.path))?;
            self.mapping.touch(from, to);
            self.prepared.store(to, Ordering::Release);
        }
    }

    /// Returns the position up to which the segment should be prepared now.
    pub(crate) fn goal(&self) -> u64 {
        let ahead = self.written().saturating_add(AHEAD);
        ahead
            .max(self.wanted.load(Ordering::Acquire))
            .min(self.capacity)
    }

    pub(crate) fn want(&self, end: u64) {
        self.wanted.fetch_max(end, Ordering::AcqRel);
    }

    /// Copies a frame into the mapping, the payload first and the word that makes it visible last.
    #[inline]
    pub(crate) fn put(&self, position: u64, first: u64, second: u64, payload: &[u8]) {
        self.mapping.copy(position + 16, payload);
        self.mapping.copy(position + 8, &second.to_le_bytes());
        self.mapping.publish(position, first);
    }

    #[inline]
    pub(crate) fn set_written(&self, position: u64) {
        self.written.store(position, Ordering::Release);
    }

    pub(crate) fn set_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Returns whether everything written is durable.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire) == self.written()
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(crate) fn prepared(&self) -> u64 {
        self.prepared.load(Ordering::Acquire)
    }

    pub(crate) fn identity(&self) -> u32 {
        *self.identity.get().expect("the segment has been begun")
    }

    /// Makes everything written durable, and marks its end in the header. The mark itself becomes durable with the next sync, so it
    /// never promises too much.
    pub(crate) fn sync(&self, folder: &Path) -> Result<(), JournalError> {
        let written = self.written();
        self.mapping
            .release(self.synced.load(Ordering::Acquire), written);
        // Makes the file's length durable too, as without it the data could not be found. Syncing the file as a whole would
        // write all the zeros ahead of the writer as well.
        let synced = self.mapping.sync(written);
        synced.map_err(JournalError::sync(&self.path))?;
        if !self.entered.load(Ordering::Acquire) {
            sync_folder(folder).map_err(JournalError::sync(&self.path))?;
            self.entered.store(true, Ordering::Release);
        }
        self.synced.store(written, Ordering::Release);
        self.mapping.publish(MARK, mark(self.identity(), written));
        self.mapping
            .touch(written, (written + TOUCH).min(self.prepared()));
        Ok(())
    }

    /// Gives a sealed segment its exact length.
    pub(crate) fn finish(&self) -> Result<(), JournalError> {
        self.file
            .set_len(self.written())
            .map_err(JournalError::io("set the length of", &self.path))
    }

    /// Makes a finished segment durable, its length and mark included.
    pub(crate) fn sync_finished(&self) -> Result<(), JournalError> {
        self.file.sync_all().map_err(JournalError::sync(&self.path))
    }
}
