//! The terminal around the live view: raw mode, keys, and frames.

use super::model::{Prompt, ViewModel};
use super::render::render;
use anyhow::{Context, Result, bail};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// A command from the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCommand {
    /// Ends the run cleanly.
    Quit,
    /// Denies new orders of all strategies.
    Pause,
    /// Ends a pause.
    Resume,
    /// Cancels every order and denies new ones.
    Kill,
    /// Plays this many more events of a recorded run.
    Pass(u64),
}

/// The terminal while the view is on it; restored when dropped, and by a panic on any thread.
pub struct Screen {
    terminal: DefaultTerminal,
    /// Keys come from a thread of their own, because reading a terminal that has gone away never returns.
    events: Receiver<Event>,
    prompt: Prompt,
}

impl Screen {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// The terminal cannot be put into raw mode.
    pub fn open() -> Result<Self> {
        Self::asking(Prompt::None)
    }

    /// Takes over the terminal and asks a question.
    ///
    /// # Errors
    /// As [`Screen::open`].
    pub fn asking(prompt: Prompt) -> Result<Self> {
        let terminal = ratatui::try_init()
            .context("cannot use this terminal for the live view; run with --plain")?;
        Ok(Self {
            terminal,
            events: read_events()?,
            prompt,
        })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.terminal
            .size()
            .map_or(0, |size| usize::from(size.height))
    }

    /// Draws a frame.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, mut model: ViewModel) -> Result<()> {
        model.prompt = self.prompt;
        self.terminal
            .draw(|frame| render(frame, &model))
            .context("cannot draw on the terminal")?;
        Ok(())
    }

    /// Waits up to `timeout` for a key that is a command.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn command(&mut self, timeout: Duration) -> Result<Option<KeyCommand>> {
        let event = match self.events.recv_timeout(timeout) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("cannot read the terminal"),
        };
        let (prompt, command) = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => pressed(self.prompt, key),
            _ => (self.prompt, None),
        };
        self.prompt = prompt;
        Ok(command)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Starts the thread that reads the terminal. It ends with the process, or with the receiver.
fn read_events() -> Result<Receiver<Event>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let read = move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                break;
            }
        }
    };
    let thread = std::thread::Builder::new().name("keys".to_owned());
    thread.spawn(read).context("cannot start a thread")?;
    Ok(receiver)
}

/// Returns the prompt after a key, and the command that the key gives.
fn pressed(prompt: Prompt, key: KeyEvent) -> (Prompt, Option<KeyCommand>) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (prompt, key.code) {
        (_, KeyCode::Char('c')) if control => (Prompt::None, Some(KeyCommand::Quit)),
        (Prompt::Step(typed), code) => step(typed, code),
        (Prompt::Kill, KeyCode::Char('y' | 'Y')) => (Prompt::None, Some(KeyCommand::Kill)),
        (Prompt::Kill, _) => (Prompt::None, None),
        (Prompt::None, KeyCode::Char('q') | KeyCode::Esc) => (Prompt::None, Some(KeyCommand::Quit)),
        (Prompt::None, KeyCode::Char('p')) => (Prompt::None, Some(KeyCommand::Pause)),
        (Prompt::None, KeyCode::Char('r')) => (Prompt::None, Some(KeyCommand::Resume)),
        (Prompt::None, KeyCode::Char('k')) => (Prompt::Kill, None),
        (Prompt::None, _) => (Prompt::None, None),
    }
}

/// Handles a key while a recorded run is stepped through.
fn step(typed: u64, code: KeyCode) -> (Prompt, Option<KeyCommand>) {
    /// More than any run has events.
    const MOST: u64 = 1_000_000_000_000;
    match code {
        KeyCode::Char('q') | KeyCode::Esc => (Prompt::Step(0), Some(KeyCommand::Quit)),
        KeyCode::Enter | KeyCode::Char(' ') => {
            (Prompt::Step(0), Some(KeyCommand::Pass(typed.max(1))))
        }
        KeyCode::Backspace => (Prompt::Step(typed / 10), None),
        KeyCode::Char(digit) => {
            let digit = digit.to_digit(10).filter(|_| typed < MOST);
            let typed = digit.map_or(typed, |digit| 10 * typed + u64::from(digit));
            (Prompt::Step(typed), None)
        }
        _ => (Prompt::Step(typed), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_enter_play_that_many_events() {
        let mut prompt = Prompt::Step(0);
        let mut commands = Vec::new();
        let keys = ['\n', '1', 'x', '2', '5', '\u{8}', '\n', ' ', 'q'];
        for key in keys {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{8}' => KeyCode::Backspace,
                char => KeyCode::Char(char),
            };
            let command;
            (prompt, command) = pressed(prompt, KeyEvent::new(code, KeyModifiers::NONE));
            commands.extend(command);
        }
        let expected = [
            KeyCommand::Pass(1),
            KeyCommand::Pass(12),
            KeyCommand::Pass(1),
            KeyCommand::Quit,
        ];
        assert_eq!((prompt, &commands[..]), (Prompt::Step(0), &expected[..]));
    }

    #[test]
    fn only_a_kill_takes_a_second_key() {
        let key = |char| KeyEvent::new(KeyCode::Char(char), KeyModifiers::NONE);
        let cases = [
            (Prompt::None, 'k', Prompt::Kill, None),
            (Prompt::Kill, 'y', Prompt::None, Some(KeyCommand::Kill)),
            (Prompt::Kill, 'n', Prompt::None, None),
            (Prompt::Kill, 'q', Prompt::None, None),
            (Prompt::None, 'y', Prompt::None, None),
            (Prompt::None, 'q', Prompt::None, Some(KeyCommand::Quit)),
            (Prompt::None, 'p', Prompt::None, Some(KeyCommand::Pause)),
            (Prompt::None, 'r', Prompt::None, Some(KeyCommand::Resume)),
            (Prompt::None, 'c', Prompt::None, None),
        ];
        for (before, char, after, command) in cases {
            assert_eq!(
                pressed(before, key(char)),
                (after, command),
                "{before:?} {char}"
            );
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(
            pressed(Prompt::Kill, interrupt),
            (Prompt::None, Some(KeyCommand::Quit))
        );
    }
}
