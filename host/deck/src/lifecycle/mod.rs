//! The strategies of a running deck come and go: what the watcher finds in the plugins folder and what the operator
//! asks for becomes changes of the engine.
//!
//! One thread, the loader, does everything that takes time: it verifies, compiles, judges permissions, and tries a new
//! version on the strategy's last events. Only then does it ask the engine for the handover, which takes microseconds.

mod commands;
mod history;
mod history_entries;
mod managed;
mod manager;
mod retention_timer;

pub use crate::lifecycle::history::{
    Generation, RecordedPermission, StrategyHistory, StrategyRecord,
};
pub use crate::lifecycle::history_entries::{first_generation, waits};
pub use tickdeck_settings::config::ParameterValue;

use crate::feed::OperatorFeed;
use crate::lifecycle::manager::Manager;
use crate::lifecycle::retention_timer::RetentionTimer;
use crate::loading::{LoadedStrategy, StrategyLoader};
use anyhow::{Context, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tickdeck_engine::{EngineHandle, VersionChange};
use tickdeck_model::{Registry, StrategyId, Timestamp};
use tickdeck_recording::RetentionBudget;
use tickdeck_recording::names::Names;
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::watch::{Hints, PluginChange, Scan, WatchConfig, Watcher};

/// How long an operator's request may take: compiling a large strategy takes its time.
const ANSWER_WITHIN: Duration = Duration::from_secs(50);

/// Stack of the loader's thread, on which strategies are tried.
const STACK: usize = 2 * tickdeck_strategy::THREAD_STACK;

/// Keeps the registry where it lasts, before anything runs on a name of it.
pub type Keep = Box<dyn Fn(&Registry) -> Result<()> + Send>;

/// What an operator asks of the loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrategyCommand {
    /// Load its module again, even one that failed.
    Reload,
    /// The version before takes over.
    RollBack,
    /// The version that runs beside takes over.
    Promote,
    /// It leaves in order, though its file stays.
    Remove,
    /// What it asks for is granted, if it is still this; `None`: whatever it is.
    Approve(Option<String>),
}

/// What wakes the loader.
enum Message {
    Folder(PluginChange),
    Version(Timestamp, StrategyId, VersionChange),
    Command(String, StrategyCommand, Sender<Result<String, String>>),
    Retention(RetentionTimer),
    Stop,
}

/// What the loader starts with.
pub struct ManagerSetup {
    /// What every strategy has in common.
    pub loader: StrategyLoader,
    /// What was approved.
    pub grants: Grants,
    /// The names so far.
    pub registry: Arc<Registry>,
    /// Keeps names before anything runs on them.
    pub keep: Keep,
    /// What the displays call things.
    pub names: Names,
    /// The plugins folder, unless nobody is to watch it, and what was found in it.
    pub folder: Option<PathBuf>,
    /// What was found in it.
    pub scan: Scan,
    /// The strategies that were seated.
    pub seated: Vec<LoadedStrategy>,
    /// Those that wait for an approval.
    pub waiting: Vec<LoadedStrategy>,
    /// What is known of them.
    pub ledger: StrategyHistory,
}

/// The loader at work. Dropped, it ends.
pub struct StrategyManager {
    messages: Sender<Message>,
    stop: Arc<AtomicBool>,
    loader: Option<JoinHandle<()>>,
}

impl StrategyManager {
    /// Starts the loader.
    ///
    /// # Errors
    /// A thread can't be started.
    pub fn start(setup: ManagerSetup, controls: EngineHandle) -> Result<Self> {
        let (messages, inbox) = channel();
        follow(&setup.loader.feed, messages.clone());
        let watcher = match &setup.folder {
            Some(folder) => {
                let messages = messages.clone();
                // After the loader's end nobody needs to know.
                let tell = move |change| drop(messages.send(Message::Folder(change)));
                let config = WatchConfig::new(folder);
                Some(Watcher::start(config, &setup.scan, Hints::System, tell)?)
            }
            None => None,
        };
        let loader = Manager::new(setup, controls, watcher);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let loader = std::thread::Builder::new()
            .name("loader".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                crate::affinity::make_way(loader.cores());
                work(loader, &inbox, &stopping);
            })
            .context("cannot start the loader's thread")?;
        Ok(Self {
            messages,
            stop,
            loader: Some(loader),
        })
    }

    /// Has the loader look so often that the reels keep to their budget: it is the thread on which things may take time.
    pub fn keeps_to(&self, budget: RetentionBudget, every: Duration) {
        // An error means that it has ended already.
        let _ = self
            .messages
            .send(Message::Retention(RetentionTimer::new(budget, every)));
    }

    /// A hand that asks the loader for things.
    pub fn manager(&self) -> ManagerHandle {
        ManagerHandle(self.messages.clone())
    }
}

impl Drop for StrategyManager {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Only to wake it. An error means that it has ended already.
        let _ = self.messages.send(Message::Stop);
        if let Some(loader) = self.loader.take() {
            let _ = loader.join();
        }
    }
}

/// Asks the loader for things.
#[derive(Clone)]
pub struct ManagerHandle(Sender<Message>);

impl ManagerHandle {
    /// Asks for something about a strategy, and waits for what became of it: a sentence, either way.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn ask(&self, name: &str, wish: StrategyCommand) -> Result<String, String> {
        let (reply, answer) = channel();
        let ending = || "the host is shutting down".to_owned();
        self.0
            .send(Message::Command(name.to_owned(), wish, reply))
            .map_err(|_| ending())?;
        match answer.recv_timeout(ANSWER_WITHIN) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => Err(ending()),
            Err(RecvTimeoutError::Timeout) => Err(format!(
                "nothing came of it within {} s; it may still happen",
                ANSWER_WITHIN.as_secs()
            )),
        }
    }
}

/// Lets the loader know what becomes of versions, whoever changed them.
fn follow(feed: &OperatorFeed, messages: Sender<Message>) {
    feed.follow(move |at, strategy, change| {
        // After the loader's end nobody needs to know.
        let _ = messages.send(Message::Version(at, strategy, change.clone()));
    });
}

fn work(mut loader: Manager, inbox: &Receiver<Message>, stop: &AtomicBool) {
    let mut room: Option<RetentionTimer> = None;
    loop {
        let left = room.as_ref().map_or(Duration::MAX, RetentionTimer::left);
        let message = inbox.recv_timeout(left);
        // What is queued before the end is not begun any more.
        if matches!(message, Err(RecvTimeoutError::Disconnected)) || stop.load(Ordering::Acquire) {
            return;
        }
        // A compiler that panics over a module must not be the end of all swaps.
        let done = catch_unwind(AssertUnwindSafe(|| {
            match message {
                Ok(Message::Retention(new)) => room = Some(new),
                Ok(message) => loader.take(message),
                Err(_) => {}
            }
            if let Some(room) = &mut room {
                room.look(loader.feed());
            }
        }));
        if done.is_err() {
            loader.failed();
        }
    }
}
