//! The writer of a reel.

use crate::atomic_file::create_folder;
use crate::clock::unix_ns;
use crate::files::check_name;
use crate::format::{
    Content, FRAME, FrameHeader, HEADER, Header, MAX_PAYLOAD, MAX_SEGMENT, SEAL, frame_bytes,
    run_on, seal_payload,
};
use crate::recover::{Recovered, recover};
use crate::segment::{STEP, Segment};
use crate::shared::{PATIENCE, Shared, wait, wait_for};
use crate::{JournalError, Opened, ReelConfig, Sync, preparing, syncing};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tickdeck_files::open_plain_with;

/// The longest single wait for the disk.
const SYNC_STEP: Duration = Duration::from_millis(50);

/// The minimum and maximum size of a segment in bytes.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 4 * HEADER..=MAX_SEGMENT;

/// An append-only sequence of records, open for writing. A lock ensures that there is one writer at a time.
pub struct Reel {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    identity: u32,
    position: u64,
    /// A frame may end up to here without any further check.
    limit: u64,
    index: u64,
    first: u64,
    running: u64,
    header: Header,
    threads: Vec<JoinHandle<()>>,
    lock: File,
    /// How long an append waits for space.
    patience: Duration,
}

impl Reel {
    /// Opens a reel for appending, creating it if necessary. A record that a crash left half-written is put aside and reported.
    ///
    /// # Errors
    /// Another writer holds the reel, it is damaged in the middle, a setting is invalid, or a system call fails.
    pub fn open(
        folder: &Path,
        name: &str,
        config: &ReelConfig,
    ) -> Result<(Self, Opened), JournalError> {
        Self::open_until(folder, name, config, u64::MAX)
    }

    /// Like [`Reel::open`], but records from index `until` on are put aside and reported: they are about something that is lost.
    ///
    /// # Errors
    /// As [`Reel::open`].
    pub fn open_until(
        folder: &Path,
        name: &str,
        config: &ReelConfig,
        until: u64,
    ) -> Result<(Self, Opened), JournalError> {
        check_name(name)?;
        let config = checked(config)?;
        create_folder(folder).map_err(JournalError::folder)?;
        let lock = lock(folder, name)?;
        let (recovered, opened) = recover(folder, name, until)?;
        let (segment, header, position, index, running) = match recovered {
            Recovered::Open {
                path,
                header,
                position,
                index,
                running,
            } => {
                let segment = Segment::resume(&path, &header, position)?;
                (segment, header, position, index, running)
            }
            Recovered::Closed {
                reel,
                number,
                index,
                running,
            } => {
                let header = Header {
                    schema: config.schema,
                    name: name.to_owned(),
                    reel: reel.unwrap_or_else(|| {
                        unix_ns().cast_unsigned() ^ u64::from(std::process::id()) << 40
                    }),
                    number,
                    first: index,
                    created_ns: unix_ns().cast_unsigned(),
                    chain: running,
                    capacity: config.segment_bytes,
                };
                let capacity = config.segment_bytes;
                let segment = Segment::create(folder, name, number, capacity, Some(&header))?;
                (segment, header, HEADER, index, running)
            }
        };
        let segment = Arc::new(segment);
        // The end of an open segment of an earlier run may never have been synced.
        let durable = header.first;
        let shared = Shared::new(folder, name, &config, Arc::clone(&segment), durable..index);
        let mut reel = Self {
            shared: Arc::new(shared),
            identity: segment.identity(),
            segment,
            position,
            limit: 0,
            index,
            first: header.first,
            running,
            header,
            threads: Vec::new(),
            lock,
            patience: Duration::MAX,
        };
        reel.start()?;
        Ok((reel, opened))
    }

    /// Appends a record; returns its index. The record is visible to every reader once this returns, and survives the death of
    /// this process; see [`Reel::sync`] for machine crashes.
    ///
    /// # Errors
    /// The disk is full, or a sync has failed. The record is not appended then; it may be appended again.
    #[inline]
    pub fn append(&mut self, kind: u16, payload: &[u8]) -> Result<u64, JournalError> {
        let bytes = frame_bytes(payload.len());
        self.reserve(bytes, payload.len())?;
        let index = self.index;
        self.put(kind, payload, bytes);
        self.segment.set_written(self.position);
        self.shared.appended.store(self.index, Ordering::Release);
        Ok(index)
    }

    /// Appends records of one kind and one size that lie back to back; returns the index of the first. They become visible one by
    /// one.
    ///
    /// # Errors
    /// As for [`Reel::append`]; or `payloads` is not a whole number of records. None of the records is appended then, unless they
    /// take more than a quarter of a segment: then those below [`Reel::next_index`] are.
    pub fn append_all(
        &mut self,
        kind: u16,
        payloads: &[u8],
        each: usize,
    ) -> Result<u64, JournalError> {
        if each == 0 || !payloads.len().is_multiple_of(each) {
            let what = format!(
                "{} bytes are not a whole number of records of {each} bytes",
                payloads.len()
            );
            return Err(JournalError::Setting { what });
        }
        let first = self.index;
        let bytes = frame_bytes(each);
        let at_once = ((self.segment.capacity / 4 / bytes) as usize).max(1);
        for payloads in payloads.chunks(at_once * each) {
            self.reserve(bytes * (payloads.len() / each) as u64, each)?;
            for payload in payloads.chunks_exact(each) {
                self.put(kind, payload, bytes);
            }
            self.segment.set_written(self.position);
            self.shared.appended.store(self.index, Ordering::Release);
        }
        Ok(first)
    }

    /// Returns the index of the next record.
    #[inline]
    pub const fn next_index(&self) -> u64 {
        self.index
    }

    /// Waits until all appended records are durable: on the disk, as far as the system can tell.
    ///
    /// # Errors
    /// A sync failed; see [`JournalError::SyncFailed`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        while !self.sync_within(SYNC_STEP)? {}
        Ok(())
    }

    /// Like [`Reel::sync`], but waits no longer than this; returns whether all appended records are durable. The next call
    /// continues the wait.
    ///
    /// # Errors
    /// As [`Reel::sync`].
    pub fn sync_within(&mut self, within: Duration) -> Result<bool, JournalError> {
        let (start, shared) = (Instant::now(), &self.shared);
        let mut state = shared.lock();
        if state.asked < self.index {
            state.asked = self.index;
            shared.sync.notify_one();
        }
        loop {
            if let Some(failure) = &state.sync_failure {
                return Err(failure.clone());
            }
            if shared.durable.load(Ordering::Acquire) >= self.index {
                return Ok(true);
            }
            let left = within.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            state = wait_for(&shared.done, state, left);
        }
    }

    /// Limits how long an append waits for the disk to have space ready before it fails.
    pub fn wait_for_space_within(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Returns the index below which all records are durable.
    #[inline]
    pub fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Reports failures of the threads behind the writer. Send no new orders while it is an error.
    ///
    /// # Errors
    /// A sync failed (final); the disk has no space for the next records (until it has again); records have waited for the disk for
    /// more than a second.
    pub fn health(&self) -> Result<(), JournalError> {
        if let Some((behind, records)) = self.shared.waiting()
            && behind > PATIENCE
            && self.shared.config.sync != Sync::Never
            && !self.shared.failed.load(Ordering::Acquire)
        {
            return Err(JournalError::Stalled {
                file: self.shared.folder.join(&self.shared.name),
                records,
                behind,
            });
        }
        self.shared.failure().map_or(Ok(()), Err)
    }

    /// Closes the reel: seals the last segment, gives it its exact length and makes it durable. The reel may be opened again.
    ///
    /// # Errors
    /// The segment can't be made durable.
    pub fn close(mut self) -> Result<(), JournalError> {
        // Even a segment without records: it says which index comes next when those before it are pruned.
        self.seal();
        let mut state = self.shared.lock();
        state.flush = true;
        self.shared.sync.notify_one();
        while state.flush && state.sync_failure.is_none() {
            state = wait(&self.shared.done, state);
        }
        let failure = state.sync_failure.clone();
        let left = state.open.last().filter(|segment| segment.is_sealed());
        let unfinished = left.and(state.prepare_failure.clone());
        drop(state);
        self.stop();
        failure.or(unfinished).map_or(Ok(()), Err)
    }

    fn start(&mut self) -> Result<(), JournalError> {
        self.spawn("prepare", preparing::run)?;
        self.spawn("sync", syncing::run)
    }

    fn spawn(&mut self, what: &str, run: fn(&Shared)) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new()
            .name(format!("{}-{what}", shared.name))
            .spawn(move || run(&shared));
        let failed = JournalError::io("start a thread for", &self.segment.path);
        self.threads.push(thread.map_err(failed)?);
        Ok(())
    }

    /// Ends the threads and removes the segment that was prepared and not started.
    fn stop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        drop(state);
        self.shared.prepare.notify_all();
        self.shared.sync.notify_all();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
        if let Some(next) = self.shared.lock().next.take() {
            drop(fs::remove_file(&next.path));
        }
    }

    /// Writes the frame of a record for which space is reserved.
    #[inline]
    fn put(&mut self, kind: u16, payload: &[u8], bytes: u64) {
        let frame = FrameHeader::new(self.identity, self.index, Content::Record(kind), payload);
        self.segment
            .put(self.position, frame.first, frame.second, payload);
        self.running = run_on(self.running, frame.sum());
        self.position += bytes;
        self.index += 1;
    }

    /// Ensures that frames of `bytes` bytes can be written, each with a payload of `payload` bytes.
    #[inline]
    fn reserve(&mut self, bytes: u64, payload: usize) -> Result<(), JournalError> {
        if self.shared.failed.load(Ordering::Relaxed) {
            return self.shared.sync_result();
        }
        if self.position + bytes > self.limit {
            return self.reserve_slowly(bytes, payload);
        }
        Ok(())
    }

    #[cold]
    fn reserve_slowly(&mut self, bytes: u64, payload: usize) -> Result<(), JournalError> {
        let most = self.segment.capacity - HEADER - SEAL;
        let most = most.min(frame_bytes(MAX_PAYLOAD));
        if bytes > most {
            let most = most - FRAME as u64;
            let bytes = payload;
            return Err(JournalError::TooLarge { bytes, most });
        }
        if self.position + bytes + SEAL > self.segment.capacity {
            self.roll()?;
        }
        let end = self.position + bytes + SEAL;
        self.segment.want(end);
        let mut state = self.shared.lock();
        self.shared.prepare.notify_one();
        if self.segment.prepared() < end {
            // An earlier failure may be over; this append must get a fresh answer.
            self.shared.set_prepare_failure(&mut state, None);
        }
        let start = Instant::now();
        while self.segment.prepared() < end {
            if let Some(failure) = &state.prepare_failure {
                return Err(failure.clone());
            }
            let left = self.patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(self.stalled(self.patience));
            }
            state = wait_for(&self.shared.done, state, left.min(SYNC_STEP));
        }
        drop(state);
        // Returns here once a step, to wake the preparing thread.
        let step = (end + STEP).min(self.segment.prepared());
        self.limit = step - SEAL;
        Ok(())
    }

    /// Moves to the next segment.
    fn roll(&mut self) -> Result<(), JournalError> {
        let next = self.next_segment()?;
        self.seal();
        self.header = Header {
            schema: self.shared.config.schema,
            number: next.number,
            first: self.index,
            created_ns: unix_ns().cast_unsigned(),
            chain: self.running,
            capacity: next.capacity,
            ..self.header.clone()
        };
        next.begin(&self.header);
        let next = Arc::new(next);
        self.identity = next.identity();
        self.segment = Arc::clone(&next);
        self.position = HEADER;
        self.first = self.index;
        self.limit = 0;
        self.shared.lock().open.push(next);
        self.shared.sync.notify_one();
        Ok(())
    }

    fn next_segment(&self) -> Result<Segment, JournalError> {
        let start = Instant::now();
        let mut state = self.shared.lock();
        if state.next.is_none() {
            self.shared.set_prepare_failure(&mut state, None);
            state.next_wanted = true;
        }
        loop {
            if let Some(next) = state.next.take() {
                return Ok(next);
            }
            if let Some(failure) = &state.prepare_failure {
                return Err(failure.clone());
            }
            let left = self.patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(self.stalled(self.patience));
            }
            self.shared.prepare.notify_one();
            state = wait_for(&self.shared.done, state, left.min(SYNC_STEP));
        }
    }

    /// The disk is slower than the appends.
    fn stalled(&self, behind: Duration) -> JournalError {
        let durable = self.shared.durable.load(Ordering::Acquire);
        JournalError::Stalled {
            file: self.shared.folder.join(&self.shared.name),
            records: self.index.saturating_sub(durable),
            behind,
        }
    }

    /// Writes the frame that ends the segment, for which every reservation leaves space.
    fn seal(&mut self) {
        let payload = seal_payload(self.index - self.first, self.running);
        let frame = FrameHeader::new(self.identity, self.index, Content::Seal, &payload);
        self.segment
            .put(self.position, frame.first, frame.second, &payload);
        self.position += SEAL;
        self.segment.set_written(self.position);
        self.segment.set_sealed();
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        // Left open, as after a crash: the appended records are there, and the next opening continues after them.
        self.stop();
        // Unlock explicitly: a child process that is being started may briefly hold a copy of the descriptor.
        drop(self.lock.unlock());
    }
}

fn checked(config: &ReelConfig) -> Result<ReelConfig, JournalError> {
    if !SEGMENT_BYTES.contains(&config.segment_bytes) {
        let what = format!(
            "a segment of {} bytes is outside {} to {}",
            config.segment_bytes,
            SEGMENT_BYTES.start(),
            SEGMENT_BYTES.end()
        );
        return Err(JournalError::Setting { what });
    }
    Ok(ReelConfig {
        segment_bytes: config.segment_bytes.next_multiple_of(HEADER),
        ..config.clone()
    })
}

fn lock(folder: &Path, name: &str) -> Result<File, JournalError> {
    let path = folder.join(format!("{name}.lock"));
    let mut options = OpenOptions::new();
    let file = open_plain_with(options.write(true).create(true).truncate(false), &path);
    let file = file.map_err(JournalError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { file: path }),
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock", &path)(error)),
    }
}
