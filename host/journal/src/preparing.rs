//! The thread that allocates ahead of the writer: zeros in the file, pages in memory, the next segment.

use crate::JournalError;
use crate::segment::{AHEAD, STEP, Segment};
use crate::shared::{Shared, State, wait, wait_for};
use std::sync::Arc;
use std::time::Duration;

/// The pause after a disk has refused space.
const RETRY: Duration = Duration::from_millis(100);

enum Task {
    Extend(Arc<Segment>),
    Create { number: u64, capacity: u64 },
}

/// Runs until the reel is closed.
pub(crate) fn run(shared: &Shared) {
    let mut state = shared.lock();
    while !state.stopping {
        let Some(task) = task(&state) else {
            state = wait(&shared.prepare, state);
            continue;
        };
        drop(state);
        let result = perform(shared, task);
        state = shared.lock();
        match result {
            Ok(created) => {
                state.prepare_failure = None;
                if created.is_some() {
                    state.next = created;
                    state.next_wanted = false;
                }
                shared.done.notify_all();
            }
            Err(failure) => {
                state.prepare_failure = Some(failure);
                shared.done.notify_all();
                state = wait_for(&shared.prepare, state, RETRY);
            }
        }
    }
}

fn task(state: &State) -> Option<Task> {
    let current = state.open.last().filter(|segment| !segment.is_sealed())?;
    if current.prepared() < current.goal() {
        return Some(Task::Extend(Arc::clone(current)));
    }
    // The next segment is created early enough to be ready, and late enough that a short run needs none.
    let near_its_end = current.written() + 2 * AHEAD >= current.capacity;
    ((near_its_end || state.next_wanted) && state.next.is_none()).then(|| Task::Create {
        number: current.number + 1,
        capacity: current.capacity,
    })
}

fn perform(shared: &Shared, task: Task) -> Result<Option<Segment>, JournalError> {
    match task {
        Task::Extend(segment) => {
            segment.extend(segment.prepared() + 1)?;
            Ok(None)
        }
        Task::Create { number, capacity } => {
            let segment = Segment::create(&shared.folder, &shared.name, number, capacity, None)?;
            segment.extend(AHEAD.min(capacity / 4).max(STEP))?;
            Ok(Some(segment))
        }
    }
}
