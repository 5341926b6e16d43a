//! Runs an engine while someone watches: the kernel on a thread of its own, the display and the keys on this one.

use crate::display::lines::{PlainLines, notices};
use crate::display::{KeyCommand, MessageLog, Rate, Screen, view};
use crate::output::print;
use anyhow::{Context, Result, anyhow};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_deck::affinity::{pin, spawn_for_strategies};
use tickdeck_deck::feed::{FeedLines, OperatorFeed, Topic};
use tickdeck_engine::CancelToken;
use tickdeck_engine::{Engine, EngineError, EngineHandle, OperatorCommand, Report};
use tickdeck_recording::data_folder::latch_kill;
use tickdeck_recording::names::Names;
use tickdeck_strategy::LogLevel;

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// Between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// How often the plain display looks whether the run is over.
const LOOK: Duration = Duration::from_millis(25);
/// Working orders that the view shows at most.
const MOST_ORDERS: usize = 100;
/// The exit code of a second Ctrl-C.
const INTERRUPTED: i32 = 130;

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// The live view on the terminal.
    Live,
    /// A line a second.
    Lines,
    /// Only failures, on standard error.
    Quiet,
}

/// A run that is ready to start.
pub struct Console {
    /// The engine.
    pub engine: Engine,
    /// What the engine's observer writes on.
    pub feed: OperatorFeed,
    /// The words behind its numbers.
    pub names: Names,
    /// The wish to stop, which the engine's clock looks at too.
    pub stop: CancelToken,
    /// What runs, for the title.
    pub title: String,
    /// How it is shown.
    pub display: Display,
    /// Wall time after which it ends.
    pub limit: Option<Duration>,
    /// Where a kill is latched, if it lasts.
    pub latch: Option<PathBuf>,
    /// The core of the kernel's thread.
    pub core: Option<usize>,
}

/// What the display and the operator's hand have of a running engine.
struct Keyboard {
    feed: OperatorFeed,
    names: Names,
    controls: EngineHandle,
    stop: CancelToken,
    title: String,
    latch: Option<PathBuf>,
    deadline: Option<Instant>,
    kernel: JoinHandle<Result<Report, EngineError>>,
}

impl Console {
    /// Runs it to its end.
    ///
    /// # Errors
    /// The engine fails, or the terminal is gone.
    pub fn run(mut self) -> Result<Report> {
        let controls = self.engine.controls();
        on_interrupt(self.stop.clone(), Some(controls.clone()))?;
        if self.stop.asked() {
            controls.stop();
        }
        let display = self.display;
        let (engine, mut observer) = (self.engine, self.feed.clone());
        let core = self.core;
        let kernel = spawn_for_strategies("kernel", move || {
            if let Some(core) = core {
                pin(core);
            }
            engine.run(&mut observer)
        })
        .context("cannot start the kernel's thread")?;
        let deadline = self.limit.take().map(|limit| Instant::now() + limit);
        let hand = Keyboard {
            feed: self.feed,
            names: self.names,
            controls,
            stop: self.stop,
            title: self.title,
            latch: self.latch,
            deadline,
            kernel,
        };
        match display {
            Display::Live => hand.live(),
            Display::Lines => hand.plain(),
            Display::Quiet => hand.quiet(),
        }
    }
}

impl Keyboard {
    fn live(self) -> Result<Report> {
        let mut told = MessageLog::default();
        let mut rate = Rate::default();
        let shown = (|| -> Result<()> {
            let mut screen = Screen::open()?;
            while !self.kernel.is_finished() {
                self.look_at_deadline();
                self.draw(&mut screen, &mut told, &mut rate)?;
                let next = Instant::now() + FRAME;
                while let Some(left) = next
                    .checked_duration_since(Instant::now())
                    .filter(|left| !left.is_zero())
                {
                    if let Some(wish) = screen.wish(left)? {
                        self.follow(wish)?;
                    }
                }
            }
            Ok(())
        })();
        if shown.is_err() {
            // Without a display nobody could stop it any more.
            self.end();
        }
        told.hear(self.feed.lines(&self.names).with_omissions());
        let lines = FeedLines {
            list: told.changes.into_iter().chain(told.log).collect(),
            ..FeedLines::default()
        };
        let report = self.join()?;
        shown?;
        for line in notices(&lines, true) {
            eprintln!("{line}");
        }
        Ok(report)
    }

    fn draw(&self, screen: &mut Screen, told: &mut MessageLog, rate: &mut Rate) -> Result<()> {
        told.hear(self.feed.lines(&self.names).with_omissions());
        told.draft = self.feed.build_progress();
        let status = self.feed.latest();
        let per_second = rate.look(Instant::now(), status.events);
        let orders = screen.rows().min(MOST_ORDERS);
        screen.draw(view(
            &self.title,
            &status,
            per_second,
            told,
            orders,
            &self.names,
        ))
    }

    fn plain(self) -> Result<Report> {
        let mut plain = PlainLines::default();
        let mut next = Instant::now() + LINE_EVERY;
        plain.line(Instant::now(), &self.feed.latest(), &self.names);
        while !self.kernel.is_finished() {
            self.look_at_deadline();
            if self.feed.is_awaited() {
                print(&self.notices())?;
            }
            if Instant::now() >= next {
                next += LINE_EVERY;
                let line = plain.line(Instant::now(), &self.feed.latest(), &self.names);
                if !print(&(self.notices() + &line + "\n"))? && !self.stop.asked() {
                    self.end();
                }
            }
            std::thread::sleep(LOOK);
        }
        print(&self.notices())?;
        self.join()
    }

    /// Lines for the notices since the last fetch.
    fn notices(&self) -> String {
        notices(&self.feed.lines(&self.names), false)
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
                notices(&self.feed.lines(&self.names), true)
                    .iter()
                    .for_each(|line| eprintln!("{line}"));
            }
            if over {
                return self.join();
            }
            self.look_at_deadline();
            std::thread::sleep(LOOK);
        }
    }

    fn follow(&self, wish: KeyCommand) -> Result<()> {
        match wish {
            KeyCommand::Quit if self.stop.asked() => leave(),
            KeyCommand::Quit => self.end(),
            // Nobody is asked for it here.
            KeyCommand::Pass(_) => {}
            KeyCommand::Pause => {
                self.order(OperatorCommand::Pause(None), "pause: new orders are denied")
            }
            KeyCommand::Resume => self.order(OperatorCommand::Resume(None), "resume; a kill stays"),
            KeyCommand::Kill => {
                // The order first: a full disk must not keep anyone from stopping.
                self.order(
                    OperatorCommand::Kill,
                    "kill: every order is canceled, new ones are denied",
                );
                if let Some(latch) = &self.latch {
                    latch_kill(latch)?;
                }
            }
        }
        Ok(())
    }

    fn order(&self, order: OperatorCommand, words: &str) {
        self.controls.order(order);
        self.feed
            .say(Topic::Operator, "operator", LogLevel::Warn, words);
    }

    fn look_at_deadline(&self) {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
            && !self.stop.asked()
        {
            self.end();
        }
    }

    fn end(&self) {
        self.stop.ask();
        self.controls.stop();
    }

    fn join(self) -> Result<Report> {
        match self.kernel.join() {
            Ok(report) => Ok(report?),
            Err(_) => Err(anyhow!(
                "the kernel's thread panicked: a bug in tickdeck, its words are above"
            )),
        }
    }
}

/// What the handler of signals works on: set anew by every run of the process.
static TARGET: Mutex<Option<(CancelToken, Option<EngineHandle>)>> = Mutex::new(None);

/// The first Ctrl-C, SIGTERM or SIGHUP ends the run in order, the second one at once.
///
/// # Errors
/// The system lets nobody listen.
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
    .context("cannot listen for Ctrl-C")
}

/// A signal this soon after another is the same one: supervisors signal a process and then its group.
const ECHO: Duration = Duration::from_millis(500);

/// Ends the process without waiting for anything.
fn leave() -> ! {
    ratatui::restore();
    std::process::exit(INTERRUPTED)
}
