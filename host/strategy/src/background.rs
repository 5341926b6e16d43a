//! Threads for work that trading threads must not wait for: creating instances in advance, and dropping retired ones.

use crate::limits::THREAD_STACK;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after another. Once this is dropped, it finishes the remaining jobs and ends; nobody waits for
/// that.
pub(crate) struct Background(Sender<Job>);

impl Background {
    /// Starts the thread.
    pub(crate) fn start(name: &str) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(2 * THREAD_STACK)
            .spawn(move || work(&queue))?;
        Ok(Self(jobs))
    }

    /// Queues a job for the thread.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The thread does not end before this is dropped; if it did, the job would be dropped here.
        let _ = self.0.send(Box::new(job));
    }
}

fn work(queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        // A bug in one job, which the panic's own message reports, must not be the end of all.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_done_in_their_order_and_a_panic_ends_only_its_own() {
        let background = Background::start("test").unwrap();
        let (done, results) = channel();
        for number in 0..3 {
            let done = done.clone();
            background.run(move || {
                assert_ne!(number, 1, "this panic is part of the test");
                done.send(number).unwrap();
            });
        }
        drop(background);
        drop(done);
        assert_eq!(results.iter().collect::<Vec<i32>>(), [0, 2]);
    }
}
