//! Steps through a recorded run in the terminal view, event by event.

use crate::display::{Focus, KeyCommand, MessageLog, Prompt, Screen, Tone, view};
use anyhow::Result;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tickdeck_deck::feed::{FeedLine, OperatorFeed, Topic, Weight};
use tickdeck_deck::read_model::ReadModel;
use tickdeck_engine::Effect;
use tickdeck_model::Event;
use tickdeck_recording::Pacing;
use tickdeck_recording::describe;
use tickdeck_recording::names::Names;

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(50);
/// Maximum number of working orders shown.
const MOST_ORDERS: usize = 100;

/// An event with its effects, and whether the run waits there.
type Shown = (Event, Vec<Effect>, bool);

/// The display's side of a run that is stepped through.
pub(super) struct StepView {
    shown: Receiver<Shown>,
    /// How many more events to play; 0 ends the run.
    pass: Sender<u64>,
}

/// Returns whether there is a terminal for the view.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

impl StepView {
    /// Creates both sides: the view for the display, and the pacing for the run.
    pub(super) fn new() -> (Self, Pacing) {
        let (to_display, shown) = channel();
        let (pass, passed) = channel();
        let show = Box::new(move |event: &Event, effects: &[Effect], waits: bool| {
            if effects.is_empty() && !waits {
                return 0;
            }
            let sent = to_display.send((*event, effects.to_vec(), waits));
            // Without a display nobody could continue the run.
            match sent {
                Ok(()) if waits => passed.recv().unwrap_or(0),
                _ => 0,
            }
        });
        (Self { shown, pass }, Pacing::Shown(show))
    }

    /// Shows event after event until the run is over or the operator quits.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn watch(self, title: &str, feed: &OperatorFeed, names: &Names) -> Result<()> {
        let mut screen = Screen::asking(Prompt::Step(0))?;
        let read_model = ReadModel::new(title, names.clone());
        let mut messages = MessageLog::default();
        let mut focus = None;
        let mut waits = false;
        loop {
            match self
                .shown
                .recv_timeout(if waits { Duration::ZERO } else { FRAME })
            {
                Ok((event, effects, waited)) => {
                    let event_shown = focus_on(&event, &effects, names);
                    messages.add(log_lines(&event, &event_shown));
                    focus = Some(event_shown);
                    waits = waited;
                    if !waits {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            messages.add(feed.lines(names).with_omissions());
            let rows = screen.rows().min(MOST_ORDERS);
            let status = read_model.host_status(&feed.latest(), 0.0);
            let mut model = view(&status, &messages, rows);
            model.focus.clone_from(&focus);
            model.mode.0 = if waits { "waiting" } else { "playing" }.to_owned();
            // A run that waits has no rate.
            model.head.rate = "-".to_owned();
            screen.draw(model)?;
            match screen.command(FRAME)? {
                Some(KeyCommand::Quit) => return Ok(()),
                Some(KeyCommand::Pass(count)) if waits => {
                    waits = false;
                    // A run that is over has dropped the receiver.
                    let _ = self.pass.send(count);
                }
                _ => {}
            }
        }
    }
}

/// Formats the effects of an event for the log.
fn log_lines(event: &Event, shown: &Focus) -> Vec<FeedLine> {
    let line = |text: &String| FeedLine {
        at: event.ts_host,
        topic: Topic::Notified,
        weight: Weight::Note,
        text: format!("#{} {text}", event.sequence),
    };
    shown.lines.iter().map(line).collect()
}

/// Formats an event with its effects.
fn focus_on(event: &Event, effects: &[Effect], names: &Names) -> Focus {
    let text = describe::untimed_event(event, names);
    let lines = effects
        .iter()
        .filter_map(|effect| describe::effect(effect, names));
    Focus {
        title: " event ",
        headline: (format!("#{} {text}", event.sequence), Tone::Plain),
        lines: lines.collect(),
    }
}
