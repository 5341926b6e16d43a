//! The workers: one on the kernel's own thread, or several with a thread each.

use crate::intent::Intent;
use crate::port::StopReason;
use crate::waker::Waker;
use crate::worker::mailbox::Mailbox;
use crate::worker::meanwhile::Meanwhile;
use crate::worker::{Done, Task, Worker};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tickdeck_model::Event;
use tickdeck_ring::{Consumer, Producer, Ring, RingError};

/// Stack size of a worker's thread: guests get a limit of their own within it, host calls need the rest.
const STACK: usize = 8 << 20;

/// A worker failed; the engine cannot continue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// A thread could not be started.
    #[error("worker {worker} could not be started: {problem}")]
    Start {
        /// Its number.
        worker: usize,
        /// The system's error.
        problem: String,
    },
    /// A thread panicked.
    #[error("worker {worker} panicked: {problem}; this is a bug in Tickdeck")]
    Panicked {
        /// Its number.
        worker: usize,
        /// The panic's text.
        problem: String,
    },
    /// The run is ending and a strategy does not return: the kernel no longer waits for its worker.
    #[error("a strategy does not return from its call, and is left behind")]
    LeftBehind,
    /// The ring refused.
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// The workers.
pub(crate) enum WorkerPool {
    /// A worker on the kernel's thread.
    Inline(Box<Worker>),
    /// Several workers, with a thread each.
    Threads(Threads),
}

pub(crate) struct Threads {
    handles: Vec<JoinHandle<Worker>>,
    mailboxes: Vec<Arc<Mailbox>>,
    events: Ring<Event>,
    intents_ring: Ring<Intent>,
    intents: Consumer<Intent>,
    waker: Waker,
}

impl WorkerPool {
    /// Starts a thread for each worker, pinned to the cores in `pin`.
    pub(crate) fn start_threads(
        workers: Vec<Worker>,
        pin: &[usize],
        events: Ring<Event>,
        intents_ring: Ring<Intent>,
        intents: Consumer<Intent>,
    ) -> Result<Self, WorkerError> {
        let (mut handles, mut mailboxes) = (Vec::new(), Vec::new());
        for (at, worker) in workers.into_iter().enumerate() {
            let (mailbox, core) = (Arc::new(Mailbox::default()), pin.get(at).copied());
            mailboxes.push(Arc::clone(&mailbox));
            let handle = std::thread::Builder::new()
                .name(format!("worker-{at}"))
                .stack_size(STACK)
                .spawn(move || work(worker, &mailbox, core))
                .map_err(|error| WorkerError::Start {
                    worker: at,
                    problem: error.to_string(),
                })?;
            handles.push(handle);
        }
        let waker = Waker::of(&intents_ring, &events);
        Ok(Self::Threads(Threads {
            waker,
            handles,
            mailboxes,
            events,
            intents_ring,
            intents,
        }))
    }

    /// Publishes events, stamped with the sequences that they will have: there is no other producer.
    pub(crate) fn publish(
        &mut self,
        producer: &mut Producer<Event>,
        window: &[Event],
        intents: &mut Vec<Intent>,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), WorkerError> {
        for chunk in window.chunks(producer.max_batch()) {
            let first = loop {
                match producer.try_publish(chunk) {
                    Ok(first) => break first,
                    Err(RingError::Full { .. }) => self.make_room(intents, meanwhile)?,
                    Err(error) => return Err(error.into()),
                }
            };
            assert_eq!(
                first, chunk[0].sequence,
                "the kernel alone publishes events"
            );
        }
        Ok(())
    }

    /// Waits until every worker has handled everything before `sequence`, and gathers the decisions.
    pub(crate) fn catch_up(
        &mut self,
        sequence: u64,
        intents: &mut Vec<Intent>,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), WorkerError> {
        match self {
            Self::Inline(worker) => {
                worker.poll();
                worker.take_intents(intents);
            }
            Self::Threads(threads) => {
                loop {
                    let (ring, waiting) = (&threads.intents_ring, threads.intents.position());
                    let handles = &threads.handles;
                    let stop = || {
                        ring.published() > waiting
                            || meanwhile.is_wanted()
                            || handles.iter().any(JoinHandle::is_finished)
                    };
                    let passed = threads.events.wait_until_passed(sequence, stop);
                    threads.gather(intents);
                    if passed {
                        break;
                    }
                    threads.check()?;
                    serve(meanwhile)?;
                }
                // A worker that panicked no longer blocks the barrier.
                threads.check()?;
            }
        }
        Ok(())
    }

    /// Gathers the decisions so far, without waiting.
    pub(crate) fn gather(&mut self, intents: &mut Vec<Intent>) {
        match self {
            Self::Inline(worker) => {
                worker.poll();
                worker.take_intents(intents);
            }
            Self::Threads(threads) => threads.gather(intents),
        }
    }

    /// Waits until there is a decision, the kernel is woken, or `look` returns `None`; otherwise it returns how long it need
    /// not be called again. A worker on the kernel's own thread decides nothing in the meantime.
    pub(crate) fn wait_for_decisions(
        &mut self,
        mut look: impl FnMut() -> Option<Duration>,
    ) -> Result<(), WorkerError> {
        let Self::Threads(threads) = self else {
            return Ok(());
        };
        let handles = &threads.handles;
        let ended = || handles.iter().any(JoinHandle::is_finished);
        let waker = &threads.waker;
        let look = || match waker.take_request() || ended() {
            true => None,
            false => look(),
        };
        threads.intents.wait_for(look, || waker.is_requested())?;
        threads.check()
    }

    /// A handle that ends [`WorkerPool::wait_for_decisions`]. The kernel never waits for a worker on its own thread.
    pub(crate) fn waker(&self) -> Waker {
        match self {
            Self::Inline(_) => Waker::default(),
            Self::Threads(threads) => threads.waker.clone(),
        }
    }

    /// The number of workers.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Inline(_) => 1,
            Self::Threads(threads) => threads.handles.len(),
        }
    }

    /// Stops every strategy, at a point where all workers have caught up.
    pub(crate) fn stop(
        &mut self,
        reason: StopReason,
        intents: &mut Vec<Intent>,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), WorkerError> {
        for worker in 0..self.len() {
            // Stopping is never refused; a strategy's fault is in its counters.
            let _ = self.perform(worker, Task::Stop(reason), intents, meanwhile)?;
        }
        Ok(())
    }

    /// Has a worker perform a task, at a point where all workers have caught up. The inner error says why it did not.
    pub(crate) fn perform(
        &mut self,
        worker: usize,
        task: Task,
        intents: &mut Vec<Intent>,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<Result<Done, String>, WorkerError> {
        match self {
            Self::Inline(worker) => {
                let done = worker.perform(task);
                worker.take_intents(intents);
                Ok(done)
            }
            Self::Threads(threads) => {
                threads.mailboxes[worker].post(task);
                loop {
                    threads.events.wake();
                    threads.gather(intents);
                    if let Some(done) = threads.mailboxes[worker].answer() {
                        threads.gather(intents);
                        return Ok(done);
                    }
                    threads.check()?;
                    serve(meanwhile)?;
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Has every worker offer the events that waited for an instance that is now there.
    pub(crate) fn offer(
        &mut self,
        intents: &mut Vec<Intent>,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), WorkerError> {
        for worker in 0..self.len() {
            // Offering is never refused.
            let _ = self.perform(worker, Task::Offer, intents, meanwhile)?;
        }
        Ok(())
    }

    /// Whether every worker still works.
    pub(crate) fn check(&mut self) -> Result<(), WorkerError> {
        match self {
            Self::Inline(_) => Ok(()),
            Self::Threads(threads) => threads.check(),
        }
    }

    /// Ends the workers and returns them.
    pub(crate) fn join(self) -> Result<Vec<Worker>, WorkerError> {
        match self {
            Self::Inline(worker) => Ok(vec![*worker]),
            Self::Threads(threads) => {
                threads.events.close();
                threads.intents_ring.close();
                let joined = threads.handles.into_iter().enumerate();
                joined
                    .map(|(worker, handle)| {
                        handle.join().map_err(|panic| panicked(worker, &*panic))
                    })
                    .collect()
            }
        }
    }

    /// Ends the workers that return, and leaves the others behind.
    pub(crate) fn abandon(self) {
        if let Self::Threads(threads) = self {
            threads.events.close();
            threads.intents_ring.close();
        }
    }

    fn make_room(
        &mut self,
        intents: &mut Vec<Intent>,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<(), WorkerError> {
        match self {
            Self::Inline(worker) => {
                worker.poll();
                worker.take_intents(intents);
                Ok(())
            }
            Self::Threads(threads) => {
                threads.gather(intents);
                threads.check()?;
                serve(meanwhile)?;
                std::thread::yield_now();
                Ok(())
            }
        }
    }
}

impl Threads {
    fn gather(&mut self, into: &mut Vec<Intent>) {
        loop {
            let slots = self.intents.peek(usize::MAX);
            let count = slots.len();
            if count == 0 {
                return;
            }
            into.extend_from_slice(slots);
            self.intents.release(count);
        }
    }

    /// While the engine runs, a thread that has finished has panicked.
    fn check(&mut self) -> Result<(), WorkerError> {
        let Some(worker) = self.handles.iter().position(JoinHandle::is_finished) else {
            return Ok(());
        };
        let handle = self.handles.swap_remove(worker);
        self.events.close();
        self.intents_ring.close();
        Err(match handle.join() {
            Err(panic) => panicked(worker, &*panic),
            Ok(_) => WorkerError::Ring(RingError::Closed),
        })
    }
}

/// Does the kernel's other work while it waits for workers.
fn serve(meanwhile: &mut dyn Meanwhile) -> Result<(), WorkerError> {
    match !meanwhile.is_wanted() || meanwhile.serve() {
        true => Ok(()),
        false => Err(WorkerError::LeftBehind),
    }
}

fn panicked(worker: usize, panic: &(dyn std::any::Any + Send)) -> WorkerError {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let problem = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned());
    WorkerError::Panicked { worker, problem }
}

fn work(mut worker: Worker, mailbox: &Mailbox, core: Option<usize>) -> Worker {
    if let Some(id) = core {
        // If the core does not exist, the thread stays where the system puts it; `doctor` reports that.
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    loop {
        let handled = worker.poll();
        if let Some(task) = mailbox.take() {
            mailbox.reply(worker.perform(task));
            continue;
        }
        let asked = || mailbox.is_waiting();
        if handled == 0 && !worker.wait(asked) {
            return worker;
        }
    }
}
