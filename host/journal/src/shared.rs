//! What the writer and its two threads have in common.

use crate::segment::Segment;
use crate::{JournalError, ReelConfig};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long records may wait for the disk before that is an error.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What the writer and its two threads have in common.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) config: ReelConfig,
    /// Index after the last record appended. Only the writer moves it.
    pub(crate) appended: AtomicU64,
    /// Index after the last durable record.
    pub(crate) durable: AtomicU64,
    /// Set once syncing has failed, which is for good.
    pub(crate) failed: AtomicBool,
    /// When the last complete sync began, in nanoseconds after `started`.
    covered_ns: AtomicU64,
    started: Instant,
    state: Mutex<State>,
    /// The writer waits on it for room and for durability.
    pub(crate) done: Condvar,
    /// The preparing thread waits on it.
    pub(crate) prepare: Condvar,
    /// The syncing thread waits on it.
    pub(crate) sync: Condvar,
}

/// What is exchanged under the lock, never on the way of an ordinary append.
pub(crate) struct State {
    /// Segments not finished yet, oldest first; the last is the one being written.
    pub(crate) open: Vec<Arc<Segment>>,
    /// The segment after it, if it is ready.
    pub(crate) next: Option<Segment>,
    /// Set when the writer waits for the next segment.
    pub(crate) next_wanted: bool,
    /// The first segment that was finished without being synced.
    pub(crate) unsynced: Option<u64>,
    /// Whoever waits for durability waits for this index.
    pub(crate) asked: u64,
    /// Set when all is to be finished, whatever `asked` says.
    pub(crate) flush: bool,
    /// Why preparing last failed; cleared when it succeeds.
    pub(crate) prepare_failure: Option<JournalError>,
    /// Why syncing failed.
    pub(crate) sync_failure: Option<JournalError>,
    pub(crate) stopping: bool,
}

impl Shared {
    pub(crate) fn new(
        folder: &Path,
        name: &str,
        config: &ReelConfig,
        current: Arc<Segment>,
        waiting: Range<u64>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            config: config.clone(),
            appended: AtomicU64::new(waiting.end),
            durable: AtomicU64::new(waiting.start),
            failed: AtomicBool::new(false),
            covered_ns: AtomicU64::new(0),
            started: Instant::now(),
            state: Mutex::new(State {
                open: vec![current],
                next: None,
                next_wanted: false,
                unsynced: None,
                asked: 0,
                flush: false,
                prepare_failure: None,
                sync_failure: None,
                stopping: false,
            }),
            done: Condvar::new(),
            prepare: Condvar::new(),
            sync: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The failure of a sync, if there was one.
    pub(crate) fn sync_result(&self) -> Result<(), JournalError> {
        match &self.lock().sync_failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Notes that all that was appended before `began` is durable.
    pub(crate) fn covered(&self, began: Instant, index: u64) {
        let began = began.saturating_duration_since(self.started).as_nanos() as u64;
        self.covered_ns.store(began, Ordering::Release);
        self.durable.store(index, Ordering::Release);
    }

    /// How long the oldest record that is not durable has waited at least, and how many do.
    pub(crate) fn waiting(&self) -> Option<(Duration, u64)> {
        let covered = Duration::from_nanos(self.covered_ns.load(Ordering::Acquire));
        let durable = self.durable.load(Ordering::Acquire);
        let appended = self.appended.load(Ordering::Acquire);
        let records = appended.saturating_sub(durable);
        (records > 0).then(|| (self.started.elapsed().saturating_sub(covered), records))
    }
}

pub(crate) fn wait<'a>(signal: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    signal.wait(state).unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn wait_for<'a>(
    signal: &Condvar,
    state: MutexGuard<'a, State>,
    time: Duration,
) -> MutexGuard<'a, State> {
    let waited = signal.wait_timeout(state, time);
    waited.unwrap_or_else(PoisonError::into_inner).0
}
