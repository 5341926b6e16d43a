//! Runs an engine and shows it: the kernel on a thread of its own, the display and the keyboard on this one.

use crate::display::lines::{figures, notices};
use crate::display::{KeyCommand, MessageLog, Rate, Screen, view};
use crate::exit::INTERRUPTED;
use crate::output::{note, print};
use anyhow::{Context, Result, anyhow};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_control::protocol::HostStatus;
use tickdeck_deck::affinity::{pin, spawn_for_strategies};
use tickdeck_deck::data_monitors::DataMonitors;
use tickdeck_deck::feed::FeedLines;
use tickdeck_deck::lifecycle::StrategyHistory;
use tickdeck_deck::read_model::ReadModel;
use tickdeck_deck::safety::SafetyCommands;
use tickdeck_engine::{CancelToken, Engine, EngineError, EngineHandle, OperatorCommand, Report};
use tickdeck_strategy::MemoryAccount;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Time between two lines of figures.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How often the plain display checks whether the run is over.
const LOOK: Duration = Duration::from_millis(25);
/// Maximum number of working orders shown.
const MOST_ORDERS: usize = 100;

/// A way to show a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// The live view on the terminal.
    Live,
    /// One line of figures per second.
    Lines,
    /// Only failures, on standard error.
    Quiet,
}

/// A run that is ready to start.
pub struct Console {
    /// The engine.
    pub engine: Engine,
    /// Commands the engine; its feed is the one that the engine's observer writes to.
    pub commands: SafetyCommands,
    /// Requests the end of the run; the engine's clock checks it too.
    pub stop: CancelToken,
    /// The run's title.
    pub title: String,
    /// The display.
    pub display: Display,
    /// Wall time after which the run ends.
    pub limit: Option<Duration>,
    /// Set when the run ends by that limit: then nobody is waiting for it.
    pub at_leisure: CancelToken,
    /// The history of the strategies, and with it those that do not run.
    pub history: StrategyHistory,
    /// The strategies' memory.
    pub memory: MemoryAccount,
    /// What the venues know of their data.
    pub data: DataMonitors,
    /// The core to pin the kernel's thread to.
    pub core: Option<usize>,
}

/// The display's side of a running engine.
struct Running {
    commands: SafetyCommands,
    read_model: ReadModel,
    rate: Rate,
    stop: CancelToken,
    deadline: Option<Instant>,
    at_leisure: CancelToken,
    kernel: JoinHandle<Result<Report, EngineError>>,
}

impl Console {
    /// Runs the engine to its end and returns the report.
    ///
    /// # Errors
    /// The engine fails, or the terminal is gone.
    pub fn run(mut self) -> Result<Report> {
        on_interrupt(self.stop.clone(), Some(self.commands.controls.clone()))?;
        if self.stop.asked() {
            self.commands.controls.stop();
        }
        let display = self.display;
        let (engine, mut observer) = (self.engine, self.commands.feed.clone());
        let core = self.core;
        let kernel = spawn_for_strategies("kernel", move || {
            if let Some(core) = core {
                pin(core);
            }
            engine.run(&mut observer)
        })
        .context("cannot start the kernel's thread")?;
        let deadline = self.limit.take().map(|limit| Instant::now() + limit);
        let running = Running {
            read_model: ReadModel::new(self.title, self.commands.names.clone())
                .with_history(self.history, Instant::now())
                .with_memory(self.memory)
                .with_data(self.data),
            commands: self.commands,
            rate: Rate::default(),
            stop: self.stop,
            deadline,
            at_leisure: self.at_leisure,
            kernel,
        };
        match display {
            Display::Live => running.live(),
            Display::Lines => running.plain(),
            Display::Quiet => running.quiet(),
        }
    }
}

impl Running {
    /// Takes the current status, with the rate since the last time.
    fn status(&mut self) -> HostStatus {
        let status = self.commands.feed.latest();
        let rate = self.rate.look(Instant::now(), status.events);
        self.read_model.host_status(&status, rate)
    }

    fn live(mut self) -> Result<Report> {
        let mut messages = MessageLog::default();
        let shown = (|| -> Result<()> {
            let mut screen = Screen::open()?;
            while !self.kernel.is_finished() {
                self.check_deadline();
                self.draw(&mut screen, &mut messages)?;
                let next = Instant::now() + FRAME;
                while let Some(left) = next
                    .checked_duration_since(Instant::now())
                    .filter(|left| !left.is_zero())
                {
                    if let Some(command) = screen.command(left)? {
                        self.obey(command);
                    }
                }
            }
            Ok(())
        })();
        if shown.is_err() {
            // Without a display nobody could stop it.
            self.end();
        }
        messages.add(
            self.commands
                .feed
                .lines(&self.commands.names)
                .with_omissions(),
        );
        let lines = FeedLines {
            list: messages.changes.into_iter().chain(messages.log).collect(),
            ..FeedLines::default()
        };
        let report = self.join()?;
        shown?;
        for line in notices(&lines, true) {
            note(line);
        }
        Ok(report)
    }

    fn draw(&mut self, screen: &mut Screen, messages: &mut MessageLog) -> Result<()> {
        messages.add(
            self.commands
                .feed
                .lines(&self.commands.names)
                .with_omissions(),
        );
        messages.draft = self.commands.feed.build_progress();
        let orders = screen.rows().min(MOST_ORDERS);
        screen.draw(view(&self.status(), messages, orders))
    }

    fn plain(mut self) -> Result<Report> {
        let mut next = Instant::now() + LINE_EVERY;
        // The rate needs a first sample.
        self.status();
        while !self.kernel.is_finished() {
            self.check_deadline();
            if self.commands.feed.is_awaited() {
                print(&self.notices())?;
            }
            if Instant::now() >= next {
                next += LINE_EVERY;
                let line = figures(&self.status());
                if !print(&(self.notices() + &line + "\n"))? && !self.stop.asked() {
                    self.end();
                }
            }
            std::thread::sleep(LOOK);
        }
        print(&self.notices())?;
        self.join()
    }

    /// Formats the notices since the last fetch.
    fn notices(&self) -> String {
        notices(&self.commands.feed.lines(&self.commands.names), false)
            .into_iter()
            .map(|line| line + "\n")
            .collect()
    }

    fn quiet(self) -> Result<Report> {
        let mut next = Instant::now();
        loop {
            let over = self.kernel.is_finished();
            if over || Instant::now() >= next {
                next += LINE_EVERY;
                notices(&self.commands.feed.lines(&self.commands.names), true)
                    .iter()
                    .for_each(note);
            }
            if over {
                return self.join();
            }
            self.check_deadline();
            std::thread::sleep(LOOK);
        }
    }

    fn obey(&self, command: KeyCommand) {
        match command {
            KeyCommand::Quit if self.stop.asked() => leave(),
            KeyCommand::Quit => self.end(),
            // Only a replay asks for it.
            KeyCommand::Pass(_) => {}
            KeyCommand::Pause => {
                let message = "every strategy is paused: new orders are denied";
                self.command(OperatorCommand::Pause(None), message);
            }
            KeyCommand::Resume => {
                self.command(OperatorCommand::Resume(None), "every strategy has resumed")
            }
            KeyCommand::Kill => self.kill(),
        }
    }

    fn command(&self, command: OperatorCommand, message: &str) {
        if let Err(why) = self.commands.command(command, message) {
            self.commands.announce(&why);
        }
    }

    /// Kills; a thread of its own shows the facts as they come true, each as a message.
    fn kill(&self) {
        let (commands, kill) = (self.commands.clone(), self.commands.begin_kill());
        let follow = move || commands.follow_kill(kill, &mut |_| {});
        if std::thread::Builder::new().spawn(follow).is_err() {
            let why = "killed; cannot report when the orders are gone: no thread could be started";
            self.commands.announce(why);
        }
    }

    fn check_deadline(&self) {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
            && !self.stop.asked()
        {
            self.at_leisure.ask();
            self.end();
        }
    }

    fn end(&self) {
        self.stop.ask();
        self.commands.controls.stop();
    }

    fn join(self) -> Result<Report> {
        match self.kernel.join() {
            Ok(report) => Ok(report?),
            Err(_) => Err(anyhow!(
                "the kernel's thread panicked: a bug in tickdeck; the panic message is above"
            )),
        }
    }
}

/// The run that the signal handler stops; set again by every run within the process.
static TARGET: Mutex<Option<(CancelToken, Option<EngineHandle>)>> = Mutex::new(None);

/// Makes the first Ctrl-C, SIGTERM or SIGHUP end the run cleanly, and the second one at once.
///
/// # Errors
/// The signal handler cannot be installed.
pub fn on_interrupt(stop: CancelToken, controls: Option<EngineHandle>) -> Result<()> {
    let mut target = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    let first = target.replace((stop, controls)).is_none();
    drop(target);
    if !first {
        return Ok(());
    }
    let mut last: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let target = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stop, controls)) = target.as_ref() {
            let echo = last.is_some_and(|last| last.elapsed() < ECHO);
            last = Some(Instant::now());
            if stop.ask() && !echo {
                leave();
            }
            if let Some(controls) = controls {
                controls.stop();
            }
        }
    })
    .context("cannot install a handler for Ctrl-C")
}

/// A signal this soon after another is the same one: supervisors signal a process and then its group.
const ECHO: Duration = Duration::from_millis(500);

/// Ends the process without waiting for anything.
fn leave() -> ! {
    ratatui::restore();
    std::process::exit(INTERRUPTED.into())
}
