//! The least that a writer does that calls `pwrite` for each record: a checksum, the call, and a thread that syncs. No format,
//! no recovery; a bound on what a journal of that kind can reach.

use super::base::{Base, KEEP, RECORD, SEGMENT, SYNC};
use anyhow::Result;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};

/// Bytes before a payload.
const FRAME: usize = 16;

struct Pwrite {
    folder: PathBuf,
    file: Arc<File>,
    files: VecDeque<PathBuf>,
    number: u64,
    position: u64,
    index: u64,
    to_sync: Sender<Arc<File>>,
    syncing: JoinHandle<Result<()>>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Base>> {
    let first = folder.join("0");
    let file = create(&first)?;
    let (to_sync, files) = channel();
    to_sync.send(Arc::clone(&file))?;
    Ok(Box::new(Pwrite {
        folder: folder.to_owned(),
        file,
        files: VecDeque::from([first]),
        number: 0,
        position: 0,
        index: 0,
        to_sync,
        syncing: thread::spawn(move || keeps_syncing(&files)),
    }))
}

fn create(path: &Path) -> Result<Arc<File>> {
    Ok(Arc::new(File::create(path)?))
}

/// Syncs the newest file at the interval, and each before it once it is full.
fn keeps_syncing(files: &Receiver<Arc<File>>) -> Result<()> {
    let mut current = files.recv()?;
    loop {
        let next = files.recv_timeout(SYNC);
        current.sync_data()?;
        match next {
            Ok(file) => current = file,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

impl Base for Pwrite {
    fn append(&mut self, payload: &[u8]) -> Result<()> {
        let mut frame = [0u8; FRAME + RECORD];
        let bytes = FRAME + payload.len();
        frame[4..8].copy_from_slice(&(bytes as u32).to_le_bytes());
        frame[8..16].copy_from_slice(&self.index.to_le_bytes());
        frame[FRAME..bytes].copy_from_slice(payload);
        let sum = crc32c::crc32c(&frame[4..bytes]);
        frame[..4].copy_from_slice(&sum.to_le_bytes());
        if self.position + bytes as u64 > SEGMENT {
            self.roll()?;
        }
        self.file.write_all_at(&frame[..bytes], self.position)?;
        self.position += bytes as u64;
        self.index += 1;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        drop(self.to_sync);
        self.syncing
            .join()
            .expect("the syncing thread does not panic")
    }
}

impl Pwrite {
    fn roll(&mut self) -> Result<()> {
        self.number += 1;
        let path = self.folder.join(self.number.to_string());
        self.file = create(&path)?;
        self.to_sync.send(Arc::clone(&self.file))?;
        self.files.push_back(path);
        self.position = 0;
        if self.files.len() as u64 * SEGMENT > KEEP
            && let Some(oldest) = self.files.pop_front()
        {
            fs::remove_file(oldest)?;
        }
        Ok(())
    }
}
