//! The thread that makes appended records durable, and gives closed segments their exact length.

use crate::files::segment_file;
use crate::segment::Segment;
use crate::shared::{Shared, State, wait, wait_for};
use crate::{JournalError, Sync};
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

/// The interval of syncs without a waiter, in the mode that syncs on order.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(50);

/// Runs until the reel is closed, or a sync has failed.
pub(crate) fn run(shared: &Shared) {
    let interval = match shared.config.sync {
        Sync::Interval(interval) => Some(interval),
        Sync::Order => Some(DEFAULT_INTERVAL),
        Sync::Never => None,
    };
    let mut state = shared.lock();
    loop {
        let began = Instant::now();
        let asked = state.flush || state.asked > shared.durable.load(Ordering::Acquire);
        let due = asked || interval.is_some();
        let flush = state.flush;
        let segments = state.open.clone();
        let unsynced = state.unsynced.filter(|_| asked);
        // Read before the written ends of the segments, so it can only be less.
        let index = shared.appended.load(Ordering::Acquire);
        let idle = index == shared.durable.load(Ordering::Acquire) && !flush;
        drop(state);
        let synced = if due && !idle {
            pass(shared, &segments, unsynced)
        } else {
            Ok(())
        };
        if synced.is_ok() && due {
            shared.covered(began, index);
        }
        let finished = synced.and_then(|()| finish(shared, &segments, due));
        state = shared.lock();
        match finished {
            Ok(numbers) => settle(&mut state, &numbers, due, unsynced.is_some()),
            Err(failure) => {
                state.sync_failure = Some(failure);
                shared.failed.store(true, Ordering::Release);
                shared.done.notify_all();
                return;
            }
        }
        state.flush &= !flush;
        shared.done.notify_all();
        if state.stopping && !state.flush {
            return;
        }
        state = rest(shared, state, interval, began);
    }
}

fn rest<'a>(
    shared: &'a Shared,
    state: MutexGuard<'a, State>,
    interval: Option<Duration>,
    began: Instant,
) -> MutexGuard<'a, State> {
    let asked = state.flush || state.asked > shared.durable.load(Ordering::Acquire);
    if asked || state.stopping {
        return state;
    }
    match interval {
        Some(interval) => {
            let left = interval.saturating_sub(began.elapsed());
            wait_for(&shared.sync, state, left)
        }
        None => wait(&shared.sync, state),
    }
}

/// Syncs all segments, oldest first, so that no later record is durable before an earlier one.
fn pass(
    shared: &Shared,
    segments: &[Arc<Segment>],
    unsynced: Option<u64>,
) -> Result<(), JournalError> {
    let first_open = segments.first().map_or(0, |segment| segment.number);
    for number in unsynced.unwrap_or(first_open)..first_open {
        sync_closed(shared, number)?;
    }
    for segment in segments {
        segment.sync(&shared.folder)?;
    }
    Ok(())
}

/// Syncs a segment that was finished without it, unless it has been pruned.
fn sync_closed(shared: &Shared, number: u64) -> Result<(), JournalError> {
    let path = segment_file(&shared.folder, &shared.name, number);
    match File::open(&path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(JournalError::sync(&path)),
    }
}

/// Finishes the sealed segments; returns their numbers.
fn finish(
    shared: &Shared,
    segments: &[Arc<Segment>],
    synced: bool,
) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for segment in segments.iter().filter(|segment| segment.is_sealed()) {
        // Sealed since the pass: its last frames come with the next one.
        if synced && !segment.is_synced() {
            break;
        }
        if let Err(problem) = segment.finish() {
            // A file that is too long is still valid; this is retried, and again when the reel is next opened.
            shared.set_prepare_failure(&mut shared.lock(), Some(problem));
            break;
        }
        if synced {
            segment.sync_finished()?;
        }
        numbers.push(segment.number);
    }
    Ok(numbers)
}

fn settle(state: &mut State, finished: &[u64], synced: bool, caught_up: bool) {
    state
        .open
        .retain(|segment| !finished.contains(&segment.number));
    if caught_up {
        state.unsynced = None;
    }
    if !synced && let Some(first) = finished.first() {
        state.unsynced.get_or_insert(*first);
    }
}
