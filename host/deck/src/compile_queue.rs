//! Compiles modules in the background: small ones first, and none waits behind a slow one.
//!
//! Compiling takes milliseconds for most modules, but up to a minute for a module crafted for it. So one or two compile at a
//! time, but a slow one stops counting, up to a bound, and the next one begins.

use crate::affinity::spawn_for_strategies;
use crate::loading::{LoadFailure, StrategyLoader};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_strategy::watch::Plugin;
use tickdeck_strategy::{CompiledModule, Runtime};

/// Compilations at a time, not counting slow ones, if there are enough cores: one per two cores.
const AT_A_TIME: usize = 2;

/// Compilations at a time including slow ones, each of which may use as much memory as the settings allow.
const AT_MOST: usize = 4;

/// How long a compilation may take before it counts as slow.
const SLOW: Duration = Duration::from_secs(2);

/// The outcome of a compilation.
pub(crate) type Outcome = Result<CompiledModule, NotCompiled>;

/// Why a module was not compiled; the texts are sentences.
#[derive(Debug, Clone)]
pub(crate) enum NotCompiled {
    /// It is not signed, not a strategy, or exceeds a limit of compiling.
    Refused(String),
    /// Its file has changed since it was found.
    Changed(String),
}

/// A module to compile.
pub(crate) struct CompileRequest {
    /// Approximate size of the file in bytes.
    pub(crate) size: u64,
    /// The file, for errors.
    pub(crate) file: String,
    /// Reads the file, on another thread, so that only files being compiled are in memory.
    pub(crate) read: Box<dyn FnOnce() -> Result<Arc<[u8]>, NotCompiled> + Send>,
    /// Takes the outcome, on another thread.
    pub(crate) done: Promise,
}

/// Tells who waits for a compilation how it came out, exactly once: dropped without an outcome, it tells that there is none.
pub(crate) struct Promise(Option<Box<dyn FnOnce(Outcome) + Send>>);

/// Compiles modules on threads of its own. When it is dropped, nothing further begins.
pub(crate) struct CompileQueue {
    shared: Arc<Shared>,
    dispatcher: Option<JoinHandle<()>>,
}

struct Shared {
    runtime: Runtime,
    state: Mutex<State>,
    changed: Condvar,
    /// Compilations at a time, not counting slow ones.
    at_a_time: usize,
}

#[derive(Default)]
struct State {
    waiting: BinaryHeap<Waiting>,
    /// When each running compilation began, by its number.
    running: Vec<(u64, Instant)>,
    /// The number of the next one.
    next: u64,
    is_stopped: bool,
}

/// Ordered so that the smallest module is the greatest, and among equals the first to arrive.
struct Waiting {
    order: Reverse<(u64, u64)>,
    request: CompileRequest,
}

impl From<LoadFailure> for NotCompiled {
    fn from(failure: LoadFailure) -> Self {
        match failure {
            LoadFailure::Changed(why) => Self::Changed(why),
            failure => Self::Refused(failure.describe()),
        }
    }
}

impl From<NotCompiled> for LoadFailure {
    fn from(why: NotCompiled) -> Self {
        match why {
            NotCompiled::Refused(why) => Self::Module(why),
            NotCompiled::Changed(why) => Self::Changed(why),
        }
    }
}

impl CompileRequest {
    /// A request for a plugin of a deck.
    pub(crate) fn of(
        plugin: &Plugin,
        loader: &StrategyLoader,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> Self {
        let content = loader.content(plugin);
        Self {
            // If it is gone by now, reading it will say so.
            size: std::fs::metadata(&plugin.path).map_or(0, |about| about.len()),
            file: plugin.path.display().to_string(),
            read: Box::new(move || Ok(content()?)),
            done: Promise::new(done),
        }
    }
}

impl Promise {
    pub(crate) fn new(done: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }

    fn keep(mut self, outcome: Outcome) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            let why = "it was not compiled, because the host is ending or has no thread left for it; try again";
            // Not its fault: it is offered again.
            done(Err(NotCompiled::Changed(why.to_owned())));
        }
    }
}

impl CompileQueue {
    /// Starts the dispatcher thread. The threads that compile inherit its priority, which is this thread's; their children
    /// give way to everything else (decision 21).
    pub(crate) fn start(runtime: Runtime) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            runtime,
            state: Mutex::default(),
            changed: Condvar::new(),
            at_a_time: (cores / 2).clamp(1, AT_A_TIME),
        });
        let dispatched = Arc::clone(&shared);
        let dispatcher = std::thread::Builder::new()
            .name("compile-queue".to_owned())
            .spawn(move || dispatch(&dispatched))?;
        Ok(Self {
            shared,
            dispatcher: Some(dispatcher),
        })
    }

    pub(crate) fn push(&self, request: CompileRequest) {
        let mut state = self.shared.lock();
        let order = Reverse((request.size, state.next));
        state.next += 1;
        state.waiting.push(Waiting { order, request });
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for CompileQueue {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        self.shared.changed.notify_all();
        if let Some(dispatcher) = self.dispatcher.take() {
            // It does nothing that panics. The compiling threads are not joined.
            let _ = dispatcher.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the next request, if another compilation may begin now.
    fn begin(&mut self, at_a_time: usize, now: Instant) -> Option<(u64, CompileRequest)> {
        let is_young = |(_, began): &&(u64, Instant)| now.duration_since(*began) < SLOW;
        let young = self.running.iter().filter(is_young).count();
        if young >= at_a_time || self.running.len() >= AT_MOST {
            return None;
        }
        let Waiting {
            order: Reverse((_, number)),
            request,
        } = self.waiting.pop()?;
        self.running.push((number, now));
        Some((number, request))
    }
}

fn dispatch(shared: &Arc<Shared>) {
    let mut state = shared.lock();
    while !state.is_stopped {
        if let Some((number, request)) = state.begin(shared.at_a_time, Instant::now()) {
            drop(state);
            begin(shared, number, request);
            state = shared.lock();
            continue;
        }
        // If something is waiting, wake up when a running compilation becomes slow.
        let waited = match state.waiting.is_empty() {
            true => shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            false => {
                let waited = shared.changed.wait_timeout(state, SLOW / 4);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state = waited;
    }
}

/// Starts a compiling thread. A child process ends with the thread that started it, so each has its own.
fn begin(shared: &Arc<Shared>, number: u64, request: CompileRequest) {
    let CompileRequest {
        file, read, done, ..
    } = request;
    let compiling = Arc::clone(shared);
    let work = move || {
        let compile = || {
            let compiled = compiling.runtime.compile(&read()?, &file);
            compiled.map_err(|error| NotCompiled::Refused(error.to_string()))
        };
        let outcome = catch_unwind(AssertUnwindSafe(compile)).unwrap_or_else(|_| {
            let why = "its compilation failed because of a bug in tickdeck";
            Err(NotCompiled::Refused(format!("{file}: {why}")))
        });
        compiling.ended(number);
        done.keep(outcome);
    };
    if spawn_for_strategies("compile", work).is_err() {
        // Dropped with the thread that could not be started, the promise has told who waits.
        shared.ended(number);
    }
}

impl Shared {
    fn ended(&self, number: u64) {
        self.lock()
            .running
            .retain(|(running, _)| *running != number);
        self.changed.notify_all();
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(state: &mut State, sizes: &[u64]) {
        for size in sizes {
            let request = CompileRequest {
                size: *size,
                file: size.to_string(),
                read: Box::new(|| Ok(Arc::default())),
                done: Promise::new(|_| ()),
            };
            let order = Reverse((*size, state.next));
            state.next += 1;
            state.waiting.push(Waiting { order, request });
        }
    }

    fn begun(state: &mut State, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| state.begin(AT_A_TIME, now).map(|(_, request)| request.file))
            .collect()
    }

    #[test]
    fn small_modules_come_first_and_none_waits_behind_a_slow_one() {
        let mut state = State::default();
        waiting(&mut state, &[30, 10, 20, 40, 50, 60]);
        let start = Instant::now();
        assert_eq!(begun(&mut state, start), ["10", "20"]);
        assert_eq!(begun(&mut state, start + SLOW / 2), [""; 0]);
        assert_eq!(
            begun(&mut state, start + SLOW),
            ["30", "40"],
            "both are slow by now"
        );
        assert_eq!(
            begun(&mut state, start + SLOW * 3),
            [""; 0],
            "as many as may be"
        );
        state.running.remove(0);
        assert_eq!(begun(&mut state, start + SLOW * 3), ["50"]);
    }

    #[test]
    fn who_waits_for_a_module_whose_compilation_never_begins_is_told() {
        let (outcomes, told) = std::sync::mpsc::channel();
        drop(Promise::new(move |outcome| drop(outcomes.send(outcome))));
        let Ok(Err(NotCompiled::Changed(why))) = told.recv() else {
            panic!("nobody was told");
        };
        assert!(why.contains("try again"), "{why}");
    }
}
