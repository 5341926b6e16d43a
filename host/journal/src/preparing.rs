//! The thread that allocates ahead of the writer: zeros in the file, pages in memory, the next segment.

use crate::JournalError;
use crate::segment::{AHEAD, STEP, Segment};
use crate::shared::{Shared, State, wait, wait_for};
use std::sync::Arc;
use std::time::Duration;

/// The pause after the disk has refused space.
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
                shared.set_prepare_failure(&mut state, None);
                if let Some(created) = created {
                    state.newest = created.number;
                    state.next = Some(created);
                    state.next_wanted = false;
                }
                shared.done.notify_all();
            }
            Err(failure) => {
                shared.set_prepare_failure(&mut state, Some(failure));
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
    // The writer may have taken it but not begun it yet: a second one would replace its file, and the records in it.
    let is_made = state.newest > current.number;
    ((near_its_end || state.next_wanted) && !is_made).then(|| Task::Create {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReelConfig;
    use crate::format::{HEADER, Header};

    fn is_create(task: &Option<Task>) -> bool {
        matches!(task, Some(Task::Create { .. }))
    }

    #[test]
    fn a_segment_that_the_writer_has_taken_and_not_begun_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let header = Header {
            schema: 1,
            name: "reel".to_owned(),
            reel: 1,
            number: 1,
            first: 0,
            created_ns: 0,
            chain: 0,
            capacity: 4 * HEADER,
        };
        let made = |number, header| {
            let segment = Segment::create(folder.path(), "reel", number, 4 * HEADER, header);
            let segment = segment.unwrap();
            segment.extend(4 * HEADER).unwrap();
            segment
        };
        let current = Arc::new(made(1, Some(&header)));
        let shared = Shared::new(folder.path(), "reel", &ReelConfig::default(), current, 0..0);
        let mut state = shared.lock();
        assert!(is_create(&task(&state)), "it is near its end");
        state.newest = 2;
        state.next = Some(made(2, None));
        assert!(!is_create(&task(&state)), "it is ready");
        let taken = state.next.take().unwrap();
        assert!(!is_create(&task(&state)), "it is the writer's");
        taken.begin(&Header {
            number: 2,
            ..header
        });
        state.open.push(Arc::new(taken));
        assert!(is_create(&task(&state)), "it is near its end, too");
    }
}
