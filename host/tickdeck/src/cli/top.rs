//! `tickdeck top`: shows the status and the times of the strategies, twice a second.

use crate::cli::host_client::Host;
use crate::cli::status_text;
use crate::exit::INTERRUPTED;
use crate::output::{print, print_json};
use anyhow::{Context, Result, bail};
use clap::Args;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use ratatui::layout::{Constraint, Layout};
use ratatui::widgets::Paragraph;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tickdeck_control::protocol::HostStatus;
use tickdeck_control::{Answer, Request};

/// Time between two requests.
const REFRESH: Duration = Duration::from_millis(500);

/// Watch the running host: its status and the time per event of each strategy, twice a second, until q or Ctrl-C.
///
/// Without a terminal the status is printed once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck top
  tickdeck top --json --follow | jq .status.profit
  tickdeck top --json | jq '.status.strategies[] | {name, event_times}'")]
pub(super) struct Top {
    #[command(flatten)]
    host: Host,
    /// With --json: keep printing even if standard output is not a terminal, two lines per second until the reader or the
    /// host goes away
    #[arg(long, requires = "json")]
    follow: bool,
}

impl Top {
    pub(super) fn run(self) -> Result<ExitCode> {
        let is_watched = std::io::stdout().is_terminal();
        if self.host.json && (self.follow || is_watched) {
            self.lines()
        } else if is_watched && std::io::stdin().is_terminal() {
            self.view()
        } else if self.host.json {
            self.host.run(&Request::Status)
        } else {
            print(&status_text::top(&self.host.status()?))?;
            Ok(ExitCode::SUCCESS)
        }
    }

    /// Prints one object per line until the reader goes away.
    fn lines(&self) -> Result<ExitCode> {
        loop {
            let answer = Answer::Status(Box::new(self.host.status()?));
            if !print_json(&answer)? {
                return Ok(ExitCode::SUCCESS);
            }
            std::thread::sleep(REFRESH);
        }
    }

    /// Shows the refreshing view.
    fn view(&self) -> Result<ExitCode> {
        let first = self.host.status()?;
        ctrlc::set_handler(|| {
            ratatui::restore();
            // Dropping the terminal restores the cursor, but an exit skips the drop. A failure here is harmless.
            let _ = crossterm::execute!(std::io::stdout(), crossterm::cursor::Show);
            std::process::exit(INTERRUPTED.into());
        })
        .context("cannot install a signal handler")?;
        let poll = poll(self.host.clone())?;
        let mut terminal =
            ratatui::try_init().context("cannot use this terminal; try `tickdeck status`")?;
        let watched = watch(&mut terminal, first, &poll);
        ratatui::restore();
        watched.map(|()| ExitCode::SUCCESS)
    }
}

/// The thread that asks for the status, and its answers.
struct Poll {
    asks: SyncSender<()>,
    answers: Receiver<Result<HostStatus>>,
}

/// Polls the host on a thread of its own, so that a stuck host does not block the keyboard.
fn poll(host: Host) -> Result<Poll> {
    let (asks, asked) = sync_channel(1);
    let (answer, answers) = sync_channel(1);
    std::thread::Builder::new()
        .name("poll".to_owned())
        .spawn(
            move || {
                while asked.recv().is_ok() && answer.send(host.status()).is_ok() {}
            },
        )
        .context("cannot start a thread")?;
    Ok(Poll { asks, answers })
}

fn watch(terminal: &mut DefaultTerminal, mut status: HostStatus, poll: &Poll) -> Result<()> {
    let mut answered = Instant::now();
    loop {
        draw(terminal, &status, answered.elapsed())?;
        // The channel is full while the last request is unanswered.
        let _ = poll.asks.try_send(());
        if quits_within(REFRESH)? {
            return Ok(());
        }
        match poll.answers.try_recv() {
            Ok(answer) => (status, answered) = (answer?, Instant::now()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                bail!("the thread that asks the host panicked: a bug in tickdeck")
            }
        }
    }
}

fn draw(terminal: &mut DefaultTerminal, status: &HostStatus, age: Duration) -> Result<()> {
    let text = status_text::top(status);
    terminal
        .draw(|frame| {
            let [body, foot] =
                Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
            frame.render_widget(Paragraph::new(text), body);
            frame.render_widget(Paragraph::new(foot_line(age)), foot);
        })
        .context("cannot draw on the terminal")?;
    Ok(())
}

fn foot_line(age: Duration) -> String {
    if age < 4 * REFRESH {
        "q quit".to_owned()
    } else {
        let seconds = age.as_secs();
        format!("q quit   the host has not answered for {seconds} s: these figures are stale")
    }
}

/// Returns whether a key that quits is pressed within `wait`.
fn quits_within(wait: Duration) -> Result<bool> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if !event::poll(left).context("cannot read the terminal")? {
            return Ok(false);
        }
        match event::read().context("cannot read the terminal")? {
            Event::Key(key) if quits(key) => return Ok(true),
            _ => {}
        }
    }
}

fn quits(key: KeyEvent) -> bool {
    let is_interrupt =
        key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let is_quit = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
    key.kind != KeyEventKind::Release && (is_quit || is_interrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_q_escape_and_ctrl_c_quit() {
        let key = |code, modifiers| quits(KeyEvent::new(code, modifiers));
        assert!(key(KeyCode::Char('q'), KeyModifiers::NONE));
        assert!(key(KeyCode::Esc, KeyModifiers::NONE));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
        assert!(!key(KeyCode::Char('k'), KeyModifiers::NONE));
    }

    #[test]
    fn old_figures_are_marked_as_old() {
        assert_eq!(foot_line(REFRESH), "q quit");
        let line = foot_line(Duration::from_secs(7));
        assert!(line.contains("not answered for 7 s"), "{line}");
    }
}
