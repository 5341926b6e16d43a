//! The manager's thread, and the handle by which operators reach it.

use crate::affinity::{run_for_strategies, spawn_for_strategies, yield_to_trading};
use crate::compile_queue::CompileQueue;
use crate::feed::{OperatorFeed, ReportedChange};
use crate::lifecycle::manager::Manager;
use crate::lifecycle::message::{Message, StrategyCommand};
use crate::lifecycle::pending::PendingModules;
use crate::lifecycle::retention_timer::RetentionTimer;
use crate::lifecycle::setup::ManagerSetup;
use crate::loading::named_modules;
use anyhow::{Context, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_engine::EngineHandle;
use tickdeck_recording::RetentionBudget;
use tickdeck_strategy::Runtime;
use tickdeck_strategy::watch::{Hints, WatchConfig, Watcher};

/// Time limit of an operator's command: compiling a large strategy is slow.
const ANSWER_WITHIN: Duration = Duration::from_secs(50);

/// Interval of polling for an answer, or for the end of the host.
const LOOK: Duration = Duration::from_millis(20);
/// How long the end of the host waits for this thread. It may be compiling; nothing depends on the result any more.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Manages the strategies of a running deck on a thread of its own, which ends soon after this is dropped.
pub struct StrategyManager {
    messages: Sender<Message>,
    engine: EngineHandle,
    stop: Arc<AtomicBool>,
    runtime: Runtime,
    thread: Option<JoinHandle<()>>,
}

impl StrategyManager {
    /// Starts the thread.
    ///
    /// # Errors
    /// A thread can't be started.
    pub fn start(setup: ManagerSetup, engine: EngineHandle) -> Result<Self> {
        let (messages, inbox) = channel();
        let reported = follow(&setup.loader.feed, messages.clone());
        let runtime = setup.loader.runtime.clone();
        let cores = setup.loader.config.engine.pin.clone();
        runtime.compilations_give_way();
        let start = || -> Result<_> {
            yield_to_trading(&cores);
            let watcher = setup.folder.as_ref().map(|folder| {
                let messages = messages.clone();
                // An error means that the thread has ended, which nobody needs to know.
                let tell = move |change| drop(messages.send(Message::Folder(change)));
                let config = WatchConfig {
                    known: named_modules(&setup.loader.config)
                        .map(str::to_owned)
                        .collect(),
                    ..WatchConfig::new(folder)
                };
                Watcher::start(config, &setup.scan, Hints::System, tell)
            });
            let queue = CompileQueue::start(runtime.clone());
            let queue = queue.context("cannot start a thread for compiling")?;
            Ok((watcher.transpose()?, queue))
        };
        let started =
            run_for_strategies("loading", start).context("cannot start a thread for loading")?;
        let (watcher, queue) = started?;
        let pending = PendingModules::new(queue, messages.clone());
        let manager = Manager::new(setup, engine.clone(), reported, watcher, pending);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = spawn_for_strategies("manager", move || {
            yield_to_trading(manager.cores());
            work(manager, &inbox, &stopping);
        })
        .context("cannot start the strategy manager's thread")?;
        Ok(Self {
            messages,
            engine,
            stop,
            runtime,
            thread: Some(thread),
        })
    }

    /// Checks at this interval that the reels are within a budget: on this thread, slow work does no harm.
    pub fn keep_to_budget(&self, budget: RetentionBudget, every: Duration) {
        // An error means that the thread has ended already.
        let _ = self
            .messages
            .send(Message::Retention(RetentionTimer::new(budget, every)));
    }

    /// Returns a handle for operators' commands.
    pub fn handle(&self) -> ManagerHandle {
        ManagerHandle {
            messages: self.messages.clone(),
            engine: self.engine.clone(),
        }
    }
}

impl Drop for StrategyManager {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.runtime.cancel_compilations();
        // Only to wake the thread. An error means that it has ended already.
        let _ = self.messages.send(Message::Stop);
        let Some(thread) = self.thread.take() else {
            return;
        };
        let start = Instant::now();
        while !thread.is_finished() && start.elapsed() < ENDS_WITHIN {
            std::thread::sleep(LOOK);
        }
        // A thread that is stuck in a module is left to the end of the process.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

/// Sends commands to the manager.
#[derive(Clone)]
pub struct ManagerHandle {
    messages: Sender<Message>,
    engine: EngineHandle,
}

impl ManagerHandle {
    /// Sends a command about a strategy, and waits for the outcome: a sentence, either way.
    ///
    /// # Errors
    /// The command was not carried out; the text says why.
    pub fn ask(&self, name: &str, command: StrategyCommand) -> Result<String, String> {
        let (reply, answer) = channel();
        let ending = || "the host is shutting down".to_owned();
        self.messages
            .send(Message::Command(name.to_owned(), command, reply))
            .map_err(|_| ending())?;
        let start = Instant::now();
        while start.elapsed() < ANSWER_WITHIN {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(_) if self.engine.stopping() => return Err(ending()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let why = "this command failed because of a bug in tickdeck, and may be half carried out; the host trades \
                               on, and its error output has the panic message";
                    return Err(why.to_owned());
                }
            }
        }
        Err(format!(
            "no answer within {} s; the command may still be carried out",
            ANSWER_WITHIN.as_secs()
        ))
    }
}

/// Queues every change that the engine reports, and wakes the manager for it.
fn follow(feed: &OperatorFeed, messages: Sender<Message>) -> Receiver<ReportedChange> {
    let (queue, reported) = channel();
    feed.follow(move |change| {
        // Errors mean that the thread has ended, which nobody needs to know.
        let _ = queue.send(change.clone());
        let _ = messages.send(Message::Reported);
    });
    reported
}

fn work(mut manager: Manager, inbox: &Receiver<Message>, stop: &AtomicBool) {
    let mut retention: Option<RetentionTimer> = None;
    loop {
        let left = match (manager.has_loads(), &retention) {
            (true, _) => Duration::ZERO,
            (false, Some(retention)) => retention.left(),
            (false, None) => Duration::MAX,
        };
        let message = inbox.recv_timeout(left);
        // Queued messages are dropped at the end.
        if matches!(message, Err(RecvTimeoutError::Disconnected)) || stop.load(Ordering::Acquire) {
            return;
        }
        // A compiler that panics over a module must not prevent all further swaps.
        let done = catch_unwind(AssertUnwindSafe(|| {
            match message {
                Ok(Message::Retention(new)) => retention = Some(new),
                Ok(message) => manager.handle(message),
                Err(_) => manager.load_next(),
            }
            if let Some(retention) = &mut retention {
                retention.check(manager.feed());
            }
        }));
        if done.is_err() {
            manager.report_panic();
        }
    }
}
