//! The state that the writer and its two threads share.

use crate::segment::Segment;
use crate::{JournalError, ReelConfig};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long records may wait for the disk before that is an error.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The state that the writer and its two threads share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) config: ReelConfig,
    /// The index after the last appended record. Only the writer moves it.
    pub(crate) appended: AtomicU64,
    /// The index after the last durable record.
    pub(crate) durable: AtomicU64,
    /// Set once a sync has failed, which is final.
    pub(crate) failed: AtomicBool,
    /// Whether [`State::prepare_failure`] is set, for the writer, which asks at every step.
    unprepared: AtomicBool,
    /// The start of the last complete sync, in nanoseconds after `started`.
    covered_ns: AtomicU64,
    started: Instant,
    state: Mutex<State>,
    /// The writer waits on it for space and for durability.
    pub(crate) done: Condvar,
    /// The preparing thread waits on it.
    pub(crate) prepare: Condvar,
    /// The syncing thread waits on it.
    pub(crate) sync: Condvar,
}

/// The state under the lock, which an ordinary append never takes.
pub(crate) struct State {
    /// Segments not finished yet, oldest first; the last is the one being written.
    pub(crate) open: Vec<Arc<Segment>>,
    /// The number of the last segment that was made, begun or not.
    pub(crate) newest: u64,
    /// The segment after it, if it is ready.
    pub(crate) next: Option<Segment>,
    /// Set when the writer waits for the next segment.
    pub(crate) next_wanted: bool,
    /// The first segment that was finished without being synced.
    pub(crate) unsynced: Option<u64>,
    /// The highest index for whose durability someone waits.
    pub(crate) asked: u64,
    /// Set when everything is to be finished, whatever `asked` says.
    pub(crate) flush: bool,
    /// The last failure to prepare; cleared by a success.
    pub(crate) prepare_failure: Option<JournalError>,
    /// The failure to sync.
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
            unprepared: AtomicBool::new(false),
            covered_ns: AtomicU64::new(0),
            started: Instant::now(),
            state: Mutex::new(State {
                newest: current.number,
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

    /// Sets or clears the reason why the next records have no space.
    pub(crate) fn set_prepare_failure(&self, state: &mut State, failure: Option<JournalError>) {
        self.unprepared.store(failure.is_some(), Ordering::Release);
        state.prepare_failure = failure;
    }

    /// Returns the failure of a thread behind the writer, if there is one. Takes the lock only then.
    pub(crate) fn failure(&self) -> Option<JournalError> {
        let is_well =
            !self.failed.load(Ordering::Acquire) && !self.unprepared.load(Ordering::Acquire);
        if is_well {
            return None;
        }
        let state = self.lock();
        let failure = state.sync_failure.as_ref();
        failure.or(state.prepare_failure.as_ref()).cloned()
    }

    /// Returns the failure of a sync, if there was one.
    pub(crate) fn sync_result(&self) -> Result<(), JournalError> {
        match &self.lock().sync_failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Notes that everything appended before `began` is durable.
    pub(crate) fn covered(&self, began: Instant, index: u64) {
        let began = began.saturating_duration_since(self.started).as_nanos() as u64;
        self.covered_ns.store(began, Ordering::Release);
        self.durable.store(index, Ordering::Release);
    }

    /// Returns the minimum time that the oldest non-durable record has waited, and the number of such records.
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
